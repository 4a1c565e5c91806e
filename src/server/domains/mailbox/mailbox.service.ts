// The mailbox: per device a queue of pairwise packets the server cannot read (protocol P12). Over its bounds the
// sender is told, and nothing of the call is stored.
import type { DeviceActor, Deps } from '#server/deps.ts';
import type { Queryable } from '#server/platform/db.ts';
import { transaction } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes } from '#server/proof.ts';
import { AppError } from '#shared/errors.ts';
import type { DeviceId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { MailboxPacket, OutgoingPacket, SendPacketsResult } from '#shared/mailbox.ts';
import { sharingChannel } from '#server/domains/users/users.service.ts';
import {
  deletePackets,
  insertPackets,
  lockLiveDevices,
  mailboxUse,
  pullPackets,
  type MailboxUse,
  type PacketRow,
} from './mailbox.queries.ts';

const countBy = (packets: readonly PacketRow[]): Map<DeviceId, { count: number; bytes: number }> => {
  const sums = new Map<DeviceId, { count: number; bytes: number }>();
  for (const { deviceId, bytes } of packets) {
    const sum = sums.get(deviceId) ?? { count: 0, bytes: 0 };
    sums.set(deviceId, { count: sum.count + 1, bytes: sum.bytes + bytes.length });
  }
  return sums;
};

function isOver(use: MailboxUse, added: { readonly count: number; readonly bytes: number }): boolean {
  return (
    use.fromSender + added.count > limits.mailboxPerSender ||
    use.packets + added.count > limits.mailboxPackets ||
    use.bytes + added.bytes > limits.mailboxBytes
  );
}

/** Throws `mailbox_full` naming the devices these packets do not fit into. */
async function requireMailboxRoom(
  q: Queryable,
  senderDeviceId: DeviceId,
  packets: readonly PacketRow[],
): Promise<void> {
  const sums = countBy(packets);
  const uses = await mailboxUse(q, [...sums.keys()], senderDeviceId);
  const full = uses.filter((use) => isOver(use, sums.get(use.deviceId) ?? { count: 0, bytes: 0 }));
  if (full.length > 0) throw new AppError({ code: 'mailbox_full', devices: full.map((use) => use.deviceId) });
}

/**
 * Splits packets into those whose device is live, belongs to the account named and to somebody the sender shares a
 * channel with (or to the sender), and the devices of the rest. Locks the live devices.
 */
async function sortTargets(
  q: Queryable,
  actor: DeviceActor,
  packets: readonly PacketRow[],
): Promise<{ live: PacketRow[]; gone: DeviceId[] }> {
  const locked = await lockLiveDevices(q, [...new Set(packets.map((p) => p.deviceId))]);
  const owners = new Map((await mailboxUse(q, locked, actor.deviceId)).map((u) => [u.deviceId, u.accountId]));
  const reachable = await sharingChannel(q, actor.accountId, [...new Set(packets.map((p) => p.accountId))]);
  const isLive = (p: PacketRow): boolean =>
    owners.get(p.deviceId) === p.accountId && reachable.has(p.accountId) && p.deviceId !== actor.deviceId;
  const gone = new Set(packets.filter((p) => !isLive(p)).map((p) => p.deviceId));
  return { live: packets.filter(isLive), gone: [...gone] };
}

const packetOf = (
  deviceActor: DeviceActor,
  seq: number,
  row: { bytes: Uint8Array; at: Date },
): MailboxPacket => ({
  seq,
  senderAccountId: deviceActor.accountId,
  senderDeviceId: deviceActor.deviceId,
  bytes: encodeBytes(row.bytes),
  createdAt: row.at.getTime(),
});

/** Queues packets for devices; their sockets hear them after commit. */
export function sendPackets(
  deps: Deps,
  actor: DeviceActor,
  input: { readonly packets: readonly OutgoingPacket[] },
): Promise<SendPacketsResult> {
  const packets = input.packets.map((p): PacketRow => ({ ...p, bytes: decodeBytes(p.bytes) }));
  return transaction(deps.db, async (tx) => {
    const { live, gone } = await sortTargets(tx, actor, packets);
    if (live.length === 0) return { gone };
    await requireMailboxRoom(tx, actor.deviceId, live);
    const at = new Date(deps.clock.now());
    const seqs = await insertPackets(tx, actor, { packets: live, at });
    tx.afterCommit(() => {
      live.forEach((row, i) => {
        const packet = packetOf(actor, seqs[i] ?? 0, { bytes: row.bytes, at });
        deps.live.publish({ to: 'device', deviceId: row.deviceId }, { type: 'mailbox.received', packet });
      });
    });
    return { gone };
  });
}

/** The oldest packets of the own mailbox after a seq. */
export async function pullMailbox(
  deps: Deps,
  actor: DeviceActor,
  input: { readonly after: number },
): Promise<readonly MailboxPacket[]> {
  const page = { after: input.after, limit: limits.mailboxPage };
  const rows = await pullPackets(deps.db, actor.deviceId, page);
  return rows.map((row) => ({
    seq: Number(row.seq),
    senderAccountId: row.senderAccountId,
    senderDeviceId: row.senderDeviceId,
    bytes: encodeBytes(row.bytes),
    createdAt: row.createdAt.getTime(),
  }));
}

/** Deletes packets of the own mailbox; seqs it does not hold are ignored. */
export function ackMailbox(
  deps: Deps,
  actor: DeviceActor,
  input: { readonly seqs: readonly number[] },
): Promise<void> {
  return deletePackets(deps.db, actor.deviceId, input.seqs);
}

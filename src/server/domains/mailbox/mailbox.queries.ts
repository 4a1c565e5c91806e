import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, DeviceId } from '#shared/ids.ts';

/** One packet for one device; bytes are raw. */
export interface PacketRow {
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
  readonly bytes: Uint8Array;
}

export interface MailboxUse {
  readonly deviceId: DeviceId;
  readonly accountId: AccountId;
  readonly packets: number;
  readonly bytes: number;
  readonly fromSender: number;
}

/** Locks the live devices among `deviceIds` in id order, so that two senders cannot both take the last place. */
export async function lockLiveDevices(q: Queryable, deviceIds: readonly DeviceId[]): Promise<DeviceId[]> {
  const rows = await q.query<{ id: DeviceId }>(
    'mailbox.lock-devices',
    'SELECT id FROM "Device" WHERE id = ANY($1::uuid[]) AND "revokedAt" IS NULL ORDER BY id FOR NO KEY UPDATE',
    [deviceIds],
  );
  return rows.map((row) => row.id);
}

/** How full the mailboxes of these devices are, in all and from one sender's device. */
export function mailboxUse(
  q: Queryable,
  deviceIds: readonly DeviceId[],
  senderDeviceId: DeviceId,
): Promise<MailboxUse[]> {
  return q.query<MailboxUse>(
    'mailbox.use',
    `SELECT d.id AS "deviceId", d."accountId", count(p.seq)::int4 AS packets,
       COALESCE(sum(length(p.bytes)), 0)::int4 AS bytes,
       count(p.seq) FILTER (WHERE p."senderDeviceId" = $2::uuid)::int4 AS "fromSender"
     FROM "Device" d LEFT JOIN "MailboxPacket" p ON p."deviceId" = d.id
     WHERE d.id = ANY($1::uuid[]) GROUP BY d.id`,
    [deviceIds, senderDeviceId],
  );
}

export interface PacketSender {
  readonly accountId: AccountId;
  readonly deviceId: DeviceId;
}

/** Stores packets in order; answers their seqs in the same order. */
export async function insertPackets(
  q: Queryable,
  sender: PacketSender,
  input: { readonly packets: readonly PacketRow[]; readonly at: Date },
): Promise<number[]> {
  const { packets, at } = input;
  const rows = await q.query<{ seq: bigint }>(
    'mailbox.insert',
    `WITH numbered AS MATERIALIZED (
       SELECT p.n, p.device, p.bytes, nextval('"MailboxPacket_seq_seq"') AS seq
       FROM unnest($3::uuid[], $4::bytea[]) WITH ORDINALITY AS p(device, bytes, n)
     ), stored AS (
       INSERT INTO "MailboxPacket" ("deviceId", seq, "senderAccountId", "senderDeviceId", bytes, "createdAt")
       SELECT device, seq, $1::uuid, $2::uuid, bytes, $5::timestamptz FROM numbered
     ) SELECT seq FROM numbered ORDER BY n`,
    [sender.accountId, sender.deviceId, packets.map((p) => p.deviceId), packets.map((p) => p.bytes), at],
  );
  return rows.map((row) => Number(row.seq));
}

export interface StoredPacket {
  readonly seq: bigint;
  readonly senderAccountId: AccountId;
  readonly senderDeviceId: DeviceId;
  readonly bytes: Uint8Array;
  readonly createdAt: Date;
}

export function pullPackets(
  q: Queryable,
  deviceId: DeviceId,
  page: { readonly after: number; readonly limit: number },
): Promise<StoredPacket[]> {
  return q.query<StoredPacket>(
    'mailbox.pull',
    `SELECT seq, "senderAccountId", "senderDeviceId", bytes, "createdAt" FROM "MailboxPacket"
     WHERE "deviceId" = $1 AND seq > $2::int8 ORDER BY seq LIMIT $3::int4`,
    [deviceId, BigInt(page.after), page.limit],
  );
}

export async function deletePackets(
  q: Queryable,
  deviceId: DeviceId,
  seqs: readonly number[],
): Promise<void> {
  await q.query(
    'mailbox.ack',
    'DELETE FROM "MailboxPacket" WHERE "deviceId" = $1 AND seq = ANY($2::int8[])',
    [deviceId, seqs.map(BigInt)],
  );
}

// The newest backup key on its way to the own devices that are left (protocol 3.2): over pairwise sessions, to nobody the
// account's log has removed, and by nobody who does not know of the removal yet.
import { encodePairwise, findDevice, uuidToBytes } from '#crypto/index.ts';
import type { DeviceId, DeviceRef } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import type { BackupRecord, KeyHandout } from './backup-records.ts';
import { isLevel } from './backup-steps.ts';
import type { EngineCore, Own } from './engine-core.ts';
import {
  isLive,
  packetFor,
  refOf,
  targetOf,
  targetsOf,
  withoutSession,
  type Target,
} from './pairwise-link.ts';
import { keys } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** Own devices that keys of the backup are for and that were not handed this one. */
async function lacking(unit: UnitOfWork, own: Own, version: number): Promise<Target[]> {
  const found: Target[] = [];
  for (const target of await targetsOf(unit, own, [own.self.accountId])) {
    if (findDevice(own.log, target.deviceId)?.cert.kind !== 'full') continue;
    if ((await unit.get<number>(keys.backupHanded(target.address))) !== version) found.push(target);
  }
  return found;
}

/**
 * Packets with the key for whoever lacks it, kept until the server has them; first the devices a session is missing with.
 * Nothing while the list is not verified, or while the log here is older than the one the key was made by: it would not
 * say yet who was removed.
 */
export async function handOut(
  unit: UnitOfWork,
  own: Own,
  clock: { now: number; rng: EngineCore['rng'] },
): Promise<{ packets: readonly OutgoingPacket[]; bundles: readonly DeviceRef[] }> {
  const { backupVersion: version, backupKey: key } = own.self;
  const record = await unit.get<BackupRecord>(keys.backup);
  const since = record?.version === version && isLevel(record, own) ? record.rotatedAt : undefined;
  if (since === undefined || own.log.headSeq < since) return { packets: [], bundles: [] };
  const unsent = await unit.get<KeyHandout>(keys.backupHanding);
  const kept = unsent?.version === version ? unsent.packets : [];
  const waiting = kept.filter(({ deviceId }) => isLive(own.log, uuidToBytes(deviceId)));
  const targets = (await lacking(unit, own, version)).filter(
    (target) => !waiting.some(({ deviceId }) => deviceId === refOf(target).deviceId),
  );
  const closed = await withoutSession(unit, targets, clock.now);
  const packets = [...waiting];
  for (const target of targets.filter((one) => !closed.includes(one))) {
    const payload = encodePairwise({ kind: 'backup-key', version, key });
    packets.push(await packetFor(unit, own, { target, payload, clock }));
  }
  if (packets.length > 0) unit.put(keys.backupHanding, { version, packets } satisfies KeyHandout);
  else if (unsent) unit.remove(keys.backupHanding);
  return { packets, bundles: closed.map(refOf) };
}

/** The server has the packets for these devices. */
export async function handedOut(unit: UnitOfWork, own: Own, deviceIds: readonly DeviceId[]): Promise<void> {
  const unsent = await unit.get<KeyHandout>(keys.backupHanding);
  if (!unsent) return;
  const isHanded = ({ deviceId }: OutgoingPacket): boolean => deviceIds.includes(deviceId);
  for (const { accountId, deviceId } of unsent.packets.filter(isHanded)) {
    const target = targetOf(own.log, accountId, uuidToBytes(deviceId));
    if (target) unit.put(keys.backupHanded(target.address), unsent.version);
  }
  const packets = unsent.packets.filter((packet) => !isHanded(packet));
  if (packets.length > 0) unit.put(keys.backupHanding, { ...unsent, packets } satisfies KeyHandout);
  else unit.remove(keys.backupHanding);
}

/** The device could not read what it was sent: it gets the key again. */
export const handAgain = (unit: UnitOfWork, { address }: Pick<Target, 'address'>): void =>
  unit.remove(keys.backupHanded(address));

// Keys of newer versions of the backup on their way to this device: from another device of the account, from the vault, or
// made here. One of them counts when the server's list begins with what it closed (docs/protocol.md, Backup).
import {
  equalBytes,
  findDevice,
  H,
  idKey,
  openClosedBackup,
  requireSameList,
  type BackupKeyPayload,
  type ClosedBackup,
} from '#crypto/index.ts';
import type { BackupRecord, KnownList, RotationRecord } from './backup-records.ts';
import { codeOf, type Own } from './engine-core.ts';
import { MAX_BACKUP_KEYS } from './engine-limits.ts';
import type { Opening } from './installing.ts';
import type { Outcome } from './received.ts';
import { keys, type SelfRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** Secret: key. */
interface NewerKey {
  readonly version: number;
  readonly key: Uint8Array;
}

/** Keeps a key until its list is met. Beyond the bound those of the lowest version go. */
export async function keepBackupKey(unit: UnitOfWork, { version, key }: NewerKey): Promise<void> {
  const name = keys.backupKey(version, idKey(H(key).subarray(0, 8)));
  const known = [...(await unit.list<NewerKey>(keys.backupKeys)).keys()].filter((other) => other !== name);
  for (const oldest of known.slice(0, Math.max(0, known.length - MAX_BACKUP_KEYS + 1))) unit.remove(oldest);
  unit.put(name, { version, key } satisfies NewerKey);
}

/** A key in a packet counts from a live full device of the own account only, as the log here says it. */
export async function takeBackupKey(
  unit: UnitOfWork,
  { own, result, peerAccountId }: Opening,
  { version, key }: BackupKeyPayload,
): Promise<Outcome> {
  const device = findDevice(own.log, result.sender.deviceId);
  const isOwn = peerAccountId === own.self.accountId && equalBytes(result.sender.aid, own.log.aid);
  if (!isOwn || device?.revokedAtSeq !== null || device.cert.kind !== 'full') return {};
  if (version > own.self.backupVersion) await keepBackupKey(unit, { version, key });
  return {};
}

export async function keysOfVersion(unit: UnitOfWork, version: number): Promise<Uint8Array[]> {
  const kept = [...(await unit.list<NewerKey>(keys.backupKeys)).values()];
  return kept.filter((one) => one.version === version).map(({ key }) => key);
}

/** Whether a key of a newer version than this device's waits for its list. */
export async function hasNewerKey(unit: UnitOfWork, { self }: Own): Promise<boolean> {
  const kept = [...(await unit.list<NewerKey>(keys.backupKeys)).values()];
  return kept.some(({ version }) => version > self.backupVersion);
}

/**
 * The kept key that opens the first entry of a list of this version, with what that closes; null where none does. Throws
 * `mismatch`, `truncated` where it closes another list than the one this device knows.
 */
export async function findKeyFor(
  unit: UnitOfWork,
  own: Own,
  list: { version: number; first: Uint8Array; record: BackupRecord },
): Promise<{ key: Uint8Array; closed: ClosedBackup } | null> {
  const { version, first, record } = list;
  for (const key of await keysOfVersion(unit, version)) {
    const closed = openWith({ aid: own.log.aid, version, key }, first);
    // A log older than the one the key was made by would not say yet who is not to have it.
    if (!closed || closed.logSeq > own.log.headSeq) continue;
    if (closed.version === record.version)
      requireSameList(closed, { key: own.self.backupKey, count: record.count });
    return { key, closed };
  }
  return null;
}

function openWith(key: Parameters<typeof openClosedBackup>[0], first: Uint8Array): ClosedBackup | null {
  try {
    return openClosedBackup(key, first);
  } catch (error) {
    codeOf(error); // of another rotation, which was not the first
    return null;
  }
}

/** What is known of the list before, for when it is read behind the new one. */
function knownOf(record: BackupRecord, own: Own): KnownList {
  const { version, count, hashes, before } = record;
  // Nothing of this list was verified: what was known before it still counts.
  if (before && count === 0) return before;
  const isWhole = !record.pull && !record.closed && (version === 1 || record.rotatedAt !== undefined);
  // Of the first version any part is as good as the whole: nothing is before it.
  return { version, count, hashes, key: own.self.backupKey, isWhole: isWhole || version === 1 };
}

/** From here on this is the account's key. What waits stays queued, and goes into the new list. */
export async function adoptBackupKey(
  unit: UnitOfWork,
  own: Own,
  next: { version: number; key: Uint8Array; record: BackupRecord },
): Promise<BackupRecord> {
  const { version, key, record } = next;
  unit.put(keys.self, { ...own.self, backupKey: key, backupVersion: version } satisfies SelfRecord);
  unit.remove(keys.backupPending);
  const rotation = await unit.get<RotationRecord>(keys.backupRotation);
  if (rotation && rotation.version <= version) unit.remove(keys.backupRotation);
  for (const [name, kept] of await unit.list<NewerKey>(keys.backupKeys))
    if (kept.version <= version) unit.remove(name);
  const { head } = record;
  const list = { count: 0, hashes: [], pull: null, refusal: null };
  return { version, ...list, head, before: knownOf(record, own) };
}

/** Devices taken from somebody since this version began could still have its key: another one is due. */
export function isRotationDue({ log }: Own, record: BackupRecord | undefined): boolean {
  const since = record?.version === 1 ? 0 : record?.rotatedAt;
  if (since === undefined) return false;
  return Object.values(log.devices).some(
    ({ cert, revokedAtSeq, revokeReason }) =>
      cert.kind === 'full' &&
      revokedAtSeq !== null &&
      revokedAtSeq > since &&
      (revokeReason === 'removed' || revokeReason === 'lost'),
  );
}

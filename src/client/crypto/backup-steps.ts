// Steps of reading the backup, over its record: what is verified, what comes next, what is refused (docs/protocol.md, Backup).
import { equalBytes, merkleRoot, parseBackupManifest, type BackupManifest } from '#crypto/index.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { BackupRefusal, BackupStep } from './backup-protocol.ts';
import type { BackupPull, BackupRecord } from './backup-records.ts';
import { codeOf, type Own } from './engine-core.ts';
import { keys } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

export const backupKeyOf = ({ self, log }: Own) => ({
  aid: log.aid,
  version: self.backupVersion,
  key: self.backupKey,
});

export const frontierOf = ({ count, hashes }: Pick<BackupRecord, 'count' | 'hashes'>) => ({ count, hashes });

export const reasonOf = (error: unknown): BackupRefusal['reason'] => {
  const code = codeOf(error);
  if (code === 'fork') return 'forked';
  return code === 'stale_record' ? 'other_key' : 'changed';
};

/** The very entries this device has verified, and no others. */
export const isVerified = (
  record: BackupRecord,
  { aid, version, count, root }: BackupManifest,
  own: Own,
): boolean =>
  equalBytes(aid, own.log.aid) &&
  version === record.version &&
  count === record.count &&
  equalBytes(merkleRoot(frontierOf(record)), root);

/** Whether the first look at the backup is still to come or going on. */
export const isRestoring = (record: BackupRecord | undefined): boolean =>
  record === undefined || (record.pull !== null && record.count === 0) || Boolean(record.closed);

/** The log names a list under another key than this device has. */
export const isNewerNamed = ({ version }: BackupRecord, { log }: Own): boolean =>
  (log.backupHead?.version ?? 0) > version;

/** Everything the server has was verified, under the newest key this device has heard of. */
export const isLevel = (record: BackupRecord, own: Own): boolean =>
  !record.pull && !record.refusal && !record.closed && !record.probe && !isNewerNamed(record, own);

export const newRecord = ({ self }: Own): BackupRecord => ({
  version: self.backupVersion,
  count: 0,
  hashes: [],
  pull: null,
  refusal: null,
  head: null,
});

/** Pulls what the manifest promises beyond what is verified. */
export function pullOf(record: BackupRecord, { log }: Own, manifest: Uint8Array): BackupPull {
  const logged = log.backupHead?.version === record.version ? log.backupHead : null;
  const { count } = parseBackupManifest(manifest);
  return { manifest, floor: record.count, to: count, logged, nodes: [], notes: {} };
}

/** The next step of what is being read; without any, everything is here. */
export function goOn(
  unit: UnitOfWork,
  record: BackupRecord,
  unlocked: readonly ChannelId[] = [],
): BackupStep {
  unit.put(keys.backup, record);
  const { pull, closed, version } = record;
  if (pull) return { state: 'behind', version, from: nextFloor(pull), to: pull.to, unlocked };
  if (!closed) return { state: 'current', unlocked };
  return { state: 'behind', version: closed.version, from: closed.from.count, to: closed.to, unlocked };
}

export const settle = (unit: UnitOfWork, record: BackupRecord): BackupStep =>
  goOn(unit, { ...record, refusal: null });

export function refuse(unit: UnitOfWork, record: BackupRecord, refusal: BackupRefusal): BackupStep {
  unit.put(keys.backup, { ...record, refusal } satisfies BackupRecord);
  return { state: 'refused', refusal, unlocked: [] };
}

/** The tree is proved at the count the log names, so no page may reach over it. */
export const nextFloor = ({ floor, to, logged }: BackupPull): number =>
  logged && logged.count > floor && logged.count < to ? logged.count : floor;

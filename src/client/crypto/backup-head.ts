// When the own account's log names the backup next (docs/protocol.md, Backup): every peer reads every entry, so heads
// become rarer the longer the log is, but a change of devices is always followed by one.
import { backupHeadHash, createBackupHead, merkleRoot, toBase64Url } from '#crypto/index.ts';
import { signerOf, type Own } from './engine-core.ts';
import {
  BACKUP_HEAD_LAST_SEQ,
  BACKUP_HEAD_MAX_MS,
  BACKUP_HEAD_MS,
  BACKUP_HEAD_SLOWER_EVERY,
} from './engine-limits.ts';
import type { BackupRecord } from './backup-records.ts';
import { keys } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** The log entry that names the backup as it is now, base64url; null where none is due. */
export function nextHead(
  unit: UnitOfWork,
  own: Own,
  { record, now }: { record: BackupRecord; now: number },
): string | null {
  const { log } = own;
  const logged = log.backupHead;
  if (logged && logged.seq !== record.head?.seq) {
    unit.put(keys.backup, { ...record, head: { seq: logged.seq, at: now } } satisfies BackupRecord);
  }
  const since = logged?.seq === record.head?.seq ? (record.head?.at ?? now) : now;
  if (!isDue(log, record, now - since)) return null;
  const { version, count, hashes } = record;
  const hash = backupHeadHash({ aid: log.aid, version, count, root: merkleRoot({ count, hashes }) });
  return toBase64Url(createBackupHead(log, { version, count, hash }, signerOf(own)));
}

function isDue(log: Own['log'], record: BackupRecord, age: number): boolean {
  const logged = log.backupHead;
  // From this entry on nobody takes the list or the vault of before the rotation any more.
  if (logged ? logged.version < record.version : record.version > 1) return true;
  if (log.headSeq >= BACKUP_HEAD_LAST_SEQ) return false;
  if (!logged) return true;
  if (logged.version === record.version && logged.count >= record.count) return false;
  // Another device has the newer key, and names its list.
  if (logged.version > record.version) return false;
  const { seq } = logged;
  const isChanged = Object.values(log.devices).some((d) => d.addedAtSeq > seq || (d.revokedAtSeq ?? 0) > seq);
  const slower = 2 ** Math.floor(log.headSeq / BACKUP_HEAD_SLOWER_EVERY);
  return isChanged || age >= Math.min(BACKUP_HEAD_MAX_MS, BACKUP_HEAD_MS * slower);
}

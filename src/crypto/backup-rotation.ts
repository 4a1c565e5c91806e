// Rotation of the backup key (protocol 3.2, 3.12; docs/protocol.md, Backup): a new key begins a new list, whose first entry
// holds the key of the list before and what that was closed with. Who has the new key reads both; who has only the old one
// reads nothing that comes after.
import { BACKUP_CLOSED, decodeClosedBackup, encodeClosedBackup, type ClosedBackup } from './backup-kinds.ts';
import { openBackupEntry, sealBackupEntry, type BackupKey, type BackupProof } from './backup.ts';
import { equalBytes } from './bytes.ts';
import { AEAD_KEY_BYTES, HASH_BYTES, MIN_BACKUP_ID_BYTES } from './constants.ts';
import { ensure } from './errors.ts';
import { merkleRoot, type Frontier } from './merkle.ts';
import type { Rng } from './rng.ts';

/** A new key and the entry its list begins with. */
export interface RotatedBackup {
  readonly next: BackupKey;
  readonly first: Uint8Array;
}

/**
 * Makes the key of the next version and closes the list of this one at `tree`. `logSeq`: the newest entry of the account's
 * log this device knows.
 */
export function rotateBackup(
  old: BackupKey,
  closing: { readonly tree: Frontier; readonly logSeq: number },
  rng: Rng,
): RotatedBackup {
  const { tree, logSeq } = closing;
  const { aid, version, key } = old;
  const { count } = tree;
  const root = count === 0 ? new Uint8Array(HASH_BYTES) : merkleRoot(tree);
  const next = { aid, version: version + 1, key: rng.bytes(AEAD_KEY_BYTES) };
  const payload = encodeClosedBackup({ version, key, count, root, logSeq });
  const item = { kind: BACKUP_CLOSED, id: rng.bytes(MIN_BACKUP_ID_BYTES), payload };
  return { next, first: sealBackupEntry(next, item, rng) };
}

/**
 * What the first entry of a list says about the list before; null for the first version, which has none before it. Throws
 * `bad_mac` (another key or version), `mismatch` (no such entry, or of another version than the one before), malformed.
 */
export function openClosedBackup(key: BackupKey, first: Uint8Array): ClosedBackup | null {
  if (key.version === 1) return null;
  const { kind, payload } = openBackupEntry(key, first);
  ensure(kind === BACKUP_CLOSED, 'mismatch', 'list does not begin with the one before it');
  const closed = decodeClosedBackup(payload);
  ensure(closed.version === key.version - 1, 'mismatch', 'closed list of another version');
  return closed;
}

/**
 * Holds a closed list against what a device knows of it: the same key, and no fewer entries than it verified. Throws
 * `mismatch`, `truncated`.
 */
export function requireSameList(
  closed: ClosedBackup,
  known: { readonly key: Uint8Array; readonly count: number },
): void {
  ensure(equalBytes(closed.key, known.key), 'mismatch', 'closed list of another key');
  ensure(closed.count >= known.count, 'truncated', 'list was closed with fewer entries than it had');
}

/** A closed list as `proveBackup` wants it promised: no manifest speaks for it any more, the list after it does. */
export const promiseOf = (
  aid: Uint8Array,
  closed: Pick<ClosedBackup, 'version' | 'count' | 'root'>,
): BackupProof['manifest'] => ({
  aid,
  version: closed.version,
  count: closed.count,
  root: closed.root,
});

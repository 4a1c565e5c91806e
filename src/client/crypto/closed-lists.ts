// Lists that a rotation of the key closed (docs/protocol.md, Backup): read after the newest one, each against what the list
// after it promises. What this device verified while a list was the newest is not read again.
import {
  CryptoError,
  EMPTY_FRONTIER,
  equalBytes,
  foldLeaves,
  fromBase64Url,
  merkleLeaf,
  merkleRoot,
  openBackupEntry,
  openClosedBackup,
  promiseOf,
  proveBackup,
  requireSameList,
  type BackupKey,
  type ClosedBackup,
} from '#crypto/index.ts';
import type { BackupPage } from '#shared/backup.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { BackupRefusal } from './backup-protocol.ts';
import { keepNotes, takeItems } from './backup-intake.ts';
import { placeOf, type BackupRecord, type ClosedPull, type KnownList } from './backup-records.ts';
import { codeOf, type Own } from './engine-core.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/**
 * What is to be read of a closed list; null: nothing. Throws `mismatch`, `truncated` where it is not the one this device
 * knew.
 */
export function pullOfClosed(
  closed: ClosedBackup | null,
  before: KnownList | null | undefined,
): ClosedPull | null {
  if (!closed) return null;
  const known = before?.version === closed.version ? before : null;
  if (known) requireSameList(closed, known);
  const { version, key, count, root } = closed;
  if (count === 0) return null;
  const reachesBack = !known?.isWhole;
  const from = known?.isWhole ? { count: known.count, hashes: known.hashes } : EMPTY_FRONTIER;
  if (from.count === count) {
    if (!equalBytes(merkleRoot(from), root)) throw new CryptoError('mismatch', 'closed list is another one');
    return null;
  }
  return { version, key, count, root, from, to: count, nodes: [], notes: {}, reachesBack };
}

/**
 * The list before, as the first entry of the newest says. Throws as `openClosedBackup`, and `truncated` where the log here
 * ends before the entry the rotation names: it would not say who was removed.
 */
export function closedBefore({ log }: Own, key: BackupKey, first: Uint8Array): ClosedBackup | null {
  const closed = openClosedBackup(key, first);
  if (closed && closed.logSeq > log.headSeq)
    throw new CryptoError('truncated', 'log older than the rotation');
  return closed;
}

/** The pull from its beginning: what came of it was not what was promised. */
export const restarted = (pull: ClosedPull): ClosedPull => ({
  ...pull,
  to: pull.count,
  nodes: [],
  notes: {},
});

/** Why a page of it is not taken: it ended before what was asked for, or holds something else. */
export function refusalOf(error: unknown, pull: ClosedPull, page: BackupPage): BackupRefusal {
  const got = page.from + page.entries.length;
  const isShort = codeOf(error) === 'truncated' && got < pull.to;
  return { reason: isShort ? 'old' : 'changed', expected: pull.count, got };
}

/**
 * Takes a page of the closed list that is being read; the next one follows from it. Throws as `proveBackup` and
 * `openClosedBackup`.
 */
export async function takeClosed(
  unit: UnitOfWork,
  own: Own,
  taken: {
    record: BackupRecord;
    pull: ClosedPull;
    page: BackupPage;
    waiting: ReadonlyMap<string, ChannelId>;
  },
): Promise<{ record: BackupRecord; unlocked: readonly ChannelId[] }> {
  const { record, pull, page, waiting } = taken;
  const encoded = page.entries.map(fromBase64Url);
  const isAsked = page.from >= pull.from.count && page.from + encoded.length === pull.to;
  const [first] = encoded;
  if (!isAsked || !first) throw new CryptoError('truncated', 'not the entries asked for');
  const { aid } = own.log;
  const { version } = pull;
  const key = { aid, version, key: pull.key };
  const items = encoded.map((entry) => openBackupEntry(key, entry));
  const { unlocked, notes } = await takeItems(unit, items, { from: placeOf(version, page.from), waiting });
  const next: ClosedPull = {
    ...pull,
    to: page.from,
    nodes: [...foldLeaves(page.from, encoded.map(merkleLeaf)), ...pull.nodes],
    notes: { ...notes, ...pull.notes },
  };
  if (page.from > pull.from.count) return { record: { ...record, closed: next }, unlocked };
  const manifest = promiseOf(aid, pull);
  proveBackup({ from: pull.from, nodes: next.nodes, manifest, logged: undefined });
  await keepNotes(unit, own, next.notes);
  const closed = pull.reachesBack ? pullOfClosed(openClosedBackup(key, first), record.before) : null;
  return { record: { ...record, closed, before: closed ? (record.before ?? null) : null }, unlocked };
}

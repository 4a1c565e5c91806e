// Backups: a list of sealed entries per account (protocol 3.12). The server orders appends, bounds them and holds each
// against the manifest its device signed; it can open none of them.
import {
  appendLeaves,
  CryptoError,
  decodeFrontier,
  EMPTY_FRONTIER,
  encodeFrontier,
  merkleLeaf,
  merkleRoot,
  parseBackupEntry,
  parseBackupManifest,
  uuidToBytes,
  verifyBackupManifest,
  type BackupManifest,
  type Frontier,
} from '#crypto/verify.ts';
import type { Deps, DeviceActor } from '#server/deps.ts';
import { loadCert, requireOwnDevice } from '#server/domains/devices/devices.service.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes, requireProof } from '#server/proof.ts';
import type { BackupPage, BackupStatus } from '#shared/backup.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import {
  deleteBackup,
  findBackup,
  insertEntries,
  listEntriesBackwards,
  lockBackup,
  storeBackup,
  type BackupRow,
} from './backup.queries.ts';

/** Nobody can open it any more: the account has another key. */
export const eraseBackup = (tx: Tx, accountId: AccountId): Promise<void> => deleteBackup(tx, accountId);

interface Append {
  readonly version: number;
  readonly expectedCount: number;
  readonly entries: readonly string[];
  readonly manifest: string;
}

/** The first append of the next version. */
interface NextList {
  readonly version: number;
  /** Entries of the list it follows. */
  readonly closedCount: number;
  readonly entries: readonly string[];
  readonly manifest: string;
}

const conflict = (): AppError => new AppError({ code: 'conflict', what: 'backup' });

/** What the own backup holds. */
export async function backupStatus(deps: Deps, actor: DeviceActor): Promise<BackupStatus> {
  const row = await findBackup(deps.db, actor.accountId);
  if (!row) return { version: 0, count: 0, manifest: null };
  return { version: row.version, count: row.count, manifest: encodeBytes(row.manifest) };
}

function decodeEntries(encoded: readonly string[]): Uint8Array[] {
  const entries = encoded.map(decodeBytes);
  const size = entries.reduce((sum, entry) => sum + entry.length, 0);
  if (size > limits.backupAppendBytes)
    throw new AppError({ code: 'too_large', maxBytes: limits.backupAppendBytes });
  for (const entry of entries) requireProof('backup_entry', () => parseBackupEntry(entry));
  return entries;
}

/** The manifest of the caller's own device. */
async function requireManifest(tx: Tx, actor: DeviceActor, bytes: Uint8Array): Promise<BackupManifest> {
  const cert = await loadCert(tx, await requireOwnDevice(tx, actor, actor.deviceId));
  const { aid, signingPub } = cert;
  if (cert.kind !== 'full') throw new AppError({ code: 'bad_proof', what: 'backup_manifest' });
  const signer = { aid, deviceId: uuidToBytes(actor.deviceId), signingPub };
  return requireProof('backup_manifest', () => verifyBackupManifest(bytes, signer));
}

/** The tree after the append. Throws `conflict` where the list is not what the device thinks it is. */
function grow(known: BackupRow | null, input: Append, entries: readonly Uint8Array[]): Frontier {
  const count = known?.count ?? 0;
  if (count !== input.expectedCount || (known && known.version !== input.version)) throw conflict();
  const before = known ? decodeFrontier(count, Uint8Array.from(known.frontier)) : EMPTY_FRONTIER;
  return withEntries(before, entries);
}

function withEntries(before: Frontier, entries: readonly Uint8Array[]): Frontier {
  try {
    return appendLeaves(before, entries.map(merkleLeaf));
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause;
    throw new AppError({ code: 'limit_reached', limit: 'backupEntries', max: limits.backupEntries });
  }
}

function requireSame(manifest: BackupManifest, version: number, tree: Frontier): void {
  const isSame =
    manifest.version === version &&
    manifest.count === tree.count &&
    Buffer.compare(manifest.root, merkleRoot(tree)) === 0;
  if (!isSame) throw new AppError({ code: 'bad_proof', what: 'backup_manifest' });
}

/** Checked entries and where they go. */
interface Growth {
  readonly known: BackupRow | null;
  readonly version: number;
  readonly from: number;
  readonly entries: readonly Uint8Array[];
  readonly tree: Frontier;
  readonly manifest: Uint8Array;
}

/** Stores entries with the manifest over the list they make. Throws `bad_proof`, `limit_reached`. */
async function store(tx: Tx, deps: Deps, { actor, growth }: { actor: DeviceActor; growth: Growth }) {
  const { known, version, from, entries, tree, manifest } = growth;
  const { accountId } = actor;
  requireSame(await requireManifest(tx, actor, manifest), version, tree);
  const added = entries.reduce((sum, entry) => sum + entry.length, 0);
  // All lists together: closed ones stay, and the newest row counts them on.
  const bytes = (known?.bytes ?? 0n) + BigInt(added);
  if (bytes > limits.backupBytes)
    throw new AppError({ code: 'limit_reached', limit: 'backupBytes', max: limits.backupBytes });
  const { count } = tree;
  const row = { version, count, bytes, frontier: encodeFrontier(tree), manifest };
  await storeBackup(tx, accountId, { ...row, at: new Date(deps.clock.now()) });
  await insertEntries(tx, accountId, { version, from, entries });
  return { count };
}

/**
 * Appends entries and takes their manifest, both or neither. Throws `conflict` (another device was first: pull, then try
 * again), `bad_proof` (entry or manifest), `limit_reached`, `too_large`.
 */
export function appendBackup(deps: Deps, actor: DeviceActor, input: Append): Promise<{ count: number }> {
  const entries = decodeEntries(input.entries);
  const manifest = decodeBytes(input.manifest);
  const { version, expectedCount: from } = input;
  return transaction(deps.db, async (tx) => {
    const known = await lockBackup(tx, actor.accountId);
    const tree = grow(known, input, entries);
    return store(tx, deps, { actor, growth: { known, version, from, entries, tree, manifest } });
  });
}

/**
 * Closes the list there is and begins that of the next version, inside the caller's transaction, which this lets wait for
 * every other change of the account's list and log. Throws `conflict` (the list is another one than the device closed),
 * `not_found` (the device was removed), `bad_proof`, `limit_reached`, `too_large`.
 */
export async function beginNextBackup(
  tx: Tx,
  deps: Deps,
  { actor, next }: { readonly actor: DeviceActor; readonly next: NextList },
): Promise<{ count: number }> {
  const { version } = next;
  const entries = decodeEntries(next.entries);
  const known = await lockBackup(tx, actor.accountId);
  const isNext = version === (known?.version ?? 1) + 1 && next.closedCount === (known?.count ?? 0);
  if (!isNext) throw conflict();
  if (version > limits.backupVersions)
    throw new AppError({ code: 'limit_reached', limit: 'backupVersions', max: limits.backupVersions });
  const tree = withEntries(EMPTY_FRONTIER, entries);
  const manifest = decodeBytes(next.manifest);
  return store(tx, deps, { actor, growth: { known, version, from: 0, entries, tree, manifest } });
}

/**
 * Puts this device's manifest over the very list there is in the place of the one stored, inside the caller's transaction.
 * Throws `conflict` (the list has grown, or is of a later version), `not_found` (the device was removed), `bad_proof`.
 */
export async function vouchForBackup(
  tx: Tx,
  deps: Deps,
  { actor, manifest: encoded }: { readonly actor: DeviceActor; readonly manifest: string },
): Promise<void> {
  const bytes = decodeBytes(encoded);
  const manifest = await requireManifest(tx, actor, bytes);
  const known = await lockBackup(tx, actor.accountId);
  if (!known) throw new AppError({ code: 'bad_proof', what: 'backup_manifest' });
  const { version, count } = known;
  // Of a list as it was, not of one there never was.
  if (manifest.version < version || (manifest.version === version && manifest.count < count))
    throw conflict();
  requireSame(manifest, version, decodeFrontier(count, Uint8Array.from(known.frontier)));
  await storeBackup(tx, actor.accountId, { ...known, manifest: bytes, at: new Date(deps.clock.now()) });
}

/** Whether the newest manifest of the account's backup is by this device (16 bytes). */
export async function isVouchedBy(tx: Tx, accountId: AccountId, deviceId: Uint8Array): Promise<boolean> {
  const known = await lockBackup(tx, accountId);
  if (!known) return false;
  const manifest = parseBackupManifest(Uint8Array.from(known.manifest));
  return Buffer.compare(manifest.deviceId, deviceId) === 0;
}

/**
 * Entries of the own backup or of a list closed before, as many of the last ones of the range as one answer holds. Throws
 * `not_found` for another version or a range that is not there.
 */
export async function readBackup(
  deps: Deps,
  actor: DeviceActor,
  range: { readonly version: number; readonly from: number; readonly to: number },
): Promise<BackupPage> {
  const { accountId } = actor;
  const known = await findBackup(deps.db, accountId);
  if (!known || range.version > known.version || range.from >= range.to) throw notFound();
  const rows = await listEntriesBackwards(deps.db, accountId, { ...range, maxBytes: limits.backupPageBytes });
  if (rows[0]?.position !== range.to - 1) throw notFound();
  const entries = rows.reverse().map((row) => encodeBytes(row.bytes));
  return { from: range.to - entries.length, entries };
}

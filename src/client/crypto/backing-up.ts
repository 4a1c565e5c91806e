// The engine's half of the backup (protocol 3.12; docs/protocol.md, Backup): judging what the server shows, taking pages of
// it, and making appends. Trust comes from the signed manifest, the account's log and the tree; never from the server.
import {
  acceptBackupManifest,
  appendLeaves,
  BACKUP_PEER,
  CryptoError,
  equalBytes,
  foldLeaves,
  fromBase64Url,
  H,
  leastBackupCount,
  MAX_BACKUP_APPEND,
  MAX_BACKUP_APPEND_BYTES,
  merkleLeaf,
  merkleRoot,
  openBackupEntry,
  parseBackupManifest,
  proveBackup,
  signBackupManifest,
  toBase64Url,
  type BackupItem,
  type BackupManifest,
} from '#crypto/index.ts';
import type { BackupPage, BackupStatus } from '#shared/backup.ts';
import type { ChannelId } from '#shared/ids.ts';
import { queueEarlierKeys, sealQueue } from './backup-entries.ts';
import { nextHead } from './backup-head.ts';
import { takeItems } from './backup-intake.ts';
import { placePeerNote, queued } from './backup-queue.ts';
import { codeOf, type EngineCore, type Own } from './engine-core.ts';
import type { BackupApi, BackupAppend, BackupRefusal, BackupStep, BackupView } from './backup-protocol.ts';
import { keys, type BackupPull, type BackupRecord, type PendingBackup, type PeerNote } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';
import { takeVouch } from './vouching.ts';

export const backupKeyOf = ({ self, log }: Own) => ({
  aid: log.aid,
  version: self.backupVersion,
  key: self.backupKey,
});

const frontierOf = ({ count, hashes }: Pick<BackupRecord, 'count' | 'hashes'>) => ({ count, hashes });

const reasonOf = (error: unknown): BackupRefusal['reason'] => {
  const code = codeOf(error);
  if (code === 'fork') return 'forked';
  return code === 'stale_record' ? 'other_key' : 'changed';
};

export class BackingUp implements BackupApi {
  readonly #core: EngineCore;
  /** Event id (hex) → channel, for direct messages whose key is not here yet. */
  readonly #waiting: ReadonlyMap<string, ChannelId>;

  constructor(core: EngineCore, waiting: ReadonlyMap<string, ChannelId>) {
    this.#core = core;
    this.#waiting = waiting;
  }

  compareBackup({ status }: { status: BackupStatus }): Promise<BackupStep> {
    return this.#core.run(async (unit, own) => {
      const known = await unit.get<BackupRecord>(keys.backup);
      if (!known) await queueEarlierKeys(unit);
      const record = known ?? newRecord(own);
      if (record.pull) return this.#continue(unit, record);
      try {
        return this.#judge(unit, own, { record, status });
      } catch (error) {
        const got = status.count;
        return refuse(unit, record, { reason: reasonOf(error), expected: record.count, got });
      }
    });
  }

  #judge(
    unit: UnitOfWork,
    own: Own,
    { record, status }: { record: BackupRecord; status: BackupStatus },
  ): BackupStep {
    const logged = own.log.backupHead;
    const expected = leastBackupCount(record, logged);
    const got = status.manifest === null ? 0 : status.count;
    if (got < expected) return refuse(unit, record, { reason: 'old', expected, got });
    if (status.manifest === null) return settle(unit, record);
    const bytes = fromBase64Url(status.manifest);
    // What this device verified entry by entry needs no signature any more: its writer may have been removed since.
    if (isVerified(record, parseBackupManifest(bytes), own)) return settle(unit, record);
    const manifest = acceptBackupManifest(bytes, own.log);
    if (manifest.version !== record.version || status.version !== record.version)
      return refuse(unit, record, { reason: 'other_key', expected, got });
    if (manifest.count !== status.count) return refuse(unit, record, { reason: 'changed', expected, got });
    if (manifest.count === record.count) {
      if (!equalBytes(merkleRoot(frontierOf(record)), manifest.root))
        throw new CryptoError('mismatch', 'backup has other entries');
      return settle(unit, record);
    }
    const isNamed = logged?.version === record.version;
    const pull: BackupPull = {
      manifest: bytes,
      floor: record.count,
      to: manifest.count,
      logged: isNamed ? logged : null,
      nodes: [],
      notes: {},
    };
    return this.#continue(unit, { ...record, pull });
  }

  #continue(unit: UnitOfWork, record: BackupRecord, unlocked: readonly ChannelId[] = []): BackupStep {
    unit.put(keys.backup, record);
    const { pull, version } = record;
    if (!pull) return { state: 'current', unlocked };
    return { state: 'behind', version, from: nextFloor(pull), to: pull.to, unlocked };
  }

  takeBackup({ page }: { page: BackupPage }): Promise<BackupStep> {
    return this.#core.run(async (unit, own) => {
      const record = await unit.get<BackupRecord>(keys.backup);
      const pull = record?.pull;
      if (!pull) throw new CryptoError('not_allowed', 'no backup is being pulled');
      try {
        return await this.#take(unit, own, { record, pull, page });
      } catch (error) {
        const { count } = parseBackupManifest(pull.manifest);
        const refusal = { reason: reasonOf(error), expected: count, got: page.from + page.entries.length };
        return refuse(unit, { ...record, pull: null }, refusal);
      }
    });
  }

  async #take(
    unit: UnitOfWork,
    own: Own,
    { record, pull, page }: { record: BackupRecord; pull: BackupPull; page: BackupPage },
  ): Promise<BackupStep> {
    const encoded = page.entries.map(fromBase64Url);
    const isAsked = page.from >= nextFloor(pull) && page.from + encoded.length === pull.to;
    if (!isAsked || encoded.length === 0) throw new CryptoError('truncated', 'not the entries asked for');
    const key = backupKeyOf(own);
    const items: BackupItem[] = encoded.map((entry) => openBackupEntry(key, entry));
    const { unlocked, notes } = await takeItems(unit, items, { from: page.from, waiting: this.#waiting });
    const next: BackupPull = {
      ...pull,
      to: page.from,
      nodes: [...foldLeaves(page.from, encoded.map(merkleLeaf)), ...pull.nodes],
      notes: { ...notes, ...pull.notes },
    };
    if (page.from > pull.floor) return this.#continue(unit, { ...record, pull: next }, unlocked);
    // Accepted when the pull began; a device revoked since then does not undo that.
    const manifest = parseBackupManifest(pull.manifest);
    const logged = pull.logged ?? undefined;
    const proved = proveBackup({ from: frontierOf(record), nodes: next.nodes, manifest, logged });
    await keepNotes(unit, own, next.notes);
    return this.#continue(unit, { ...record, ...proved, pull: null, refusal: null }, unlocked);
  }

  nextBackup({ now }: { now: number }): Promise<BackupAppend | null> {
    return this.#core.run(async (unit, own) => {
      const record = await unit.get<BackupRecord>(keys.backup);
      if (!record || record.pull || record.refusal) return null;
      const pending = await unit.get<PendingBackup>(keys.backupPending);
      if (pending?.expectedCount === record.count) return appendOf(pending);
      const made = await this.#makeAppend(unit, own, { record, now });
      if (made) unit.put(keys.backupPending, made);
      else if (pending) unit.remove(keys.backupPending);
      return made && appendOf(made);
    });
  }

  async #makeAppend(
    unit: UnitOfWork,
    own: Own,
    { record, now }: { record: BackupRecord; now: number },
  ): Promise<PendingBackup | null> {
    const { rng } = this.#core;
    const bounds = { entries: MAX_BACKUP_APPEND, bytes: MAX_BACKUP_APPEND_BYTES };
    const { entries, items } = sealQueue(await queued(unit), { key: backupKeyOf(own), rng, bounds });
    if (entries.length === 0) return null;
    const tree = appendLeaves(frontierOf(record), entries.map(merkleLeaf));
    const { deviceId, signing } = own.self.secrets;
    const root = merkleRoot(tree);
    const { aid } = own.log;
    const fields = { aid, version: record.version, count: tree.count, root, createdAt: now, deviceId };
    return {
      version: record.version,
      expectedCount: record.count,
      entries: entries.map(toBase64Url),
      manifest: toBase64Url(signBackupManifest(fields, signing.secretKey)),
      hashes: tree.hashes,
      done: items.map(([key, item]) => ({ key, hash: H(item.payload) })),
    };
  }

  backupStored({ count }: { count: number }): Promise<void> {
    return this.#core.run(async (unit) => {
      const record = await unit.get<BackupRecord>(keys.backup);
      const pending = await unit.get<PendingBackup>(keys.backupPending);
      if (!record || pending?.expectedCount !== record.count) return;
      if (count !== pending.expectedCount + pending.entries.length)
        throw new CryptoError('mismatch', 'backup has another number of entries');
      const waiting = await queued(unit);
      for (const { key, hash } of pending.done) {
        const item = waiting.get(key);
        if (!item || !equalBytes(H(item.payload), hash)) continue;
        unit.remove(key);
        if (item.kind === BACKUP_PEER) await placePeerNote(unit, item.name, count - 1);
      }
      unit.remove(keys.backupPending);
      unit.put(keys.backup, { ...record, count, hashes: pending.hashes } satisfies BackupRecord);
    });
  }

  backupHeadEntry({ now }: { now: number }): Promise<string | null> {
    return this.#core.run(async (unit, own) => {
      const record = await unit.get<BackupRecord>(keys.backup);
      if (!record || record.pull || record.refusal || record.count === 0) return null;
      return nextHead(unit, own, { record, now });
    });
  }

  backupView(): Promise<BackupView> {
    return this.#core.run(async (unit) => {
      const record = await unit.get<BackupRecord>(keys.backup);
      const waiting = (await queued(unit)).size;
      const { count = 0, refusal = null } = record ?? {};
      return { count, waiting, isRestoring: isRestoring(record), refusal };
    });
  }
}

/** The very entries this device has verified, and no others. */
const isVerified = (record: BackupRecord, { aid, version, count, root }: BackupManifest, own: Own): boolean =>
  equalBytes(aid, own.log.aid) &&
  version === record.version &&
  count === record.count &&
  equalBytes(merkleRoot(frontierOf(record)), root);

/** Whether the first look at the backup is still to come or going on. */
export const isRestoring = (record: BackupRecord | undefined): boolean =>
  record === undefined || (record.pull !== null && record.count === 0);

const newRecord = ({ self }: Own): BackupRecord => ({
  version: self.backupVersion,
  count: 0,
  hashes: [],
  pull: null,
  refusal: null,
  head: null,
});

function settle(unit: UnitOfWork, record: BackupRecord): BackupStep {
  unit.put(keys.backup, { ...record, refusal: null } satisfies BackupRecord);
  return { state: 'current', unlocked: [] };
}

function refuse(unit: UnitOfWork, record: BackupRecord, refusal: BackupRefusal): BackupStep {
  unit.put(keys.backup, { ...record, refusal } satisfies BackupRecord);
  return { state: 'refused', refusal, unlocked: [] };
}

/** The tree is proved at the count the log names, so no page may reach over it. */
const nextFloor = ({ floor, to, logged }: BackupPull): number =>
  logged && logged.count > floor && logged.count < to ? logged.count : floor;

const appendOf = ({ version, expectedCount, entries, manifest }: PendingBackup): BackupAppend => ({
  version,
  expectedCount,
  entries,
  manifest,
});

async function keepNotes(
  unit: UnitOfWork,
  own: Own,
  notes: Readonly<Record<string, PeerNote>>,
): Promise<void> {
  for (const [aid, note] of Object.entries(notes)) {
    const known = await unit.get<PeerNote>(keys.peerNote(aid));
    // One that waits here was written on this device after it last looked: it will be the newest.
    if (known && (known.position === null || known.position >= (note.position ?? 0))) continue;
    unit.put(keys.peerNote(aid), note);
    await takeVouch(unit, own.self.accountId, note.record);
  }
}

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
} from '#crypto/index.ts';
import type { BackupPage, BackupStatus } from '#shared/backup.ts';
import type { ChannelId } from '#shared/ids.ts';
import { queueEarlierKeys, sealQueue } from './backup-entries.ts';
import { nextHead } from './backup-head.ts';
import { keepNotes, takeItems } from './backup-intake.ts';
import { adoptBackupKey, findKeyFor, keysOfVersion } from './backup-keys.ts';
import { placePeerNote, queued } from './backup-queue.ts';
import {
  placeOf,
  type BackupPull,
  type BackupRecord,
  type ClosedPull,
  type PendingBackup,
} from './backup-records.ts';
import {
  backupKeyOf,
  frontierOf,
  goOn,
  isLevel,
  isVerified,
  newRecord,
  nextFloor,
  pullOf,
  reasonOf,
  refuse,
  settle,
} from './backup-steps.ts';
import { viewOf } from './backup-view.ts';
import { closedBefore, pullOfClosed, refusalOf, restarted, takeClosed } from './closed-lists.ts';
import { type EngineCore, type Own } from './engine-core.ts';
import type { BackupApi, BackupAppend, BackupStep, BackupView, RotationCalls } from './backup-protocol.ts';
import { keys } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

export class BackingUp implements Omit<BackupApi, keyof RotationCalls> {
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
      const record = { ...(known ?? newRecord(own)), probe: null };
      if (record.pull) return goOn(unit, record);
      try {
        return (
          (await this.#probe(unit, own, { record, status })) ?? this.#judge(unit, own, { record, status })
        );
      } catch (error) {
        const got = status.count;
        return refuse(unit, record, { reason: reasonOf(error), expected: record.count, got });
      }
    });
  }

  /** A newer list, and a key here that may be its: its first entry says whether. */
  async #probe(
    unit: UnitOfWork,
    own: Own,
    { record, status }: { record: BackupRecord; status: BackupStatus },
  ): Promise<BackupStep | null> {
    const { version, count, manifest: encoded } = status;
    if (encoded === null || version <= record.version) return null;
    if ((await keysOfVersion(unit, version)).length === 0) return null;
    const bytes = fromBase64Url(encoded);
    const manifest = acceptBackupManifest(bytes, own.log);
    const expected = leastBackupCount({ version, count: 0 }, own.log.backupHead);
    if (count < expected) return refuse(unit, record, { reason: 'old', expected, got: count });
    if (manifest.version !== version || manifest.count !== count)
      return refuse(unit, record, { reason: 'changed', expected, got: count });
    unit.put(keys.backup, { ...record, probe: bytes } satisfies BackupRecord);
    return { state: 'behind', version, from: 0, to: 1, unlocked: [] };
  }

  #judge(
    unit: UnitOfWork,
    own: Own,
    { record, status }: { record: BackupRecord; status: BackupStatus },
  ): BackupStep {
    const logged = own.log.backupHead;
    if (status.version > record.version)
      return refuse(unit, record, { reason: 'other_key', expected: record.count, got: status.count });
    const expected = leastBackupCount(record, logged);
    // A list of before the rotation holds nothing of the one there must be.
    const isOfBefore = status.manifest === null || status.version < record.version;
    const got = isOfBefore ? 0 : status.count;
    if (got < expected) return refuse(unit, record, { reason: 'old', expected, got });
    if (status.manifest === null) return settle(unit, record);
    const bytes = fromBase64Url(status.manifest);
    // What this device verified entry by entry needs no signature any more: its writer may have been removed since.
    if (isVerified(record, parseBackupManifest(bytes), own)) return settle(unit, record);
    const manifest = acceptBackupManifest(bytes, own.log);
    if (manifest.version !== record.version || manifest.count !== status.count)
      return refuse(unit, record, { reason: 'changed', expected, got });
    if (manifest.count === record.count) {
      if (!equalBytes(merkleRoot(frontierOf(record)), manifest.root))
        throw new CryptoError('mismatch', 'backup has other entries');
      return settle(unit, record);
    }
    return goOn(unit, { ...record, pull: pullOf(record, own, bytes) });
  }

  takeBackup({ page }: { page: BackupPage }): Promise<BackupStep> {
    return this.#core.run(async (unit, own) => {
      const record = await unit.get<BackupRecord>(keys.backup);
      if (record?.probe) return this.#meet(unit, own, { record, probe: record.probe, page });
      const pull = record?.pull;
      if (record?.closed && !pull) return this.#takeClosed(unit, own, { record, pull: record.closed, page });
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

  /** The first entry of a newer list: with the key that opens it, this device goes over to that list. */
  async #meet(
    unit: UnitOfWork,
    own: Own,
    { record, probe, page }: { record: BackupRecord; probe: Uint8Array; page: BackupPage },
  ): Promise<BackupStep> {
    const { version, count: got } = parseBackupManifest(probe);
    const known = { ...record, probe: null };
    try {
      const [first] = page.entries;
      if (page.from !== 0 || !first) throw new CryptoError('truncated', 'not the entry asked for');
      const found = await findKeyFor(unit, own, { version, first: fromBase64Url(first), record });
      if (!found) return refuse(unit, known, { reason: 'other_key', expected: record.count, got });
      const adopted = await adoptBackupKey(unit, own, { version, key: found.key, record: known });
      return goOn(unit, { ...adopted, pull: pullOf(adopted, own, probe) });
    } catch (error) {
      return refuse(unit, known, { reason: reasonOf(error), expected: record.count, got });
    }
  }

  async #takeClosed(
    unit: UnitOfWork,
    own: Own,
    { record, pull, page }: { record: BackupRecord; pull: ClosedPull; page: BackupPage },
  ): Promise<BackupStep> {
    try {
      const taken = await takeClosed(unit, own, { record, pull, page, waiting: this.#waiting });
      return goOn(unit, taken.record, taken.unlocked);
    } catch (error) {
      const refusal = refusalOf(error, pull, page);
      return refuse(unit, { ...record, closed: restarted(pull) }, refusal);
    }
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
    const { unlocked, notes } = await takeItems(unit, items, {
      from: placeOf(record.version, page.from),
      waiting: this.#waiting,
    });
    const next: BackupPull = {
      ...pull,
      to: page.from,
      nodes: [...foldLeaves(page.from, encoded.map(merkleLeaf)), ...pull.nodes],
      notes: { ...notes, ...pull.notes },
    };
    if (page.from > pull.floor) return goOn(unit, { ...record, pull: next }, unlocked);
    // Accepted when the pull began; a device revoked since then does not undo that.
    const manifest = parseBackupManifest(pull.manifest);
    const logged = pull.logged ?? undefined;
    const proved = proveBackup({ from: frontierOf(record), nodes: next.nodes, manifest, logged });
    await keepNotes(unit, own, next.notes);
    const whole = { ...record, ...proved, pull: null, refusal: null };
    const [first] = encoded;
    if (page.from > 0 || !first) return goOn(unit, whole, unlocked);
    const before = closedBefore(own, key, first);
    const closed = pullOfClosed(before, record.before);
    const since = before ? { rotatedAt: before.logSeq } : {};
    return goOn(
      unit,
      { ...whole, ...since, closed, before: closed ? (record.before ?? null) : null },
      unlocked,
    );
  }

  nextBackup({ now }: { now: number }): Promise<BackupAppend | null> {
    return this.#core.run(async (unit, own) => {
      const record = await unit.get<BackupRecord>(keys.backup);
      if (!record || !isLevel(record, own)) return null;
      const pending = await unit.get<PendingBackup>(keys.backupPending);
      // Two lists may have the same number of entries.
      if (pending?.version === record.version && pending.expectedCount === record.count)
        return appendOf(pending);
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
      if (!record || pending?.version !== record.version || pending.expectedCount !== record.count) return;
      if (count !== record.count + pending.entries.length)
        throw new CryptoError('mismatch', 'backup has another number of entries');
      const waiting = await queued(unit);
      for (const { key, hash } of pending.done) {
        const item = waiting.get(key);
        if (!item || !equalBytes(H(item.payload), hash)) continue;
        unit.remove(key);
        if (item.kind === BACKUP_PEER)
          await placePeerNote(unit, item.name, placeOf(record.version, count - 1));
      }
      unit.remove(keys.backupPending);
      unit.put(keys.backup, { ...record, count, hashes: pending.hashes } satisfies BackupRecord);
    });
  }

  backupHeadEntry({ now }: { now: number }): Promise<string | null> {
    return this.#core.run(async (unit, own) => {
      const record = await unit.get<BackupRecord>(keys.backup);
      if (!record || !isLevel(record, own) || record.count === 0) return null;
      return nextHead(unit, own, { record, now });
    });
  }

  backupView(): Promise<BackupView> {
    return this.#core.run(viewOf);
  }
}

const appendOf = ({ version, expectedCount, entries, manifest }: PendingBackup): BackupAppend => ({
  version,
  expectedCount,
  entries,
  manifest,
});

// The backup (protocol 3.12) as the leader tab keeps it up: pulls and verifies what the server has, appends what waits here,
// names it in the account's log, and gives it another key when a device was removed. A message is backed up when the server
// acknowledged its key, not before.
import { failureOf } from '#client/api/errors.ts';
import type { Api } from '#client/api/trpc.ts';
import type { BackupRotation, BackupStep, BackupView, CryptoApi } from '#client/crypto/protocol.ts';
import type { BackupPage } from '#shared/backup.ts';
import type { AccountId, DeviceId } from '#shared/ids.ts';
import { takePages, type PageRange } from './backup-pages.ts';
import type { Keys } from './keys.ts';

export interface BackupOptions {
  readonly crypto: CryptoApi;
  readonly api: () => Api;
  readonly keys: Keys;
  readonly now: () => number;
  /** This tab has the device's keys. Also a device that was copied may still save its own. */
  readonly isLeading: () => boolean;
  /** Keys came out of the backup, or the last of them did: what waits may open now. */
  readonly onKeys: () => void;
}

/** What only the person's password gives: the vault, and a session fresh enough to change it. */
export interface RotationProof {
  vault(): Promise<{ readonly accountId: AccountId; readonly vault: string }>;
  send(rotation: BackupRotation): Promise<{ readonly count: number }>;
}

/** Keys made within this time share an entry. */
const GATHER_MS = 1500;
/** Conflicts with other devices in one go before it is left to the next. */
const ROUNDS = 6;
/** How long the tab that leads may take before the others go on without it. */
const LEADER_MS = 10_000;
/** What tabs tell each other: a rotation was made, or somebody needs the backup verified; then that the leading tab looked. */
type TabWord = 'rotated' | 'wanted' | 'looked';
/** A device that no session could be opened with is tried again after this. */
const OPEN_AGAIN_MS = 10 * 60_000;

export class Backup {
  readonly #options: BackupOptions;
  #view = $state.raw<BackupView | null>(null);
  #isCurrent = false;
  #isClosed = false;
  #work: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isPutOff = $state(false);
  readonly #opened = new Map<DeviceId, number>();
  /** Calls that wait for the leading tab. */
  readonly #waiting: (() => void)[] = [];
  readonly #tabs = new BroadcastChannel('chatalot-backup');

  constructor(options: BackupOptions) {
    this.#options = options;
    this.#tabs.addEventListener('message', ({ data }: MessageEvent<TabWord>) => void this.#heard(data));
  }

  /** A device was removed that still has the key, and nobody said "later" since the start. */
  get asksForRotation(): boolean {
    return !this.#isPutOff && this.#view?.isRotationDue === true;
  }

  /** "Later": it is asked again at the next start. */
  putOffRotation(): void {
    this.#isPutOff = true;
  }

  /** As last looked at; null before. */
  get view(): BackupView | null {
    return this.#view;
  }

  /** What is backed up and what waits, now. */
  async look(): Promise<void> {
    this.#view = await this.#options.crypto.backupView();
  }

  /** After every (re)connect: what other devices, or this one before, backed up; then what waits here. */
  catchUp(): Promise<void> {
    this.#isCurrent = false;
    return this.run();
  }

  /** The same from whichever tab: where this one does not lead, the one that does is asked, and waited for a while. */
  catchUpAnywhere(): Promise<void> {
    if (this.#options.isLeading()) return this.catchUp();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#done(), LEADER_MS);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#tell('wanted');
    });
  }

  /** Something may have been queued: it goes out with what comes within a moment. */
  soon(): void {
    if (this.#isClosed || this.#timer !== undefined || !this.#options.isLeading()) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.run();
    }, GATHER_MS);
  }

  /** Brings both sides level. What fails (the network went) is made good by the next call. */
  run(): Promise<void> {
    this.#work = this.#work.then(() => this.#level()).catch(() => undefined);
    return this.#work;
  }

  /**
   * Another key: what is backed up from here on is closed to removed devices. Also takes in the key another device made,
   * where this one could not be given it. Throws what went wrong; it can be repeated.
   */
  rotate(proof: RotationProof): Promise<void> {
    const done = this.#work.then(() => this.#rotate(proof));
    this.#work = done.catch(() => undefined);
    return done;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#done();
    this.#tabs.close();
  }

  async #heard(word: TabWord): Promise<void> {
    if (word === 'looked') return this.#done();
    await this.catchUp();
    if (word === 'wanted' && this.#options.isLeading()) this.#tell('looked');
  }

  #tell(word: TabWord): void {
    if (!this.#isClosed) this.#tabs.postMessage(word);
  }

  #done(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  async #rotate(proof: RotationProof): Promise<void> {
    const { crypto, isLeading, now } = this.#options;
    try {
      for (let left = ROUNDS; left > 0; left--) {
        if (isLeading()) this.#isCurrent = await this.#pull();
        const { isRotationDue, refusal } = await crypto.backupView();
        // Another device was faster, and its key is here.
        if (!isRotationDue && refusal?.reason !== 'other_key') return;
        const made = await crypto.rotateBackup({ ...(await proof.vault()), now: now() });
        if (made && (await this.#sent(proof, made, left === 1))) return;
      }
    } finally {
      await this.#level().catch(() => undefined);
      await this.look();
      if (!isLeading()) this.#tell('rotated');
    }
  }

  /** False when something was first: the list, the vault or another rotation. */
  async #sent(proof: RotationProof, made: BackupRotation, isLast: boolean): Promise<boolean> {
    try {
      const { count } = await proof.send(made);
      await this.#options.crypto.backupRotated({ version: made.version, count });
      // "Later" was about this one.
      this.#isPutOff = false;
      return true;
    } catch (error) {
      if (isLast || failureOf(error).code !== 'conflict') throw error;
      return false;
    }
  }

  async #level(): Promise<void> {
    if (this.#isClosed || !this.#options.isLeading()) return;
    try {
      if (this.#isCurrent) this.#isCurrent = !(await this.#options.crypto.backupView()).isOutdated;
      if (!this.#isCurrent) this.#isCurrent = await this.#pull();
      if (!this.#isCurrent || !(await this.#push())) return;
      await this.#nameInLog();
      await this.#handOut();
    } finally {
      await this.look();
    }
  }

  /** True when everything the server has is verified here. */
  async #pull(): Promise<boolean> {
    const { crypto, onKeys } = this.#options;
    let step = await this.#compare();
    // A manifest by a device this one has not heard of yet: its entry in the own log is asked for before judging.
    if (step.state === 'refused') {
      await this.#refreshLog();
      step = await this.#compare();
    }
    step = await takePages(step, {
      fetch: (range) => this.#page(range),
      take: (page) => crypto.takeBackup({ page }).finally(onKeys),
    });
    onKeys();
    return step.state === 'current';
  }

  /** What the server does not have is an empty page: the engine says what is missing. */
  async #page({ version, from, to }: PageRange): Promise<BackupPage> {
    try {
      return await this.#options.api().backup.entries.query({ version, from, to });
    } catch (error) {
      if (failureOf(error).code !== 'not_found') throw error;
      return { from, entries: [] };
    }
  }

  async #compare(): Promise<BackupStep> {
    const { crypto, api } = this.#options;
    return crypto.compareBackup({ status: await api().backup.status.query() });
  }

  /** True when nothing waits any more. Another device may be first: then its entries are taken in before the next try. */
  async #push(): Promise<boolean> {
    const { crypto, api, now } = this.#options;
    for (let conflicts = 0; conflicts < ROUNDS;) {
      const append = await crypto.nextBackup({ now: now() });
      if (!append) return true;
      try {
        const { version, expectedCount, entries, manifest } = append;
        const input = { version, expectedCount, entries: [...entries], manifest };
        await crypto.backupStored(await api().backup.append.mutate(input));
      } catch (error) {
        if (failureOf(error).code !== 'conflict') throw error;
        conflicts += 1;
        this.#isCurrent = await this.#pull();
        if (!this.#isCurrent) return false;
      }
    }
    return false;
  }

  async #nameInLog(): Promise<void> {
    const { crypto, api, now } = this.#options;
    const entry = await crypto.backupHeadEntry({ now: now() });
    if (entry === null) return;
    // Another device appended meanwhile, or this entry is there already: either way the log is read again.
    await api()
      .devices.append.mutate({ entry })
      .catch(() => undefined);
    await this.#refreshLog();
  }

  /** The key for own devices that lack it: those that were there when it was made, and any that was let in with the old one. */
  async #handOut(): Promise<void> {
    const { crypto, api, keys, now } = this.#options;
    if (!keys.isLeader) return;
    const { bundles, packets: ready } = await crypto.handBackupKey({ now: now() });
    const closed = bundles.filter(
      ({ deviceId }) => now() - (this.#opened.get(deviceId) ?? 0) > OPEN_AGAIN_MS,
    );
    for (const { deviceId } of closed) this.#opened.set(deviceId, now());
    if (closed.length > 0) await keys.openSessions(closed);
    const packets = closed.length > 0 ? (await crypto.handBackupKey({ now: now() })).packets : ready;
    for (const packet of packets) {
      try {
        await api().mailbox.send.mutate({ packets: [packet] });
        await crypto.backupKeyHanded({ deviceIds: [packet.deviceId] });
      } catch (error) {
        if (failureOf(error).code !== 'mailbox_full') throw error;
      }
    }
  }

  async #refreshLog(): Promise<void> {
    await this.#options.keys.refreshOwnLog();
  }
}

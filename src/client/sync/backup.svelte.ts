// The backup (protocol 3.12) as the leader tab keeps it up: pulls and verifies what the server has, appends what waits here,
// and names it in the account's log. A message is backed up when the server acknowledged its key, not before.
import { failureOf } from '#client/api/errors.ts';
import type { Api } from '#client/api/trpc.ts';
import type { BackupStep, BackupView, CryptoApi } from '#client/crypto/protocol.ts';
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

/** Keys made within this time share an entry. */
const GATHER_MS = 1500;
/** Conflicts with other devices in one go before it is left to the next. */
const ROUNDS = 6;

export class Backup {
  readonly #options: BackupOptions;
  #view = $state.raw<BackupView | null>(null);
  #isCurrent = false;
  #isClosed = false;
  #work: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: BackupOptions) {
    this.#options = options;
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

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #level(): Promise<void> {
    if (this.#isClosed || !this.#options.isLeading()) return;
    try {
      if (!this.#isCurrent) this.#isCurrent = await this.#pull();
      if (this.#isCurrent && (await this.#push())) await this.#nameInLog();
    } finally {
      await this.look();
    }
  }

  /** True when everything the server has is verified here. */
  async #pull(): Promise<boolean> {
    const { crypto, api, onKeys } = this.#options;
    let step = await this.#compare();
    // A manifest by a device this one has not heard of yet: its entry in the own log is asked for before judging.
    if (step.state === 'refused') {
      await this.#refreshLog();
      step = await this.#compare();
    }
    while (step.state === 'behind') {
      const { version, from, to } = step;
      const page = await api().backup.entries.query({ version, from, to });
      step = await crypto.takeBackup({ page });
      onKeys();
    }
    onKeys();
    return step.state === 'current';
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

  async #refreshLog(): Promise<void> {
    await this.#options.keys.refreshOwnLog();
  }
}

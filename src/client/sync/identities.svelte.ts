// What this device knows of people's identities, for the screens: shields, alarms, devices. Read from the engine in
// batches, kept fresh when logs, packets or a person's decision change something, in every tab.
import { SvelteMap } from 'svelte/reactivity';
import type { CryptoApi, IdentityView } from '#client/crypto/protocol.ts';
import { slices } from '#client/lib/slices.ts';
import type { AccountId } from '#shared/ids.ts';

const GATHER_MS = 30;
const VIEWS_PER_CALL = 50;

export interface IdentitiesOptions {
  readonly crypto: Pick<CryptoApi, 'identities'>;
  /** Fetches the logs of people who were checked before this device knew them. */
  readonly fetchLogs: (accountIds: readonly AccountId[]) => Promise<void>;
}

export class Identities {
  readonly #options: IdentitiesOptions;
  readonly #views = new SvelteMap<AccountId, IdentityView>();
  readonly #wanted = new Set<AccountId>();
  readonly #tabs = new BroadcastChannel('chatalot-identities');
  #reading: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: IdentitiesOptions) {
    this.#options = options;
    this.#tabs.addEventListener('message', ({ data }: MessageEvent<AccountId[]>) => this.#refresh(data));
  }

  /** null until it is read; asks for it when it is not. */
  view(accountId: AccountId): IdentityView | null {
    const known = this.#views.get(accountId);
    if (known) return known;
    this.#want(accountId);
    return null;
  }

  /** What a person must look at. */
  alarm(accountId: AccountId): IdentityView['alarm'] {
    return this.view(accountId)?.alarm ?? null;
  }

  /** Something changed in the engine; other tabs are told. */
  changed(accountIds: readonly AccountId[]): void {
    if (this.#isClosed || accountIds.length === 0) return;
    this.#tabs.postMessage([...accountIds]);
    this.#refresh(accountIds);
  }

  /** As `changed`, for one person, and waits until it is read. */
  async reread(accountId: AccountId): Promise<void> {
    this.changed([accountId]);
    await this.#read([accountId]);
  }

  /** Notes about anybody may have come from another device. */
  refreshAll(): void {
    this.changed([...this.#views.keys()]);
  }

  /** Whoever was asked about is read again. */
  #refresh(accountIds: readonly AccountId[]): void {
    for (const accountId of accountIds) if (this.#views.has(accountId)) this.#want(accountId);
  }

  #want(accountId: AccountId): void {
    this.#wanted.add(accountId);
    this.#reading ??= setTimeout(() => void this.#readWanted(), GATHER_MS);
  }

  async #readWanted(): Promise<void> {
    this.#reading = undefined;
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    for (const slice of slices(wanted, VIEWS_PER_CALL)) await this.#read(slice);
  }

  async #read(accountIds: readonly AccountId[]): Promise<void> {
    const views = await this.#options.crypto.identities({ accountIds }).catch(() => []);
    for (const view of views) this.#views.set(view.accountId, view);
    const unmet = views.filter((view) => view.state === 'unknown' && view.verified !== null);
    if (unmet.length > 0)
      await this.#options.fetchLogs(unmet.map((view) => view.accountId)).catch(() => undefined);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#reading);
    this.#tabs.close();
  }
}

// The logs that say whose devices are whose, as this client fetches them. One that removes a device is taken in only after
// the mailbox was emptied: what the device sent before counts for whoever had it before they knew (decision 0033).
import type { Api } from '#client/api/trpc.ts';
import type { CryptoApi, IdentityAlarm, MissingKeys } from '#client/crypto/protocol.ts';
import { slices } from '#client/lib/slices.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';

interface AccountLogsOptions {
  readonly crypto: Pick<CryptoApi, 'ingestLogs' | 'logsNeeded'>;
  readonly api: () => Api;
  /** Takes in everything that waits in the mailbox, without waiting for logs that remove devices. */
  readonly takeMail: () => Promise<void>;
  /** What is known of these people's identities may have changed. */
  readonly onIdentities: (accountIds: readonly AccountId[]) => void;
}

type Wanted = MissingKeys['logs'];

export class AccountLogs {
  readonly #options: AccountLogsOptions;
  /** Accounts whose log was left while the mailbox was being emptied. */
  readonly #owed = new Set<AccountId>();
  #removals: Promise<unknown> = Promise.resolve();

  constructor(options: AccountLogsOptions) {
    this.#options = options;
  }

  /** Logs were left for `settle`. */
  get isOwing(): boolean {
    return this.#owed.size > 0;
  }

  /** `inMail`: while the mailbox is being emptied; logs that remove a device are left for `settle`. */
  async fetch(wanted: Wanted, { inMail = false } = {}): Promise<void> {
    const { onIdentities } = this.#options;
    for (const accounts of slices(wanted, limits.accountLogsPerCall)) {
      const alarms = await this.#take(accounts, inMail);
      // From its genesis on, to tell a person who began anew from a server that shows two logs.
      const whole = alarms.map(({ accountId }) => ({ accountId, fromSeq: 0 }));
      const isPartial = accounts.some(({ fromSeq }) => fromSeq > 0);
      if (isPartial && whole.length > 0) await this.#take(whole, inMail);
      onIdentities(accounts.map(({ accountId }) => accountId));
    }
  }

  /** Fetches the logs of accounts not known (up to `headSeq`, where one is named). */
  async refresh(accounts: readonly { accountId: AccountId; headSeq?: number }[]): Promise<void> {
    await this.fetch(await this.#options.crypto.logsNeeded({ accounts }));
  }

  /** Fetches what the server has of these accounts' logs beyond what is known, however much that is. */
  async refreshNewest(accountIds: readonly AccountId[]): Promise<void> {
    const accounts = accountIds.map((accountId) => ({ accountId, headSeq: Number.MAX_SAFE_INTEGER }));
    if (accounts.length > 0) await this.refresh(accounts);
  }

  /** Fetches what was left, after the mailbox was emptied. True where there was something. */
  async settle(): Promise<boolean> {
    const owed = [...this.#owed];
    await this.refreshNewest(owed);
    for (const accountId of owed) this.#owed.delete(accountId);
    return owed.length > 0;
  }

  async #take(accounts: Wanted, inMail: boolean): Promise<readonly IdentityAlarm[]> {
    const { alarms, keptBack } = await this.#ingest(accounts);
    if (keptBack.length === 0) return alarms;
    if (inMail) {
      for (const accountId of keptBack) this.#owed.add(accountId);
      return alarms;
    }
    const rest = accounts.filter(({ accountId }) => keptBack.includes(accountId));
    const taken = this.#removals.then(() => this.#takeRemovals(rest));
    this.#removals = taken.catch(() => undefined);
    return [...alarms, ...(await taken)];
  }

  /** One at a time, and asked anew: a log that another one has taken further meanwhile would look cut off. */
  async #takeRemovals(accounts: Wanted): Promise<readonly IdentityAlarm[]> {
    const { crypto, takeMail } = this.#options;
    const { logs, alarms, keptBack } = await this.#ingest(accounts);
    if (keptBack.length === 0) return alarms;
    await takeMail();
    const rest = logs.filter(({ accountId }) => keptBack.includes(accountId));
    const later = await crypto.ingestLogs({ logs: rest, isMailTaken: true });
    return [...alarms, ...later.alarms];
  }

  async #ingest(accounts: Wanted) {
    const { crypto, api } = this.#options;
    const logs = await api().devices.logs.query({ accounts: [...accounts] });
    return { logs, ...(await crypto.ingestLogs({ logs })) };
  }
}

// Who is typing in the conversation on screen: told by live events, forgotten after a few seconds; and telling others.
import { SvelteMap } from 'svelte/reactivity';
import type { Api } from '#client/api/trpc.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';

export class Typing {
  readonly #api: () => Api;
  readonly #now: () => number;
  readonly #until = new SvelteMap<AccountId, number>();
  #channelId: ChannelId | null = null;
  #saidAt = 0;

  constructor(options: { api: () => Api; now: () => number }) {
    this.#api = options.api;
    this.#now = options.now;
  }

  /** People typing in the focused conversation, longest first. */
  get people(): AccountId[] {
    return [...this.#until.keys()];
  }

  /** Which conversation this tab shows: typing in it is heard here. */
  async focus(channelId: ChannelId | null): Promise<void> {
    if (channelId !== this.#channelId) {
      this.#until.clear();
      this.#saidAt = 0;
    }
    this.#channelId = channelId;
    await this.refocus();
  }

  /** After a reconnect the new socket must be told again. */
  async refocus(): Promise<void> {
    await this.#api()
      .presence.focus.mutate({ channelId: this.#channelId })
      .catch(() => undefined);
  }

  heard(channelId: ChannelId, accountId: AccountId): void {
    if (channelId !== this.#channelId) return;
    this.#until.set(accountId, this.#now() + limits.typingShownMs);
    setTimeout(() => this.#expire(), limits.typingShownMs + 50);
  }

  /** A message of theirs arrived: they are done. */
  stopped(accountId: AccountId): void {
    this.#until.delete(accountId);
  }

  #expire(): void {
    for (const [accountId, until] of this.#until) if (until <= this.#now()) this.#until.delete(accountId);
  }

  /** The person types here: said at most once in 3 s. */
  say(): void {
    const now = this.#now();
    if (this.#channelId === null || now - this.#saidAt < limits.typingEveryMs) return;
    this.#saidAt = now;
    this.#api()
      .presence.typing.mutate({ channelId: this.#channelId })
      .catch(() => undefined);
  }
}

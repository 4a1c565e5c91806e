// Who said lately that they are typing where: at most one event per account, channel and 3 s leaves the server.
import type { Clock } from '../../platform/clock.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';

export class TypingRegistry {
  readonly #clock: Clock;
  readonly #saidAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when this one should be told: nothing was told for this pair in the last 3 s. */
  say(accountId: AccountId, channelId: ChannelId): boolean {
    const key = `${accountId} ${channelId}`;
    const now = this.#clock.now();
    if (now - (this.#saidAt.get(key) ?? -Infinity) < limits.typingEveryMs) return false;
    this.#saidAt.set(key, now);
    return true;
  }

  /** Forgets at most `limit` pairs that are over; returns how many. */
  expire(limit: number): number {
    const over = this.#clock.now() - limits.typingShownMs;
    let forgotten = 0;
    for (const [key, at] of this.#saidAt) {
      if (forgotten >= limit) break;
      if (at > over) continue;
      this.#saidAt.delete(key);
      forgotten += 1;
    }
    return forgotten;
  }
}

// Keys usually arrive with the message; only what is still missing after a moment is asked for, once per channel.
import type { ChannelId } from '#shared/ids.ts';

const ASK_AFTER_MS = 1500;

export class Asking {
  readonly #ask: (channelId: ChannelId) => Promise<void>;
  readonly #waiting = new Map<ChannelId, ReturnType<typeof setTimeout>>();

  constructor(ask: (channelId: ChannelId) => Promise<void>) {
    this.#ask = ask;
  }

  soon(channelId: ChannelId): void {
    if (this.#waiting.has(channelId)) return;
    const ask = (): void => {
      this.#waiting.delete(channelId);
      void this.#ask(channelId);
    };
    this.#waiting.set(channelId, setTimeout(ask, ASK_AFTER_MS));
  }

  close(): void {
    for (const timer of this.#waiting.values()) clearTimeout(timer);
  }
}

// Keys usually arrive with the message; only what is still missing after a moment is asked for, once per channel. Those
// asked may not be there: while there are others to ask, they are, a while later.
import type { ChannelId } from '#shared/ids.ts';

const ASK_AFTER_MS = 1500;
const ASK_OTHERS_MS = 65_000;

export class Asking {
  /** Answers whether there are others to ask. */
  readonly #ask: (channelId: ChannelId) => Promise<boolean>;
  readonly #waiting = new Map<ChannelId, { timer: ReturnType<typeof setTimeout>; afterMs: number }>();
  #isClosed = false;

  constructor(ask: (channelId: ChannelId) => Promise<boolean>) {
    this.#ask = ask;
  }

  soon(channelId: ChannelId, afterMs = ASK_AFTER_MS): void {
    const waiting = this.#waiting.get(channelId);
    if (this.#isClosed || (waiting && waiting.afterMs <= afterMs)) return;
    clearTimeout(waiting?.timer);
    const ask = async (): Promise<void> => {
      this.#waiting.delete(channelId);
      if (await this.#ask(channelId)) this.soon(channelId, ASK_OTHERS_MS);
    };
    this.#waiting.set(channelId, { timer: setTimeout(() => void ask(), afterMs), afterMs });
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
  }
}

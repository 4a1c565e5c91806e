// On time: messages that are kept for a day leave this device when the day is over, or at once where it was over before
// this browser was opened. The leader tab deletes keys and records; each tab takes them off its own screen.
import type { CryptoApi } from '#client/crypto/protocol.ts';
import type { ChannelLog } from './channel-log.svelte.ts';

/** The workspace, as far as this duty needs it. */
export interface FadingHost {
  readonly crypto: Pick<CryptoApi, 'fade'>;
  /** The server's time as this client best knows it, ms. */
  now(): number;
}

export interface FadingDuty {
  readonly logs: { all(): Iterable<ChannelLog> };
  /** Whether this tab hosts the crypto worker. */
  readonly isLeading: () => boolean;
}

/** How often it is looked. */
const STEP_MS = 30_000;
/** What came meanwhile may be due before everything that was known: looked for this often, whatever is next. */
const AGAIN_MS = 5 * 60_000;

export class Fading {
  readonly #host: FadingHost;
  readonly #duty: FadingDuty;
  readonly #timer: ReturnType<typeof setInterval>;
  #next = 0;

  constructor(host: FadingHost, duty: FadingDuty) {
    this.#host = host;
    this.#duty = duty;
    this.#timer = setInterval(() => void this.run().catch(() => undefined), STEP_MS);
  }

  /** Lets go what is due. */
  async run(): Promise<void> {
    const { logs, isLeading } = this.#duty;
    // A server that sets the clock back keeps nothing alive, nor does a local clock that is behind.
    const now = Math.max(Date.now(), this.#host.now());
    await Promise.all([...logs.all()].map((log) => log.fade(now)));
    if (!isLeading() || now < this.#next) return;
    const { next } = await this.#host.crypto.fade({ now });
    this.#next = Math.min(next ?? Infinity, now + AGAIN_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

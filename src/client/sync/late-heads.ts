// Channels that were there before and became this person's to see while connected, by an invite, a role or an override:
// events say that they exist, not where their log stands nor what of it counts as read. That is asked for once.
import type { Api } from '#client/api/trpc.ts';
import type { Structure } from './structure.svelte.ts';

/** One change may open channels to many people at once: they do not ask at once. */
const SPREAD_MS = 1500;

/** What this needs of the workspace. */
interface LateHeadsHost {
  readonly api: Api;
  readonly structure: Structure;
  now(): number;
}

export class LateHeads {
  readonly #host: LateHeadsHost;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(host: LateHeadsHost) {
    this.#host = host;
  }

  /** Call after every event that may have shown a channel. */
  look(): void {
    const { structure } = this.#host;
    if (this.#timer !== undefined || structure.unheaded(this.#host.now()).length === 0) return;
    this.#timer = setTimeout(() => void this.#ask(), Math.random() * SPREAD_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const { structure } = this.#host;
    // Whatever becomes visible from here on is asked for again.
    const asked = structure.unheaded(this.#host.now());
    this.#timer = undefined;
    try {
      const { heads } = await this.#host.api.live.bootstrap.query({ known: structure.known() });
      structure.learnHeads(asked, heads);
    } catch {
      // The connection is gone, and the next one begins with a bootstrap.
    }
  }
}

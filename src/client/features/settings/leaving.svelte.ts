// The three ways out: this browser, this browser with its keys, every browser.
import { entryFailure, type EntryFailure, type Session } from '#client/features/session/session.svelte.ts';

export type WayOut = 'here' | 'remove' | 'everywhere';

export class Leaving {
  readonly #session: Session;
  #under = $state<WayOut | null>(null);
  #failure = $state.raw<EntryFailure | null>(null);

  constructor(session: Session) {
    this.#session = session;
  }

  /** The way being taken right now. */
  get under(): WayOut | null {
    return this.#under;
  }

  get failure(): EntryFailure | null {
    return this.#failure;
  }

  async take(way: WayOut): Promise<void> {
    if (this.#under !== null) return;
    this.#under = way;
    this.#failure = null;
    try {
      if (way === 'remove') await this.#session.logoutAndRemove();
      else await this.#session.logout({ everywhere: way === 'everywhere' });
    } catch (error) {
      this.#failure = entryFailure(error);
    } finally {
      this.#under = null;
    }
  }
}

// The three ways out: this browser, this browser with its keys, every browser.
import { EntryWork } from '#client/features/session/entry-work.svelte.ts';
import type { EntryFailure, Session } from '#client/features/session/session.svelte.ts';

export type WayOut = 'here' | 'remove' | 'everywhere';

export class Leaving {
  readonly #session: Session;
  readonly #work = new EntryWork<WayOut>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** The way being taken right now. */
  get under(): WayOut | null {
    return this.#work.under;
  }

  get failure(): EntryFailure | null {
    return this.#work.failure;
  }

  async take(way: WayOut): Promise<void> {
    await this.#work.run(way, () =>
      way === 'remove'
        ? this.#session.logoutAndRemove()
        : this.#session.logout({ everywhere: way === 'everywhere' }),
    );
  }
}

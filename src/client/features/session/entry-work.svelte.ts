// What a form is at: one piece of work at a time, and why the last one failed.
import { Cancelled } from '#client/lib/question.ts';
import { entryFailure, type EntryFailure } from './entry-failure.ts';

export class EntryWork<Kind extends string = 'work'> {
  /** Set from outside for what is wrong before anybody is asked. */
  failure = $state.raw<EntryFailure | null>(null);
  #under = $state<Kind | null>(null);

  /** Which piece is under way. */
  get under(): Kind | null {
    return this.#under;
  }

  get isBusy(): boolean {
    return this.#under !== null;
  }

  /** Answers what the piece gave; null when it failed, was called off, or another is under way. Never rejects. */
  async run<T>(kind: Kind, piece: () => Promise<T>): Promise<T | null> {
    if (this.#under !== null) return null;
    this.#under = kind;
    this.failure = null;
    try {
      return await piece();
    } catch (error) {
      if (!(error instanceof Cancelled)) this.failure = entryFailure(error);
      return null;
    } finally {
      this.#under = null;
    }
  }
}

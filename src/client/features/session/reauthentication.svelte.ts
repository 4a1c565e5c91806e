// Sensitive actions: the server asks for fresh proof of the person; one dialog asks, and the action is repeated.
import { failureOf } from '#client/api/errors.ts';
import type { Api } from '#client/api/trpc.ts';
import { Question } from '#client/lib/question.ts';
import type { FactorTicket } from '#shared/second-factor.ts';

export class Reauthentication {
  readonly #question = new Question<FactorTicket>();
  #isOpen = $state(false);
  #loginSecret: string | null = null;

  /** Whether the dialog is to be shown. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Runs the action; where the server wants fresh proof, asks for it and runs it again. Rejects with `Cancelled`. */
  async run<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (failureOf(error).code !== 'reauthentication_required') throw error;
    }
    await this.prove();
    return action();
  }

  /** Asks in any case; the ticket stands for the second factor given. Rejects with `Cancelled`. */
  prove(): Promise<FactorTicket> {
    this.#isOpen = true;
    return this.#question.ask();
  }

  /**
   * Proves with a log-in secret just derived: asks only for the second step, where there is one. Rejects with
   * `Cancelled` or the server's failure.
   */
  async proveWith(api: Api, loginSecret: string): Promise<FactorTicket> {
    try {
      return await api.auth.reauthenticate.mutate({ kind: 'password', loginSecret });
    } catch (error) {
      if (failureOf(error).code !== 'second_factor_required') throw error;
    }
    this.#loginSecret = loginSecret;
    return this.prove();
  }

  /** The log-in secret the proof is made with; null: the dialog asks for the password. */
  get loginSecret(): string | null {
    return this.#loginSecret;
  }

  /** The person proved to be themselves. */
  confirm(proven: FactorTicket): void {
    this.#close();
    this.#question.answer(proven);
  }

  /** Calls the action off. */
  cancel(): void {
    this.#close();
    this.#question.cancel();
  }

  #close(): void {
    this.#isOpen = false;
    this.#loginSecret = null;
  }
}

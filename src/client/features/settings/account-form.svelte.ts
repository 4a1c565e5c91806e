// What every change of one's account has in common: it asks for the password, whose keys are made here in the browser
// and shown to the server only as the log-in secret.
import { entryFailure, type EntryFailure } from '#client/features/session/session.svelte.ts';
import { Cancelled } from '#client/lib/question.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';

export abstract class AccountForm {
  current = $state('');
  protected readonly workspace: Workspace;
  #isBusy = $state(false);
  #failure = $state.raw<EntryFailure | null>(null);
  /** The password the server refused. */
  #refused = $state<string | null>(null);
  #wasMissing = $state(false);

  constructor(workspace: Workspace) {
    this.workspace = workspace;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Why it did not work; a wrong password is `currentFault`. */
  get failure(): EntryFailure | null {
    return this.#failure;
  }

  get currentFault(): 'account.wrongPassword' | 'session.passwordMissing' | null {
    if (this.#wasMissing && this.current === '') return 'session.passwordMissing';
    return this.#refused !== null && this.#refused === this.current ? 'account.wrongPassword' : null;
  }

  /** Whether the password was left out; then its field says so. */
  protected lacksPassword(): boolean {
    this.#wasMissing = this.current === '';
    return this.#wasMissing;
  }

  /** Runs one attempt; false when it failed or another is under way. */
  protected async attempt(run: () => Promise<void>): Promise<boolean> {
    if (this.#isBusy) return false;
    this.#isBusy = true;
    this.#failure = this.#refused = null;
    try {
      await run();
      return true;
    } catch (error) {
      if (error instanceof Cancelled) return false;
      const failure = entryFailure(error);
      if (failure.code === 'bad_credentials') this.#refused = this.current;
      else this.#failure = failure;
      return false;
    } finally {
      this.#isBusy = false;
    }
  }

  /** The log-in secret of what was typed as the current password. Takes a second. */
  protected async proof(): Promise<string> {
    const { api, crypto, structure } = this.workspace;
    const kdf = await api.auth.kdf.query({ username: structure.account?.username ?? '' });
    return (await crypto.deriveLogin({ password: this.current, kdf })).loginSecret;
  }
}

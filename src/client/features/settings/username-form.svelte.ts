// Another username: what one logs in with and is found by.
import { usernameFault } from '#client/features/session/registration.svelte.ts';
import { AccountForm } from './account-form.svelte.ts';

export class UsernameForm extends AccountForm {
  username = $state('');
  #wasTried = $state(false);
  #taken = $state<string | null>(null);

  get usernameFault(): ReturnType<typeof usernameFault> | 'session.usernameTaken' | 'account.sameName' {
    if (this.#taken !== null && this.#taken === this.#clean) return 'session.usernameTaken';
    if (!this.#wasTried) return null;
    return this.#clean === this.workspace.structure.account?.username
      ? 'account.sameName'
      : usernameFault(this.username);
  }

  get #clean(): string {
    return this.username.trim().toLowerCase();
  }

  /** The new name when it counts, else null. */
  async submit(): Promise<string | null> {
    this.#wasTried = true;
    if (this.lacksPassword() || this.usernameFault !== null) return null;
    const username = this.#clean;
    const isDone = await this.attempt(async () => {
      const loginSecret = await this.proof();
      const account = await this.workspace.api.account.changeUsername.mutate({ loginSecret, username });
      this.workspace.structure.apply({ type: 'account.updated', account });
    });
    if (this.failure?.code === 'taken') this.#taken = username;
    return isDone ? username : null;
  }
}

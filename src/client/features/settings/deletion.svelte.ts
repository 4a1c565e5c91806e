// The end of one's account: what it would mean, then password and typed username, then nothing of it is left here.
import type { Session } from '#client/features/session/session.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { DeletionPlan } from '#shared/account.ts';
import { AccountForm } from './account-form.svelte.ts';

export class Deletion extends AccountForm {
  username = $state('');
  readonly #session: Session;
  #wasTried = $state(false);
  #plan = $state.raw<DeletionPlan | null>(null);

  constructor(session: Session, workspace: Workspace) {
    super(workspace);
    this.#session = session;
  }

  /** Null until it is loaded; read anew each time the question is asked. */
  get plan(): DeletionPlan | null {
    return this.#plan;
  }

  get usernameFault(): 'account.deleteNameWrong' | null {
    return this.#wasTried && !this.#isNamed ? 'account.deleteNameWrong' : null;
  }

  get #isNamed(): boolean {
    return this.username.trim().toLowerCase() === this.workspace.structure.account?.username;
  }

  async load(): Promise<void> {
    await this.attempt(async () => {
      this.#plan = await this.workspace.api.account.deletionPlan.query();
    });
  }

  /** True when the account is gone, here and on the server. */
  async submit(): Promise<boolean> {
    this.#wasTried = true;
    if (this.lacksPassword() || !this.#isNamed || this.#plan?.isOwnerNeeded !== false) return false;
    return this.attempt(async () => {
      const loginSecret = await this.proof();
      const username = this.username.trim().toLowerCase();
      const session = this.#session;
      // Over HTTP: the server closes the account's sockets before it could answer on one.
      await session.leaveForGood(() => session.http.account.delete.mutate({ loginSecret, username }));
    });
  }
}

// Changes that wrap the vault anew: they take it from the server, which asks for the second step where there is one.
import type { Reauthentication } from '#client/features/session/reauthentication.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { AccountId } from '#shared/ids.ts';
import { AccountForm } from './account-form.svelte.ts';

export abstract class VaultForm extends AccountForm {
  readonly #reauthentication: Reauthentication;

  constructor(workspace: Workspace, reauthentication: Reauthentication) {
    super(workspace);
    this.#reauthentication = reauthentication;
  }

  /** A change that wants a fresh session, also when the form stayed open for long. */
  protected sensitive<T>(run: () => Promise<T>): Promise<T> {
    return this.#reauthentication.run(run);
  }

  /** The vault, and a session fresh for what follows; asks for the second step where there is one. */
  protected async vault(loginSecret: string): Promise<{ accountId: AccountId; vault: string }> {
    const { api } = this.workspace;
    const { factorTicket: ticket } = await this.#reauthentication.proveWith(api, loginSecret);
    const factor = ticket === null ? {} : { factor: { kind: 'ticket', ticket } as const };
    return api.vault.get.mutate({ loginSecret, ...factor });
  }
}

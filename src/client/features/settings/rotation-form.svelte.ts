// Another backup key after a device was removed: the password opens the vault, in which the new key has to be.
import { VaultForm } from './vault-form.svelte.ts';

export class RotationForm extends VaultForm {
  /** True when removed devices are closed out of what is backed up from here on. Repeating it is safe. */
  async submit(): Promise<boolean> {
    if (this.lacksPassword()) return false;
    const isDone = await this.attempt(async () => {
      const loginSecret = await this.proof();
      const { api, backup } = this.workspace;
      await backup.rotate({
        vault: () => this.vault(loginSecret),
        send: ({ entries, ...rest }) =>
          this.sensitive(() =>
            api.account.rotateBackup.mutate({ ...rest, entries: [...entries], loginSecret }),
          ),
      });
    });
    if (isDone) this.current = '';
    return isDone;
  }
}

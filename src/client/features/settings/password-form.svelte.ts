// Another password: the vault's password slot is wrapped anew in the worker, then the server swaps everything at once.
import type { MadePassword } from '#client/crypto/protocol.ts';
import { isPasswordGood } from '#client/features/session/new-password.ts';
import { VaultForm } from './vault-form.svelte.ts';

export class PasswordForm extends VaultForm {
  next = $state('');
  #wasTried = $state(false);
  #wasUnanswered = $state(false);
  /** What was sent for these passwords and not answered yet: sent again as it is. */
  #sent: { readonly typed: string; readonly change: MadePassword & { loginSecret: string } } | null = null;

  get nextFault(): 'account.samePassword' | 'session.passwordRefused' | null {
    if (!this.#wasTried || this.#isGood) return null;
    return this.next !== '' && this.next === this.current
      ? 'account.samePassword'
      : 'session.passwordRefused';
  }

  /** The answer to an attempt was lost: the change may count already. */
  get wasUnanswered(): boolean {
    return this.#wasUnanswered;
  }

  get hints(): string[] {
    const { account } = this.workspace.structure;
    return account ? [account.username, account.displayName] : [];
  }

  get #isGood(): boolean {
    return this.next !== this.current && isPasswordGood(this.next, this.hints);
  }

  /** True when the new password counts. */
  async submit(): Promise<boolean> {
    this.#wasTried = true;
    if (this.lacksPassword() || !this.#isGood) return false;
    this.#wasUnanswered = false;
    const isDone = await this.attempt(async () => {
      const typed = `${this.current}\n${this.next}`;
      if (this.#sent?.typed !== typed) this.#sent = { typed, change: await this.#make() };
      const { change } = this.#sent;
      await this.sensitive(() => this.workspace.api.account.changePassword.mutate(change));
      await this.workspace.crypto.vaultStored();
    });
    this.#wasUnanswered = this.failure?.code === 'unreachable' && this.#sent !== null;
    if (!this.#wasUnanswered) this.#sent = null;
    if (!isDone) return false;
    this.current = this.next = '';
    this.#wasTried = false;
    return true;
  }

  async #make(): Promise<MadePassword & { loginSecret: string }> {
    const loginSecret = await this.proof();
    const { accountId, vault } = await this.vault(loginSecret);
    const made = await this.workspace.crypto.makePassword({ accountId, vault, newPassword: this.next });
    return { ...made, loginSecret };
  }
}

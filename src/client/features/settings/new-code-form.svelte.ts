// A new recovery code: password, then the code shown once and typed back in part, then the server swaps it.
import type { MadeRecovery } from '#client/crypto/protocol.ts';
import { ShownCode } from '#client/lib/shown-code.svelte.ts';
import type { CodeSteps } from '#client/ui/code-steps.ts';
import { VaultForm } from './vault-form.svelte.ts';

export class NewCodeForm extends VaultForm implements CodeSteps {
  readonly shown = new ShownCode();
  #step = $state<'password' | 'done'>('password');
  #made = $state.raw<(MadeRecovery & { loginSecret: string }) | null>(null);

  get step(): 'password' | 'code' | 'retype' | 'done' {
    return this.shown.step ?? this.#step;
  }

  get isFinishing(): boolean {
    return this.isBusy && this.shown.step === 'retype';
  }

  /** Makes the code; nothing counts yet. */
  async submit(): Promise<void> {
    if (this.lacksPassword()) return;
    await this.attempt(async () => {
      const loginSecret = await this.proof();
      const { accountId, vault } = await this.vault(loginSecret);
      this.#made = { ...(await this.workspace.crypto.makeRecoveryCode({ accountId, vault })), loginSecret };
      this.shown.show(this.#made.recoveryCode);
    });
  }

  /** Gives the shown code up: the one there was stays. */
  back(): void {
    this.#made = null;
    this.shown.forget();
    this.shown.hide();
  }

  /** Repeating it after a lost answer is safe. */
  async finish(): Promise<void> {
    const made = this.#made;
    if (!made || !this.shown.isTypedBack) return;
    const isDone = await this.attempt(async () => {
      const { recoveryCode: _shown, ...change } = made;
      const { account } = this.workspace.api;
      await this.sensitive(() => account.changeRecovery.mutate(change));
      await this.workspace.crypto.vaultStored();
      this.current = '';
      this.#step = 'done';
    });
    // Changed elsewhere meanwhile, the password or the vault: this code belongs to nothing.
    const isVoid = this.failure?.code === 'conflict' || this.currentFault !== null;
    if (isDone || isVoid) this.back();
  }
}

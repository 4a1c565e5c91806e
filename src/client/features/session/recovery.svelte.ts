// "Forgot password?": name, recovery code and a new password → a fresh code, typed back → only then the server swaps
// all of it at once. Until that moment the old code and password stay good, from then on only the new ones.
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import type { MadePassword, MadeRecovery } from '#client/crypto/protocol.ts';
import { ShownCode } from '#client/lib/shown-code.svelte.ts';
import type { CodeSteps } from '#client/ui/code-steps.ts';
import { usernameSchema } from '#shared/auth.ts';
import { EntryWork } from './entry-work.svelte.ts';
import { isPasswordGood, newPasswordFault } from './new-password.ts';
import type { EntryFailure, Session } from './session.svelte.ts';

interface Prepared {
  readonly typed: string;
  readonly username: string;
  readonly recoveryAuth: string;
  readonly made: MadePassword & MadeRecovery;
}

export class RecoveryForm implements CodeSteps {
  username = $state('');
  code = $state('');
  password = $state('');
  readonly shown = new ShownCode();
  readonly #session: Session;
  readonly #work = new EntryWork<'opening' | 'finishing'>();
  #step = $state<'ask' | 'done'>('ask');
  #wasTried = $state(false);
  #mistyped = $state<string | null>(null);
  #prepared = $state.raw<Prepared | null>(null);

  constructor(session: Session) {
    this.#session = session;
  }

  get step(): 'ask' | 'code' | 'retype' | 'done' {
    return this.shown.step ?? this.#step;
  }

  get isOpening(): boolean {
    return this.#work.under === 'opening';
  }

  get isFinishing(): boolean {
    return this.#work.under === 'finishing';
  }

  get failure(): EntryFailure | null {
    return this.#work.failure;
  }

  get usernameFault(): 'session.usernameMissing' | null {
    return this.#wasTried && this.username.trim() === '' ? 'session.usernameMissing' : null;
  }

  get codeFault(): 'recovery.codeMissing' | 'recovery.codeMistyped' | null {
    if (this.#wasTried && this.code.trim() === '') return 'recovery.codeMissing';
    return this.#mistyped !== null && this.#mistyped === this.code ? 'recovery.codeMistyped' : null;
  }

  get passwordFault(): ReturnType<typeof newPasswordFault> {
    return this.#wasTried ? newPasswordFault(this.password, this.hints) : null;
  }

  get hints(): string[] {
    return [this.username].filter((name) => name !== '');
  }

  /** Opens the vault by the code and makes the new keys. Nothing is changed on the server yet. */
  async submit(): Promise<void> {
    this.#wasTried = true;
    if (this.username.trim() === '' || this.code.trim() === '' || !isPasswordGood(this.password, this.hints))
      return;
    await this.#work.run('opening', async () => {
      const typed = [this.username, this.code, this.password].join('\n');
      if (this.#prepared?.typed !== typed) this.#prepared = await this.#prepare(typed);
      if (this.#prepared) this.shown.show(this.#prepared.made.recoveryCode);
    });
  }

  back(): void {
    this.#work.failure = null;
    this.shown.hide();
  }

  /** Swaps password, code and vault, and signs in here; repeating it after a lost answer is safe. */
  async finish(): Promise<void> {
    const prepared = this.#prepared;
    if (!prepared || !this.shown.isTypedBack) return;
    await this.#work.run('finishing', async () => {
      await this.#recover(prepared);
      this.password = this.code = '';
      this.#step = 'done';
      this.#giveUp();
    });
    if (this.failure?.code !== 'conflict') return;
    // The vault was changed meanwhile, so the fresh code belongs to nothing.
    this.#giveUp();
  }

  /** The fresh code is not shown any more, nor what belongs to it kept. */
  #giveUp(): void {
    this.#prepared = null;
    this.shown.forget();
    this.shown.hide();
  }

  async #prepare(typed: string): Promise<Prepared | null> {
    const { code, password: newPassword } = this;
    const { crypto, http } = this.#session;
    const recoveryAuth = await crypto.recoveryAuth({ code }).catch((error: unknown) => {
      if (!(error instanceof CryptoCallError)) throw error;
      this.#mistyped = code;
      return null;
    });
    if (recoveryAuth === null) return null;
    const username = usernameSchema.safeParse(this.username);
    // A name no account can have: the same words as for a wrong code.
    if (!username.success) {
      this.#work.failure = { code: 'bad_credentials' };
      return null;
    }
    const asked = { username: username.data, recoveryAuth };
    const { accountId, vault } = await http.auth.recoveryVault.mutate(asked);
    const made = await crypto.makeRecovered({ accountId, vault, code, newPassword });
    return { typed, ...asked, made };
  }

  async #recover({ username, recoveryAuth, made }: Prepared): Promise<void> {
    const session = this.#session;
    const { password } = this;
    const { recoveryCode: _shown, ...changed } = made;
    const grant = await session.http.auth.recover.mutate({ username, recoveryAuth, ...changed });
    await session.crypto.vaultStored();
    const derive = (): Promise<unknown> => session.crypto.deriveLogin({ password, kdf: changed.kdf });
    await session.settleIn(grant, { loginSecret: changed.newLoginSecret, derive });
  }
}

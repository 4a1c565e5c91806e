// "Forgot password?": name, recovery code and a new password → a fresh code, typed back → only then the server swaps
// all of it at once. Until that moment the old code and password stay good, from then on only the new ones.
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import type { MadePassword, MadeRecovery } from '#client/crypto/protocol.ts';
import { estimatePassword } from '#client/lib/password-strength.ts';
import { usernameSchema } from '#shared/auth.ts';
import { limits } from '#shared/limits.ts';
import type { CodeSteps } from '#client/ui/code-steps.ts';
import { entryFailure, type EntryFailure, type Session } from './session.svelte.ts';

type RecoveryStep = 'ask' | 'code' | 'retype' | 'done';

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
  isRetyped = $state(false);
  readonly #session: Session;
  #step = $state<RecoveryStep>('ask');
  #work = $state<'opening' | 'finishing' | null>(null);
  #wasTried = $state(false);
  #mistyped = $state<string | null>(null);
  #failure = $state.raw<EntryFailure | null>(null);
  #prepared = $state.raw<Prepared | null>(null);

  constructor(session: Session) {
    this.#session = session;
  }

  get step(): RecoveryStep {
    return this.#step;
  }

  get isOpening(): boolean {
    return this.#work === 'opening';
  }

  get isFinishing(): boolean {
    return this.#work === 'finishing';
  }

  /** The fresh code, in the steps `code` and `retype`. */
  get recoveryCode(): string {
    return this.#prepared?.made.recoveryCode ?? '';
  }

  get failure(): EntryFailure | null {
    return this.#failure;
  }

  get usernameFault(): 'session.usernameMissing' | null {
    return this.#wasTried && this.username.trim() === '' ? 'session.usernameMissing' : null;
  }

  get codeFault(): 'recovery.codeMissing' | 'recovery.codeMistyped' | null {
    if (this.#wasTried && this.code.trim() === '') return 'recovery.codeMissing';
    return this.#mistyped !== null && this.#mistyped === this.code ? 'recovery.codeMistyped' : null;
  }

  get passwordFault(): 'session.passwordMissing' | 'session.passwordRefused' | null {
    if (!this.#wasTried || this.#isPasswordGood) return null;
    return this.password === '' ? 'session.passwordMissing' : 'session.passwordRefused';
  }

  get hints(): string[] {
    return [this.username].filter((name) => name !== '');
  }

  get #isPasswordGood(): boolean {
    const isShortEnough = [...this.password].length <= limits.passwordMax;
    return isShortEnough && estimatePassword(this.password, limits.passwordMin, this.hints).acceptable;
  }

  /** Opens the vault by the code and makes the new keys. Nothing is changed on the server yet. */
  async submit(): Promise<void> {
    this.#wasTried = true;
    if (this.username.trim() === '' || this.code.trim() === '' || !this.#isPasswordGood) return;
    await this.#while('opening', async () => {
      const typed = [this.username, this.code, this.password].join('\n');
      if (this.#prepared?.typed !== typed) {
        this.#prepared = await this.#prepare(typed);
        this.isRetyped = false;
      }
      if (this.#prepared) this.#step = 'code';
    });
  }

  askBack(): void {
    this.isRetyped = false;
    this.#step = 'retype';
  }

  showCodeAgain(): void {
    this.#step = 'code';
  }

  back(): void {
    this.#failure = null;
    this.#step = 'ask';
  }

  /** Swaps password, code and vault, and signs in here; repeating it after a lost answer is safe. */
  async finish(): Promise<void> {
    const prepared = this.#prepared;
    if (!prepared || !this.isRetyped || this.#step !== 'retype') return;
    await this.#while('finishing', async () => {
      await this.#recover(prepared);
      this.password = this.code = '';
      this.#prepared = null;
      this.#step = 'done';
    });
    if (this.#failure?.code !== 'conflict') return;
    // The vault was changed meanwhile, so the fresh code belongs to nothing.
    this.#prepared = null;
    this.#step = 'ask';
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
      this.#failure = { code: 'bad_credentials' };
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

  async #while(work: 'opening' | 'finishing', run: () => Promise<void>): Promise<void> {
    if (this.#work !== null) return;
    this.#work = work;
    this.#failure = null;
    try {
      await run();
    } catch (error) {
      this.#failure = entryFailure(error);
    } finally {
      this.#work = null;
    }
  }
}

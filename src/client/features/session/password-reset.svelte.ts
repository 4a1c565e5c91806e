// A new password by the link of whoever runs the server. It logs in; what it cannot open is asked about after.
import { Cancelled } from '#client/lib/question.ts';
import { passwordResetCodeSchema } from '#shared/account.ts';
import { askKeysBy, type KeysQuestion } from './keys-question.svelte.ts';
import { isPasswordGood, newPasswordFault } from './new-password.ts';
import { entryFailure, type EntryFailure, type Session } from './session.svelte.ts';

export class PasswordResetForm {
  password = $state('');
  readonly #session: Session;
  readonly #code: string;
  #isBusy = $state(false);
  #wasTried = $state(false);
  #failure = $state.raw<EntryFailure | null>(null);
  #keys = $state.raw<KeysQuestion | null>(null);
  #hasStartedOver = false;

  /** `code` is the fragment of the link. */
  constructor(session: Session, code: string) {
    this.#session = session;
    this.#code = code;
  }

  /** False where the address was cut short: nothing could be done with it. */
  get isUsable(): boolean {
    return passwordResetCodeSchema.safeParse(this.#code).success;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  get failure(): EntryFailure | null {
    return this.#failure;
  }

  /** Once the password is set: what to do about keys that it does not open. */
  get keys(): KeysQuestion | null {
    return this.#keys;
  }

  /** After it: the account has another identity now. */
  get hasStartedOver(): boolean {
    return this.#hasStartedOver;
  }

  get passwordFault(): ReturnType<typeof newPasswordFault> {
    return this.#wasTried ? newPasswordFault(this.password, []) : null;
  }

  /** The page is left: what was asked about keys is called off. */
  leave(): void {
    this.#keys?.cancel();
  }

  /** Sets the password and logs in; `left`: the password is set, the question about the keys was called off. */
  async submit(): Promise<'in' | 'left' | 'failed'> {
    this.#wasTried = true;
    if (this.#isBusy || !this.isUsable || !isPasswordGood(this.password, [])) return 'failed';
    this.#isBusy = true;
    this.#failure = null;
    try {
      await this.#setPassword(this.password);
      this.password = '';
      return 'in';
    } catch (error) {
      if (error instanceof Cancelled) return 'left';
      this.#failure = entryFailure(error);
      return 'failed';
    } finally {
      this.#isBusy = false;
      this.#hasStartedOver = this.#keys?.hasStartedOver ?? false;
      this.#keys = null;
    }
  }

  async #setPassword(newPassword: string): Promise<void> {
    const { crypto, http } = this.#session;
    const { kdf, newLoginSecret: loginSecret } = await crypto.newLogin({ newPassword });
    const grant = await http.auth.resetPassword.mutate({
      code: this.#code,
      kdf,
      newLoginSecret: loginSecret,
    });
    const derive = (): Promise<unknown> => crypto.deriveLogin({ password: newPassword, kdf });
    const askKeys = askKeysBy((question) => void (this.#keys = question));
    await this.#session.settleIn(grant, { loginSecret, derive, askKeys });
  }
}

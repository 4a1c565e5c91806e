// A new account, step by step: who you are and a password → the recovery code, shown once → four of its groups typed
// back → only then the account exists on the server.
import { estimatePassword } from '#client/lib/password-strength.ts';
import { displayNameSchema, usernameSchema } from '#shared/auth.ts';
import { limits } from '#shared/limits.ts';
import type { CodeSteps } from '#client/ui/code-steps.ts';
import { entryFailure, type EntryFailure, type Registration, type Session } from './session.svelte.ts';

export type RegistrationStep = 'account' | 'code' | 'retype' | 'done';
export type RegistrationWork = 'keys' | 'account' | null;

/** How the account comes about: by an invite, as the owner of a new instance, or by an open door. */
export type Admission = Pick<Registration, 'inviteCode' | 'setup'>;

/** The key of the words for it. */
type NameFault = 'session.usernameShort' | 'session.usernameLong' | 'session.usernameCharacters';

/** What is wrong with a username before the server is asked; null when nothing is. */
export function usernameFault(username: string): NameFault | null {
  const name = username.trim();
  if (name.length < limits.usernameMin) return 'session.usernameShort';
  if (name.length > limits.usernameMax) return 'session.usernameLong';
  return usernameSchema.safeParse(name).success ? null : 'session.usernameCharacters';
}

export class RegistrationForm implements CodeSteps {
  username = $state('');
  displayName = $state('');
  password = $state('');
  isRetyped = $state(false);
  readonly #session: Session;
  readonly #admission: Admission;
  #step = $state<RegistrationStep>('account');
  #work = $state<RegistrationWork>(null);
  #code = $state('');
  /** The password the recovery code belongs to. */
  #preparedFor: string | null = null;
  /** Faults are shown from the first attempt on, not while somebody types for the first time. */
  #wasTried = $state(false);
  #takenName = $state<string | null>(null);
  #failure = $state.raw<EntryFailure | null>(null);

  constructor(session: Session, admission: Admission) {
    this.#session = session;
    this.#admission = admission;
  }

  get step(): RegistrationStep {
    return this.#step;
  }

  /** What is going on right now: making keys, or registering. */
  get work(): RegistrationWork {
    return this.#work;
  }

  get isFinishing(): boolean {
    return this.#work === 'account';
  }

  /** Shown in the steps `code` and `retype`. */
  get recoveryCode(): string {
    return this.#code;
  }

  get failure(): EntryFailure | null {
    return this.#failure;
  }

  get usernameFault(): NameFault | 'session.usernameTaken' | null {
    if (this.#takenName !== null && this.#takenName === this.#cleanName) return 'session.usernameTaken';
    return this.#wasTried || this.username.length > limits.usernameMax ? usernameFault(this.username) : null;
  }

  get displayNameFault(): 'session.displayNameMissing' | null {
    if (!this.#wasTried || displayNameSchema.safeParse(this.displayName).success) return null;
    return 'session.displayNameMissing';
  }

  get passwordFault(): 'session.passwordMissing' | 'session.passwordRefused' | null {
    if (!this.#wasTried || this.#isPasswordGood) return null;
    return this.password === '' ? 'session.passwordMissing' : 'session.passwordRefused';
  }

  /** The person's own names: a password made of them counts for little. */
  get hints(): string[] {
    return [this.username, this.displayName].filter((name) => name !== '');
  }

  get #cleanName(): string {
    return this.username.trim().toLowerCase();
  }

  get #isPasswordGood(): boolean {
    const isShortEnough = [...this.password].length <= limits.passwordMax;
    return isShortEnough && estimatePassword(this.password, limits.passwordMin, this.hints).acceptable;
  }

  get #isComplete(): boolean {
    const isNamed = displayNameSchema.safeParse(this.displayName).success;
    return usernameFault(this.username) === null && isNamed && this.#isPasswordGood;
  }

  /** Checks the account step and makes the keys. With keys made for this password already, their code stays. */
  async submitAccount(): Promise<void> {
    this.#wasTried = true;
    if (!this.#isComplete) return;
    await this.#while('keys', async () => {
      if (!(await this.#session.isUsernameFree(this.#cleanName))) {
        this.#takenName = this.#cleanName;
        return;
      }
      if (this.#preparedFor !== this.password) {
        this.#code = await this.#session.prepare(this.password);
        this.#preparedFor = this.password;
        this.isRetyped = false;
      }
      this.#step = this.isRetyped ? 'retype' : 'code';
    });
  }

  /** "I've written it down". */
  askBack(): void {
    this.isRetyped = false;
    this.#step = 'retype';
  }

  showCodeAgain(): void {
    this.#step = 'code';
  }

  /** Back to names and password; nothing was registered. */
  back(): void {
    this.#failure = null;
    this.#step = 'account';
  }

  /** Registers; refuses while the four groups are not typed back. */
  async finish(): Promise<void> {
    if (!this.isRetyped || this.#step !== 'retype') return;
    await this.#while('account', async () => {
      const username = this.#cleanName;
      await this.#session.register({ username, displayName: this.displayName.trim(), ...this.#admission });
      this.password = '';
      this.#code = '';
      this.#step = 'done';
    });
    if (this.#failure?.code !== 'taken') return;
    // Somebody was quicker with the name. The keys and the code written down stay good.
    this.#takenName = this.#cleanName;
    this.back();
  }

  async #while(work: 'keys' | 'account', run: () => Promise<void>): Promise<void> {
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

// A new account, step by step: who you are and a password → the recovery code, shown once → four of its groups typed
// back → only then the account exists on the server.
import { ShownCode } from '#client/lib/shown-code.svelte.ts';
import type { CodeSteps } from '#client/ui/code-steps.ts';
import { displayNameSchema, usernameSchema } from '#shared/auth.ts';
import { limits } from '#shared/limits.ts';
import { EntryWork } from './entry-work.svelte.ts';
import { isPasswordGood, newPasswordFault } from './new-password.ts';
import type { EntryFailure, Registration, Session } from './session.svelte.ts';

/** How the account comes about: by an invite, as the owner of a new instance, or by an open door. */
export type Admission = Pick<Registration, 'inviteCode' | 'setup'>;

/** The key of the words for it. */
export type NameFault = 'session.usernameShort' | 'session.usernameLong' | 'session.usernameCharacters';

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
  readonly shown = new ShownCode();
  readonly #session: Session;
  readonly #admission: Admission;
  readonly #work = new EntryWork<'keys' | 'account'>();
  #step = $state<'account' | 'done'>('account');
  /** The password the recovery code belongs to. */
  #preparedFor: string | null = null;
  /** Faults are shown from the first attempt on, not while somebody types for the first time. */
  #wasTried = $state(false);
  #takenName = $state<string | null>(null);

  constructor(session: Session, admission: Admission) {
    this.#session = session;
    this.#admission = admission;
  }

  get step(): 'account' | 'code' | 'retype' | 'done' {
    return this.shown.step ?? this.#step;
  }

  get isMaking(): boolean {
    return this.#work.under === 'keys';
  }

  get isFinishing(): boolean {
    return this.#work.under === 'account';
  }

  get failure(): EntryFailure | null {
    return this.#work.failure;
  }

  get usernameFault(): NameFault | 'session.usernameTaken' | null {
    if (this.#takenName !== null && this.#takenName === this.#cleanName) return 'session.usernameTaken';
    return this.#wasTried || this.username.length > limits.usernameMax ? usernameFault(this.username) : null;
  }

  get displayNameFault(): 'session.displayNameMissing' | null {
    if (!this.#wasTried || displayNameSchema.safeParse(this.displayName).success) return null;
    return 'session.displayNameMissing';
  }

  get passwordFault(): ReturnType<typeof newPasswordFault> {
    return this.#wasTried ? newPasswordFault(this.password, this.hints) : null;
  }

  /** The person's own names: a password made of them counts for little. */
  get hints(): string[] {
    return [this.username, this.displayName].filter((name) => name !== '');
  }

  get #cleanName(): string {
    return this.username.trim().toLowerCase();
  }

  get #isComplete(): boolean {
    const isNamed = displayNameSchema.safeParse(this.displayName).success;
    return usernameFault(this.username) === null && isNamed && isPasswordGood(this.password, this.hints);
  }

  /** Checks the account step and makes the keys. With keys made for this password already, their code stays. */
  async submitAccount(): Promise<void> {
    this.#wasTried = true;
    if (!this.#isComplete) return;
    await this.#work.run('keys', async () => {
      if (!(await this.#session.isUsernameFree(this.#cleanName))) {
        this.#takenName = this.#cleanName;
        return;
      }
      if (this.#preparedFor === this.password) {
        this.shown.resume();
        return;
      }
      const { password } = this;
      this.shown.show(await this.#session.prepare(password));
      this.#preparedFor = password;
    });
  }

  /** Back to names and password; nothing was registered. */
  back(): void {
    this.#work.failure = null;
    this.shown.hide();
  }

  /** Registers; refuses while the four groups are not typed back. */
  async finish(): Promise<void> {
    if (!this.shown.isTypedBack) return;
    await this.#work.run('account', async () => {
      const username = this.#cleanName;
      await this.#session.register({ username, displayName: this.displayName.trim(), ...this.#admission });
      this.password = '';
      this.#step = 'done';
      this.shown.forget();
      this.shown.hide();
    });
    if (this.failure?.code !== 'taken') return;
    // Somebody was quicker with the name. The keys and the code written down stay good.
    this.#takenName = this.#cleanName;
    this.back();
  }
}

// The log-in form: what was typed, which step is under way, why it failed. After the password may come a second step;
// after a passkey, on a browser without keys, the password.
import { Cancelled, Question } from '#client/lib/question.ts';
import { asUsername } from '#shared/names.ts';
import type { AskKeys } from './closed-keys.ts';
import type { FactorPrompt } from './factor-prompt.svelte.ts';
import type { KeysQuestion } from './keys-question.svelte.ts';
import { hasPasskeys } from './passkey-support.ts';
import { entryFailure, type EntryFailure, type Session } from './session.svelte.ts';
import type { LoginStep } from './way-in.ts';

/** What the page asks for: name and password, the second step, the password that opens the keys, or what to do where it opens none. */
export type LoginStage = 'password' | 'factor' | 'unlock' | 'keys';

export class LoginForm {
  username = $state('');
  password = $state('');
  readonly #session: Session;
  readonly #unlocking = new Question<string>();
  #factor = $state.raw<FactorPrompt | null>(null);
  #keys = $state.raw<KeysQuestion | null>(null);
  #stage = $state<LoginStage>('password');
  #step = $state<LoginStep | null>(null);
  #wasTried = $state(false);
  #isNewDevice = $state(false);
  #failure = $state.raw<EntryFailure | null>(null);

  constructor(session: Session) {
    this.#session = session;
  }

  get stage(): LoginStage {
    return this.#stage;
  }

  /** The second step, in the stage `factor`. */
  get factor(): FactorPrompt | null {
    return this.#factor;
  }

  /** What to do about keys that stay closed, in the stage `keys`. */
  get keys(): KeysQuestion | null {
    return this.#keys;
  }

  /** What the log-in is busy with; null while it waits for the person. */
  get step(): LoginStep | null {
    return this.#step;
  }

  /** After a log-in: this browser was not one of the person's devices before. */
  get isNewDevice(): boolean {
    return this.#isNewDevice;
  }

  get failure(): EntryFailure | null {
    return this.#failure;
  }

  get canUsePasskey(): boolean {
    return hasPasskeys();
  }

  get usernameFault(): 'session.usernameMissing' | null {
    return this.#wasTried && this.username.trim() === '' ? 'session.usernameMissing' : null;
  }

  get passwordFault(): 'session.passwordMissing' | null {
    return this.#wasTried && this.password === '' ? 'session.passwordMissing' : null;
  }

  /** Answers whether the person is signed in now. */
  async submit(): Promise<boolean> {
    this.#wasTried = true;
    if (this.#step !== null || this.username.trim() === '' || this.password === '') return false;
    const username = asUsername(this.username);
    // A name no account can have: the same words as for a wrong password.
    if (username === null) return this.#refuse({ code: 'bad_credentials' });
    const { password } = this;
    return this.#run('deriving', (onStep) =>
      this.#session.login({
        username,
        password,
        onStep,
        askFactor: async (asked) => {
          this.#factor ??= await this.#newPrompt();
          this.#stage = 'factor';
          return this.#factor.ask(asked);
        },
        askKeys: this.#askKeys,
      }),
    );
  }

  /** Answers whether the person is signed in now. */
  async submitPasskey(): Promise<boolean> {
    if (this.#step !== null) return false;
    this.#wasTried = false;
    return this.#run('asking', (onStep) =>
      this.#session.loginWithPasskey({
        onStep,
        askPassword: (username, failure) => {
          this.username = username;
          this.password = '';
          this.#wasTried = false;
          this.#failure = failure;
          this.#stage = 'unlock';
          this.#step = null;
          return this.#unlocking.ask();
        },
        askKeys: this.#askKeys,
      }),
    );
  }

  /** The password typed in the stage `unlock`. */
  unlock(): void {
    this.#wasTried = true;
    if (this.password === '' || this.#step !== null) return;
    this.#failure = null;
    this.#unlocking.answer(this.password);
  }

  /** The page is left: what was asked about keys is called off. */
  leave(): void {
    this.#keys?.cancel();
  }

  /** Back to name and password; nobody is signed in. */
  back(): void {
    this.#wasTried = false;
    this.#factor?.cancel();
    this.#unlocking.cancel();
  }

  /** A script of its own: hardly any log-in asks this. */
  readonly #askKeys: AskKeys = async (keys) => {
    const { askKeysBy } = await import('./keys-question.svelte.ts');
    const ask = askKeysBy((question) => {
      this.#keys = question;
      this.#stage = 'keys';
    });
    return ask(keys);
  };

  /** A script of its own: most log-ins ask for no second step. */
  async #newPrompt(): Promise<FactorPrompt> {
    const { FactorPrompt } = await import('./factor-prompt.svelte.ts');
    return new FactorPrompt(() => this.#session.http.auth.passkeyChallenge.mutate());
  }

  async #run(
    first: LoginStep,
    login: (onStep: (step: LoginStep) => void) => Promise<{ isNewDevice: boolean }>,
  ): Promise<boolean> {
    this.#failure = null;
    this.#step = first;
    try {
      const done = await login((step) => void (this.#step = step));
      this.#isNewDevice = done.isNewDevice;
      this.password = '';
      return true;
    } catch (error) {
      return error instanceof Cancelled ? false : this.#refuse(entryFailure(error));
    } finally {
      this.#step = null;
      this.#stage = 'password';
    }
  }

  #refuse(failure: EntryFailure): false {
    this.#failure = failure;
    return false;
  }
}

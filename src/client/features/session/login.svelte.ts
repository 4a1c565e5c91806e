// The log-in form: what was typed, which step is under way, why it failed.
import { usernameSchema } from '#shared/auth.ts';
import { entryFailure, type EntryFailure, type LoginStep, type Session } from './session.svelte.ts';

export class LoginForm {
  username = $state('');
  password = $state('');
  readonly #session: Session;
  #step = $state<LoginStep | null>(null);
  #wasTried = $state(false);
  #isNewDevice = $state(false);
  #failure = $state.raw<EntryFailure | null>(null);

  constructor(session: Session) {
    this.#session = session;
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
    const username = usernameSchema.safeParse(this.username);
    // A name no account can have: the same words as for a wrong password.
    if (!username.success) return this.#refuse({ code: 'bad_credentials' });
    this.#failure = null;
    this.#step = 'deriving';
    try {
      const onStep = (step: LoginStep): void => void (this.#step = step);
      const { password } = this;
      const done = await this.#session.login({ username: username.data, password, onStep });
      this.#isNewDevice = done.isNewDevice;
      this.password = '';
      return true;
    } catch (error) {
      return this.#refuse(entryFailure(error));
    } finally {
      this.#step = null;
    }
  }

  #refuse(failure: EntryFailure): false {
    this.#failure = failure;
    return false;
  }
}

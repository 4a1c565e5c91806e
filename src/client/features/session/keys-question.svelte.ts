// The password is right and opens no keys: what stands in the way, what can be done, and starting over, which is confirmed by
// typing one's name and writing another recovery code down. Used by the log-in and by the operator's link.
import type { CodeSteps } from '#client/ui/code-steps.ts';
import { Question } from '#client/lib/question.ts';
import type { AskKeys, ClosedKeys, StrangeKeys } from './closed-keys.ts';
import { entryFailure, type EntryFailure } from './entry-failure.ts';

/** `ways`: what can be done. `confirm`: what starting over means. `strange`: other keys than this browser knew. */
type KeysStep = 'ways' | 'confirm' | 'code' | 'retype' | 'strange';

export class KeysQuestion implements CodeSteps {
  username = $state('');
  isRetyped = $state(false);
  readonly #settled = new Question<void>();
  #keys: ClosedKeys | StrangeKeys;
  #step = $state<KeysStep>('ways');
  #code = $state('');
  #work = $state<'keys' | 'finishing' | null>(null);
  #wasTried = $state(false);
  #failure = $state.raw<EntryFailure | null>(null);
  #hasStartedOver = false;

  constructor(keys: ClosedKeys | StrangeKeys) {
    this.#keys = keys;
    this.#step = keys.kind === 'strange' ? 'strange' : 'ways';
  }

  /** Resolves once the keys are this browser's. */
  answered(): Promise<void> {
    return this.#settled.ask();
  }

  get step(): KeysStep {
    return this.#step;
  }

  /** Whose account it is. */
  get owner(): string {
    return this.#keys.username;
  }

  /** After it was answered: the account has another identity now. */
  get hasStartedOver(): boolean {
    return this.#hasStartedOver;
  }

  get recoveryCode(): string {
    return this.#code;
  }

  get isMaking(): boolean {
    return this.#work === 'keys';
  }

  get isFinishing(): boolean {
    return this.#work === 'finishing';
  }

  get failure(): EntryFailure | null {
    return this.#failure;
  }

  get usernameFault(): 'startOver.nameDiffers' | null {
    return this.#wasTried && this.#typed !== this.owner ? 'startOver.nameDiffers' : null;
  }

  get #typed(): string {
    return this.username.trim().toLowerCase();
  }

  /** "I have neither". */
  consider(): void {
    this.#step = 'confirm';
  }

  /** Makes the new keys once the name is typed. Nothing is given up yet. */
  async confirm(): Promise<void> {
    this.#wasTried = true;
    const keys = this.#keys;
    if (keys.kind !== 'closed' || this.#typed !== keys.username) return;
    await this.#while('keys', async () => {
      if (this.#code === '') this.#code = await keys.prepare();
      this.isRetyped = false;
      this.#step = 'code';
    });
  }

  askBack(): void {
    this.isRetyped = false;
    this.#step = 'retype';
  }

  showCodeAgain(): void {
    this.#step = 'code';
  }

  /** One step back; nothing was changed. */
  back(): void {
    this.#failure = null;
    this.#step = this.#step === 'confirm' ? 'ways' : 'confirm';
  }

  /** Starts over. */
  async finish(): Promise<void> {
    const keys = this.#keys;
    if (keys.kind !== 'closed' || !this.isRetyped || this.#step !== 'retype') return;
    await this.#while('finishing', async () => {
      await keys.startOver(this.#typed);
      this.#code = '';
      this.#hasStartedOver = true;
      this.#settled.answer();
    });
  }

  /** "It was me": takes the keys the account has now. */
  async take(): Promise<void> {
    const keys = this.#keys;
    if (keys.kind !== 'strange') return;
    await this.#while('finishing', async () => {
      await keys.take();
      this.#settled.answer();
    });
  }

  /** Nobody is signed in, nothing was changed. */
  cancel(): void {
    this.#settled.cancel();
  }

  async #while(work: 'keys' | 'finishing', run: () => Promise<void>): Promise<void> {
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

/** Asks by a `KeysQuestion`, which is handed to whoever shows it. */
export const askKeysBy =
  (show: (question: KeysQuestion) => void): AskKeys =>
  (keys) => {
    const question = new KeysQuestion(keys);
    show(question);
    return question.answered();
  };

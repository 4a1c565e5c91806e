// The password is right and opens no keys: what stands in the way, what can be done, and starting over, which is confirmed by
// typing one's name and writing another recovery code down. Used by the log-in and by the operator's link.
import { Question } from '#client/lib/question.ts';
import { ShownCode } from '#client/lib/shown-code.svelte.ts';
import type { CodeSteps } from '#client/ui/code-steps.ts';
import type { AskKeys, ClosedKeys, StrangeKeys } from './closed-keys.ts';
import type { EntryFailure } from './entry-failure.ts';
import { EntryWork } from './entry-work.svelte.ts';

/** `ways`: what can be done. `confirm`: what starting over means. `strange`: other keys than this browser knew. */
type KeysStep = 'ways' | 'confirm' | 'strange';

export class KeysQuestion implements CodeSteps {
  username = $state('');
  readonly shown = new ShownCode();
  readonly #work = new EntryWork<'keys' | 'finishing'>();
  readonly #settled = new Question<void>();
  #keys: ClosedKeys | StrangeKeys;
  #step = $state<KeysStep>('ways');
  #wasTried = $state(false);
  #hasStartedOver = false;

  constructor(keys: ClosedKeys | StrangeKeys) {
    this.#keys = keys;
    this.#step = keys.kind === 'strange' ? 'strange' : 'ways';
  }

  /** Resolves once the keys are this browser's. */
  answered(): Promise<void> {
    return this.#settled.ask();
  }

  get step(): KeysStep | 'code' | 'retype' {
    return this.shown.step ?? this.#step;
  }

  /** Whose account it is. */
  get owner(): string {
    return this.#keys.username;
  }

  /** After it was answered: the account has another identity now. */
  get hasStartedOver(): boolean {
    return this.#hasStartedOver;
  }

  get isMaking(): boolean {
    return this.#work.under === 'keys';
  }

  get isFinishing(): boolean {
    return this.#work.under === 'finishing';
  }

  get failure(): EntryFailure | null {
    return this.#work.failure;
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
    await this.#work.run('keys', async () => {
      this.shown.show(this.shown.code || (await keys.prepare()));
    });
  }

  /** One step back; nothing was changed. */
  back(): void {
    this.#work.failure = null;
    if (this.shown.step === null) this.#step = 'ways';
    else this.shown.hide();
  }

  /** Starts over. */
  async finish(): Promise<void> {
    const keys = this.#keys;
    if (keys.kind !== 'closed' || !this.shown.isTypedBack) return;
    await this.#work.run('finishing', async () => {
      await keys.startOver(this.#typed);
      this.shown.forget();
      this.#hasStartedOver = true;
      this.#settled.answer();
    });
  }

  /** "It was me": takes the keys the account has now. */
  async take(): Promise<void> {
    const keys = this.#keys;
    if (keys.kind !== 'strange') return;
    await this.#work.run('finishing', async () => {
      await keys.take();
      this.#settled.answer();
    });
  }

  /** Nobody is signed in, nothing was changed. */
  cancel(): void {
    this.#settled.cancel();
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

// The second step, asked for wherever it is needed: a code of the authenticator app, a backup code, or a passkey.
import type { Api } from '#client/api/trpc.ts';
import { Question } from '#client/lib/question.ts';
import { normalizeCode } from '#client/lib/recovery-code.ts';
import { backupCodeSchema, type Factor, type FactorMethod } from '#shared/second-factor.ts';
import { entryFailure, type EntryFailure } from './entry-failure.ts';
import { hasPasskeys } from './passkey-support.ts';
import { assertPasskey } from './passkeys.ts';
import type { AskFactor } from './with-factor.ts';

type Typed = 'totp' | 'backup';

export class FactorPrompt {
  code = $state('');
  readonly #question = new Question<Factor>();
  readonly #challenge: () => ReturnType<Api['auth']['passkeyChallenge']['mutate']>;
  #methods = $state.raw<readonly FactorMethod[]>([]);
  #typed = $state<Typed>('totp');
  #isWaiting = $state(false);
  #wasTried = $state(false);
  #failure = $state.raw<EntryFailure | null>(null);

  /** `challenge` is where a passkey gets what it signs. */
  constructor(challenge: () => ReturnType<Api['auth']['passkeyChallenge']['mutate']>) {
    this.#challenge = challenge;
  }

  readonly ask: AskFactor = ({ methods, failure = null }) => {
    if (methods) {
      this.#methods = methods;
      this.#typed = 'totp';
    }
    this.code = '';
    this.#wasTried = false;
    this.#failure = failure;
    this.#isWaiting = true;
    return this.#question.ask();
  };

  /** True while it is the person's turn; false while what they gave is being checked. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  get failure(): EntryFailure | null {
    return this.#failure;
  }

  /** Which kind of code the field is for. */
  get typed(): Typed {
    return this.#typed;
  }

  get canSwitch(): boolean {
    return this.#methods.includes('backup');
  }

  get canUsePasskey(): boolean {
    return this.#methods.includes('passkey') && hasPasskeys();
  }

  /** What is wrong with the code before it is sent. */
  get fault(): 'factor.codeMissing' | 'factor.backupMissing' | null {
    if (!this.#wasTried || this.#typedFactor !== null) return null;
    return this.#typed === 'totp' ? 'factor.codeMissing' : 'factor.backupMissing';
  }

  get #typedFactor(): Factor | null {
    if (this.#typed === 'totp') {
      const code = this.code.replace(/\s/g, '');
      return /^[0-9]{6}$/.test(code) ? { kind: 'totp', code } : null;
    }
    const bare = normalizeCode(this.code);
    const code = backupCodeSchema.safeParse(`${bare.slice(0, 5)}-${bare.slice(5)}`);
    return code.success ? { kind: 'backup', code: code.data } : null;
  }

  switchTo(typed: Typed): void {
    this.#typed = typed;
    this.code = '';
    this.#wasTried = false;
    this.#failure = null;
  }

  give(): void {
    this.#wasTried = true;
    const factor = this.#typedFactor;
    if (factor && this.#isWaiting) this.#answer(factor);
  }

  async givePasskey(): Promise<void> {
    this.#failure = null;
    try {
      this.#answer({ kind: 'passkey', assertion: await assertPasskey(await this.#challenge()) });
    } catch (error) {
      this.#failure = entryFailure(error);
    }
  }

  cancel(): void {
    this.#isWaiting = false;
    this.code = '';
    this.#question.cancel();
  }

  #answer(factor: Factor): void {
    this.#isWaiting = false;
    this.#failure = null;
    this.#question.answer(factor);
  }
}

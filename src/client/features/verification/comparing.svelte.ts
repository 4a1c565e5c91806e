// Checking one person: the digits and the code to show, reading theirs, and what came of it. What counts is decided by
// the engine; this holds what is on screen.
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import type { CodeVerdict, Comparison } from '#client/crypto/protocol.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { AccountId } from '#shared/ids.ts';

/** `show`: digits and own code. `read`: scanning theirs. Then how it ended. */
export type ComparingStep = 'show' | 'read' | 'matched' | 'differs';

export class Comparing {
  readonly accountId: AccountId;
  readonly #workspace: Workspace;
  #comparison = $state.raw<Comparison | null>(null);
  #isLoaded = $state(false);
  #isBusy = $state(false);
  #step = $state<ComparingStep>('show');
  #verdict = $state.raw<CodeVerdict | null>(null);

  constructor(workspace: Workspace, accountId: AccountId) {
    this.#workspace = workspace;
    this.accountId = accountId;
  }

  /** null while loading, or when there is nothing to compare (`isImpossible`). */
  get comparison(): Comparison | null {
    return this.#comparison;
  }

  get isImpossible(): boolean {
    return this.#isLoaded && this.#comparison === null;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  get step(): ComparingStep {
    return this.#step;
  }

  /** What the last code that was read said, when it did not match. */
  get verdict(): CodeVerdict | null {
    return this.#verdict;
  }

  /** With the newest log the server has, so that both sides compare the same. */
  async load(): Promise<void> {
    const { accountId } = this;
    const { keys, crypto } = this.#workspace;
    await keys.refreshNewest([accountId]).catch(() => undefined);
    this.#comparison = await crypto.compare({ accountId }).catch(() => null);
    this.#isLoaded = true;
  }

  go(step: 'show' | 'read'): void {
    this.#verdict = null;
    this.#step = step;
  }

  /** The person compared the digits and they are the same. */
  async confirm(): Promise<void> {
    const aid = this.#comparison?.aid;
    if (aid !== undefined) await this.#verify(aid, 'digits');
  }

  /** A code was scanned, read from a picture, or pasted. */
  async take(code: string): Promise<void> {
    const { accountId } = this;
    const verdict = await this.#workspace.crypto.readCode({ accountId, code: code.trim() }).catch(() => null);
    this.#verdict = verdict;
    if (verdict?.kind === 'match') await this.#verify(verdict.aid, 'code');
  }

  async #verify(aid: string, how: 'digits' | 'code'): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const { accountId } = this;
    const { crypto } = this.#workspace;
    try {
      await crypto.verify({ accountId, aid, how, now: this.#workspace.now() });
      await this.#workspace.identitySettled(accountId);
      this.#step = 'matched';
    } catch (error) {
      if (!(error instanceof CryptoCallError)) throw error;
      // Another identity came up while this one was on screen: these digits were about nobody any more.
      this.go('show');
      await this.load();
    } finally {
      this.#isBusy = false;
    }
  }

  /** The digits differ: whatever was believed of this person before is not any more. */
  async deny(): Promise<void> {
    const { accountId } = this;
    // While another identity waits, nothing was believed of it yet.
    const now = this.#workspace.now();
    await this.#workspace.crypto.unverify({ accountId, now }).catch(() => undefined);
    await this.#workspace.vouchingChanged(accountId);
    this.#step = 'differs';
  }
}

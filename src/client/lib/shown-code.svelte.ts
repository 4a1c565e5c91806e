// A new recovery code as the person meets it: shown for the only time, then four of its groups typed back.

export class ShownCode {
  /** Set by the fields: the four groups are right. */
  isRetyped = $state(false);
  #code = $state('');
  #step = $state<'code' | 'retype' | null>(null);

  /** `code` shows it, `retype` asks for its groups; null before and after. */
  get step(): 'code' | 'retype' | null {
    return this.#step;
  }

  /** The code; empty where there is none. */
  get code(): string {
    return this.#code;
  }

  /** The person has it on paper, and is at the step that says so. */
  get isTypedBack(): boolean {
    return this.#step === 'retype' && this.isRetyped;
  }

  /** Shows it from the start: what was typed back before counts no more. */
  show(code: string): void {
    this.#code = code;
    this.isRetyped = false;
    this.#step = 'code';
  }

  /** Shows the same code again after `hide`; one that was typed back need not be read again. */
  resume(): void {
    this.#step = this.isRetyped ? 'retype' : 'code';
  }

  /** "I've written it down". */
  askBack(): void {
    this.isRetyped = false;
    this.#step = 'retype';
  }

  showAgain(): void {
    this.#step = 'code';
  }

  /** To what came before the code, which stays good. */
  hide(): void {
    this.#step = null;
  }

  /** Nothing needs the code any more. The step stays until it is hidden: what is on the screen must not jump. */
  forget(): void {
    this.#code = '';
  }
}

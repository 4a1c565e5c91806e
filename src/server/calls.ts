// Calls in flight. A server that goes down begins nothing new and first finishes what has begun, so that whoever
// waits for an answer has it.
import { AppError } from '#shared/errors.ts';

export class Calls {
  #inFlight = 0;
  #isDraining = false;
  #onIdle: (() => void) | null = null;

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Counts a call until `end`. @throws AppError `draining` */
  begin(): void {
    if (this.#isDraining) throw new AppError({ code: 'draining' });
    this.#inFlight += 1;
  }

  end(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  /** From now on nothing begins. */
  close(): void {
    this.#isDraining = true;
  }

  /** Resolves when nothing is in flight, or after `withinMs` all the same. */
  async idle(withinMs: number): Promise<void> {
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

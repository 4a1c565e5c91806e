// Slows down guessing without becoming a weapon: failures count per (account name, address), never per account
// alone; unknown names are counted like known ones.
import type { Counters } from './platform/counters.ts';
import { limits } from '#shared/limits.ts';

const HOUR = 60 * 60 * 1000;

export interface LockoutOptions {
  readonly counters: Counters;
  /** Waits this many ms; tests pass their own. */
  readonly sleep?: (ms: number) => Promise<void>;
}

const realSleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

export class Lockout {
  readonly #counters: Counters;
  readonly #sleep: (ms: number) => Promise<void>;

  constructor(options: LockoutOptions) {
    this.#counters = options.counters;
    this.#sleep = options.sleep ?? realSleep;
  }

  /** How long this address must not try this name again, in ms; 0 when it may. */
  async lockedForMs(name: string, address: string): Promise<number> {
    const { count, endsInMs } = await this.#counters.read(pairKey(name, address));
    return count < limits.lockoutTries ? 0 : endsInMs;
  }

  /** How many more failures of this address with this name there may be before it is locked. */
  async triesLeft(name: string, address: string): Promise<number> {
    const { count } = await this.#counters.read(pairKey(name, address));
    return Math.max(0, limits.lockoutTries - count);
  }

  /** After 100 failures of a name within an hour, tries from unknown devices are held for 30 s each. */
  async slowDown(name: string, isKnownDevice: boolean): Promise<void> {
    if (isKnownDevice) return;
    const { count } = await this.#counters.read(nameKey(name));
    if (count >= limits.slowLoginAfter) await this.#sleep(limits.slowLoginMs);
  }

  async fail(name: string, address: string): Promise<void> {
    await this.#counters.add(pairKey(name, address), { ms: limits.lockoutMs, slides: true });
    await this.#counters.add(nameKey(name), { ms: HOUR, slides: false });
  }

  /** A right password clears what this address did wrong. */
  succeed(name: string, address: string): Promise<void> {
    return this.#counters.clear(pairKey(name, address));
  }
}

const pairKey = (name: string, address: string): string => `pair ${name} ${address}`;
const nameKey = (name: string): string => `name ${name}`;

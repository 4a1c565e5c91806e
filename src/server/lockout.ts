// Slows down guessing without becoming a weapon: failures count per (account name, address), never per account
// alone; unknown names are counted like known ones. In memory and bounded; one node's view.
import type { Clock } from './platform/clock.ts';
import { limits } from '#shared/limits.ts';

const HOUR = 60 * 60 * 1000;
const maxEntries = 50_000;

interface Failures {
  count: number;
  lastAt: number;
}

interface Window {
  count: number;
  startedAt: number;
}

/** Keeps a map at its bound by dropping what was written longest ago. */
function put<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= maxEntries) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}

export interface LockoutOptions {
  readonly clock: Clock;
  /** Waits this many ms; tests pass their own. */
  readonly sleep?: (ms: number) => Promise<void>;
}

const realSleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

export class Lockout {
  readonly #clock: Clock;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #byPair = new Map<string, Failures>();
  readonly #byName = new Map<string, Window>();

  constructor(options: LockoutOptions) {
    this.#clock = options.clock;
    this.#sleep = options.sleep ?? realSleep;
  }

  /** How long this address must not try this name again, in ms; 0 when it may. */
  lockedForMs(name: string, address: string): number {
    const failures = this.#byPair.get(pairKey(name, address));
    if (!failures || failures.count < limits.lockoutTries) return 0;
    return Math.max(0, failures.lastAt + limits.lockoutMs - this.#clock.now());
  }

  /** After 100 failures of a name within an hour, tries from unknown devices are held for 30 s each. */
  async slowDown(name: string, isKnownDevice: boolean): Promise<void> {
    const window = this.#byName.get(name);
    const isOpen = window !== undefined && this.#clock.now() - window.startedAt < HOUR;
    if (isKnownDevice || !isOpen || window.count < limits.slowLoginAfter) return;
    await this.#sleep(limits.slowLoginMs);
  }

  fail(name: string, address: string): void {
    const now = this.#clock.now();
    const key = pairKey(name, address);
    const before = this.#byPair.get(key);
    const isFresh = before !== undefined && now - before.lastAt < limits.lockoutMs;
    put(this.#byPair, key, { count: isFresh ? before.count + 1 : 1, lastAt: now });
    const window = this.#byName.get(name);
    const isOpen = window !== undefined && now - window.startedAt < HOUR;
    put(this.#byName, name, isOpen ? { ...window, count: window.count + 1 } : { count: 1, startedAt: now });
  }

  /** A right password clears what this address did wrong. */
  succeed(name: string, address: string): void {
    this.#byPair.delete(pairKey(name, address));
  }
}

const pairKey = (name: string, address: string): string => `${name} ${address}`;

// Counts per key within a window of time: failures of signing in. In process and bounded, or shared by all nodes
// (redis-limits.ts).
import type { Clock } from './clock.ts';

export interface CountWindow {
  readonly ms: number;
  /** True: it begins anew with each count. False: with the first one. */
  readonly slides: boolean;
}

export interface Count {
  /** 0 once the window is over. */
  readonly count: number;
  /** Until the window is over. */
  readonly endsInMs: number;
}

export interface Counters {
  add(key: string, window: CountWindow): Promise<void>;
  read(key: string): Promise<Count>;
  clear(key: string): Promise<void>;
}

const MAX_ENTRIES = 50_000;

export class ProcessCounters implements Counters {
  readonly #clock: Clock;
  readonly #entries = new Map<string, { count: number; endsAt: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async add(key: string, { ms, slides }: CountWindow): Promise<void> {
    const now = this.#clock.now();
    const before = this.#entries.get(key);
    const isOpen = before !== undefined && before.endsAt > now;
    const endsAt = isOpen && !slides ? before.endsAt : now + ms;
    // Kept at its bound by dropping what was written longest ago.
    this.#entries.delete(key);
    this.#entries.set(key, { count: (isOpen ? before.count : 0) + 1, endsAt });
    if (this.#entries.size <= MAX_ENTRIES) return;
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }

  async read(key: string): Promise<Count> {
    const entry = this.#entries.get(key);
    const endsInMs = (entry?.endsAt ?? 0) - this.#clock.now();
    return entry && endsInMs > 0 ? { count: entry.count, endsInMs } : { count: 0, endsInMs: 0 };
  }

  async clear(key: string): Promise<void> {
    this.#entries.delete(key);
  }
}

// Token buckets, one per class and key: `burst` at once, then `perSecond`. In process; on many nodes the buckets of
// redis-limits.ts take their place.
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';

export interface RateLimit {
  /** Most tokens a bucket holds. */
  readonly burst: number;
  /** Tokens it regains per second. */
  readonly perSecond: number;
}

export type RateVerdict =
  { readonly allowed: true } | { readonly allowed: false; readonly retryAfterMs: number };

export interface Limiter<Class extends string> {
  /** Takes `cost` tokens from the bucket of `key`, or says in how many milliseconds there will be enough. */
  take(cls: Class, key: string, cost?: number): Promise<RateVerdict>;
}

interface Bucket {
  tokens: number;
  /** When `tokens` was true, in milliseconds. */
  at: number;
}

/** Buckets kept before full ones, which say nothing, are swept out. */
const SWEEP_AT = 10_000;

interface Buckets {
  readonly byKey: Map<string, Bucket>;
  /** How many there may be before the next sweep. */
  sweepAt: number;
}

/** Who comes under many names can fill this with buckets that must stay: the next sweep waits until they have doubled. */
function sweep(buckets: Buckets, limit: RateLimit, now: number): void {
  for (const [key, { tokens, at }] of buckets.byKey) {
    if (tokens + ((now - at) / 1000) * limit.perSecond >= limit.burst) buckets.byKey.delete(key);
  }
  buckets.sweepAt = Math.max(SWEEP_AT, 2 * buckets.byKey.size);
}

export class RateLimiter<Class extends string> implements Limiter<Class> {
  readonly #limits: Readonly<Record<Class, RateLimit>>;
  readonly #clock: Clock;
  readonly #buckets = new Map<Class, Buckets>();

  constructor(limits: Readonly<Record<Class, RateLimit>>, clock: Clock = systemClock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  async take(cls: Class, key: string, cost = 1): Promise<RateVerdict> {
    const limit = this.#limits[cls];
    const buckets = this.#bucketsOf(cls);
    const now = this.#clock.now();
    const bucket = buckets.byKey.get(key) ?? { tokens: limit.burst, at: now };
    // A clock that steps back gives nothing and takes nothing.
    const elapsedMs = Math.max(0, now - bucket.at);
    bucket.tokens = Math.min(limit.burst, bucket.tokens + (elapsedMs / 1000) * limit.perSecond);
    bucket.at = now;
    if (!buckets.byKey.has(key)) {
      if (buckets.byKey.size >= buckets.sweepAt) sweep(buckets, limit, now);
      buckets.byKey.set(key, bucket);
    }
    if (bucket.tokens < cost) {
      return { allowed: false, retryAfterMs: Math.ceil(((cost - bucket.tokens) / limit.perSecond) * 1000) };
    }
    bucket.tokens -= cost;
    return { allowed: true };
  }

  #bucketsOf(cls: Class): Buckets {
    const known = this.#buckets.get(cls);
    if (known) return known;
    const made: Buckets = { byKey: new Map(), sweepAt: SWEEP_AT };
    this.#buckets.set(cls, made);
    return made;
  }
}

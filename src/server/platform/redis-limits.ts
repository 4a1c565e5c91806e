// Token buckets and counts that all nodes share: one script each, so that it is atomic, by the clock of Redis. While
// Redis is away every node counts by itself.
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Count, Counters, CountWindow } from './counters.ts';
import type { Limiter, RateLimit, RateVerdict } from './rate-limit.ts';
import type { RedisLink } from './redis.ts';

/** KEYS bucket · ARGV burst, tokens per second, cost → milliseconds to wait, 0 when taken. */
const TAKE = `
local burst, rate, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local at = tonumber(bucket[2]) or now
local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + math.max(0, now - at) / 1000 * rate)
local wait = 0
if tokens < cost then wait = math.ceil((cost - tokens) / rate * 1000) else tokens = tokens - cost end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return wait`;

/** KEYS counter · ARGV window in ms, '1' when it slides. */
const ADD = `
local count = redis.call('INCR', KEYS[1])
if count == 1 or ARGV[2] == '1' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count`;

/** KEYS counter → count, ms left. */
const READ = `return { tonumber(redis.call('GET', KEYS[1]) or 0), redis.call('PTTL', KEYS[1]) }`;

/** ioredis adds a method per script, which sends its text once and its hash from then on. */
type Scripted = Redis & {
  chatalotTake(key: string, burst: number, perSecond: number, cost: number): Promise<number>;
  chatalotAdd(key: string, ms: number, slides: 0 | 1): Promise<number>;
  chatalotRead(key: string): Promise<[number, number]>;
};

/** Names and addresses do not stand in Redis in the clear. */
const keyOf = (link: RedisLink, kind: string, key: string): string =>
  `${link.prefix}${kind}:${createHash('sha256').update(key).digest('base64url').slice(0, 22)}`;

function define(link: RedisLink): void {
  link.commands.defineCommand('chatalotTake', { numberOfKeys: 1, lua: TAKE });
  link.commands.defineCommand('chatalotAdd', { numberOfKeys: 1, lua: ADD });
  link.commands.defineCommand('chatalotRead', { numberOfKeys: 1, lua: READ });
}

export class RedisLimiter<Class extends string> implements Limiter<Class> {
  readonly #link: RedisLink;
  readonly #limits: Readonly<Record<Class, RateLimit>>;
  readonly #local: Limiter<Class>;

  /** `local` judges while Redis is away. */
  constructor(link: RedisLink, limits: Readonly<Record<Class, RateLimit>>, local: Limiter<Class>) {
    define(link);
    this.#link = link;
    this.#limits = limits;
    this.#local = local;
  }

  async take(cls: Class, key: string, cost = 1): Promise<RateVerdict> {
    const { burst, perSecond } = this.#limits[cls];
    const name = keyOf(this.#link, `rate:${cls}`, key);
    return this.#link.ask<RateVerdict>(
      async (redis) => {
        const wait = await (redis as Scripted).chatalotTake(name, burst, perSecond, cost);
        return wait > 0 ? { allowed: false, retryAfterMs: wait } : { allowed: true };
      },
      () => this.#local.take(cls, key, cost),
    );
  }
}

export class RedisCounters implements Counters {
  readonly #link: RedisLink;
  readonly #local: Counters;

  /** `local` counts along, and answers while Redis is away. */
  constructor(link: RedisLink, local: Counters) {
    define(link);
    this.#link = link;
    this.#local = local;
  }

  async add(key: string, window: CountWindow): Promise<void> {
    await this.#local.add(key, window);
    const name = this.#name(key);
    await this.#link.ask(
      (redis) => (redis as Scripted).chatalotAdd(name, window.ms, window.slides ? 1 : 0),
      () => 0,
    );
  }

  async read(key: string): Promise<Count> {
    const name = this.#name(key);
    return this.#link.ask(
      async (redis) => {
        const [count, left] = await (redis as Scripted).chatalotRead(name);
        return { count, endsInMs: Math.max(0, left) };
      },
      () => this.#local.read(key),
    );
  }

  async clear(key: string): Promise<void> {
    await this.#local.clear(key);
    await this.#link.ask(
      (redis) => redis.del(this.#name(key)),
      () => 0,
    );
  }

  #name(key: string): string {
    return keyOf(this.#link, 'count', key);
  }
}

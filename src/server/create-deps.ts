// Builds the one object services work with. What differs between the app and a test comes in as options.
import type { Clock } from './platform/clock.ts';
import type { Database } from './platform/db.ts';
import { DiskReserve, type DiskProbe } from './platform/disk.ts';
import type { Env } from './platform/env.ts';
import type { Logger } from './platform/log.ts';
import { Metrics } from './platform/metrics.ts';
import { ProcessCounters } from './platform/counters.ts';
import { RateLimiter } from './platform/rate-limit.ts';
import { RedisCounters, RedisLimiter } from './platform/redis-limits.ts';
import type { RedisLink } from './platform/redis.ts';
import type { Secrets } from './platform/secrets.ts';
import { AccessTokens } from './platform/tokens.ts';
import { rateLimits, type RateClass } from '#shared/limits.ts';
import type { Deps, LivePublisher } from './deps.ts';
import { PresenceRegistry } from './domains/live/presence-registry.ts';
import { TypingRegistry } from './domains/live/typing-registry.ts';
import { createSendQueue } from './domains/messages/send-queue.ts';
import { createSessionLookup } from './domains/sessions/session-lookup.ts';
import { createAccountLookup } from './domains/users/account-lookup.ts';
import { JobBoard } from './job-board.ts';
import { Lockout } from './lockout.ts';

export interface DepsOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly clock: Clock;
  /** Open and migrated. */
  readonly db: Database;
  readonly secrets: Secrets;
  /** Token buckets; the product's unless a test needs room. */
  readonly rates?: Record<RateClass, { burst: number; perSecond: number }>;
  /** Free bytes on the data folder's disk; default: not known, so never low. */
  readonly diskProbe?: DiskProbe;
  /** What the nodes of an instance share; absent where it is one process. */
  readonly redis?: RedisLink | undefined;
  /** How the log-in slow path waits. */
  readonly sleep?: (ms: number) => Promise<void>;
}

/** In process, or shared by all nodes with the process's own for when Redis is away. */
function createLimits({
  clock,
  rates = rateLimits,
  redis,
  sleep,
}: DepsOptions): Pick<Deps, 'limiter' | 'lockout'> {
  const limiter = new RateLimiter(rates, clock);
  const counters = new ProcessCounters(clock);
  return {
    limiter: redis ? new RedisLimiter(redis, rates, limiter) : limiter,
    lockout: new Lockout({
      counters: redis ? new RedisCounters(redis, counters) : counters,
      ...(sleep ? { sleep } : {}),
    }),
  };
}

export function createDeps(options: DepsOptions, live: LivePublisher): Deps {
  const { env, log, clock, db, secrets } = options;
  const probe = options.diskProbe ?? (() => Promise.resolve(null));
  const metrics = new Metrics();
  return {
    env,
    log,
    clock,
    db,
    secrets,
    tokens: new AccessTokens({ jwt: secrets.jwt, issuer: env.publicUrl, clock }),
    ...createLimits(options),
    live,
    sessions: createSessionLookup({ db, clock }),
    accounts: createAccountLookup({ db }),
    sends: createSendQueue({ db, log, clock, metrics, live }),
    presence: new PresenceRegistry(clock, ({ id }, event) =>
      live.publish({ to: 'connection', connectionId: id }, event),
    ),
    typing: new TypingRegistry(clock),
    jobs: new JobBoard(),
    metrics,
    disk: new DiskReserve({ reserveBytes: env.diskReserveBytes, probe, log }),
  };
}

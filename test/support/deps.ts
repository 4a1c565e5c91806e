// Deps for tests that call services or procedures directly, without HTTP.
import { randomBytes } from 'node:crypto';
import { appRouter } from '#server/router.ts';
import { createCaller } from '#server/trpc.ts';
import { Calls } from '#server/calls.ts';
import { createDeps, type DepsOptions } from '#server/create-deps.ts';
import type { Context, RequestInfo } from '#server/context.ts';
import type { Actor, Deps } from '#server/deps.ts';
import type { Database } from '#server/platform/db.ts';
import { parseEnv, type Env } from '#server/platform/env.ts';
import { silentLogger, type Logger } from '#server/platform/log.ts';
import { loadSecrets, type Secrets } from '#server/platform/secrets.ts';
import { AppError, type AppErrorPayload } from '#shared/errors.ts';
import { rateLimits, type RateClass } from '#shared/limits.ts';
import { TRPCError } from '@trpc/server';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manualClock } from './clock.ts';
import { recordedEvents, type RecordedEvents } from './recorded-events.ts';

export const setupToken = 'test-setup-token-1234';
export const origin = 'http://localhost:8080';

export function testEnv(overrides: Record<string, string> = {}): Env {
  return parseEnv({
    NODE_ENV: 'test',
    PORT: '0',
    PUBLIC_URL: origin,
    SETUP_TOKEN: setupToken,
    LOG_LEVEL: 'silent',
    ...overrides,
  });
}

let secrets: Promise<Secrets> | undefined;

/** One set of secrets per test process. */
export function testSecrets(): Promise<Secrets> {
  secrets ??= (async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'chatalot-secrets-'));
    const loaded = await loadSecrets(testEnv({ DATA_DIR: dataDir }));
    await rm(dataDir, { recursive: true });
    return loaded;
  })();
  return secrets;
}

/** Silent but for failures nobody expects: those show their cause in the test's output. */
export const testLogger: Logger = {
  ...silentLogger,
  error: (event, fields) => console.error(event, fields?.procedure ?? '', fields?.cause ?? ''),
  child: () => testLogger,
};

/** Token buckets no test runs into by accident. */
export const roomyRates = Object.fromEntries(
  Object.keys(rateLimits).map((name) => [name, { burst: 100_000, perSecond: 100_000 }]),
) as Record<RateClass, { burst: number; perSecond: number }>;

export interface TestDeps {
  readonly deps: Deps;
  readonly events: RecordedEvents;
  readonly clock: ReturnType<typeof manualClock>;
  /** How long the log-in slow path was made to wait, in order. */
  readonly slept: number[];
}

/** Deps over a test database, with a clock by hand and recorded events. */
export async function testDeps(db: Database, options: Partial<DepsOptions> = {}): Promise<TestDeps> {
  const events = recordedEvents();
  const clock = manualClock(Date.now());
  const slept: number[] = [];
  const deps = createDeps(
    {
      env: testEnv(),
      log: testLogger,
      clock,
      db,
      secrets: await testSecrets(),
      rates: roomyRates,
      sleep: async (ms) => void slept.push(ms),
      ...options,
    },
    events.live,
  );
  return { deps, events, clock, slept };
}

/** A request as procedures see it; `setCookie` calls are remembered in `cookiesSet`. */
export function testRequest(
  overrides: Partial<RequestInfo> = {},
): RequestInfo & { cookiesSet: Map<string, string> } {
  const cookiesSet = new Map<string, string>();
  return {
    id: randomBytes(8).toString('hex'),
    address: '127.0.0.1',
    userAgent: 'vitest',
    isLoopback: true,
    origin,
    headers: {},
    cookies: new Map(),
    setCookie: (name, value) => void cookiesSet.set(name, value),
    ...overrides,
    cookiesSet,
  };
}

/** Calls procedures directly as `actor` (null: signed out). */
export function caller(deps: Deps, actor: Actor | null, request: RequestInfo = testRequest()) {
  const ctx: Context = {
    deps,
    actor,
    authFailure: 'unauthenticated',
    request,
    calls: new Calls(),
    bindDevice: () => undefined,
  };
  return createCaller(appRouter)(ctx);
}

export type Caller = ReturnType<typeof caller>;

/** The typed payload a call was refused with; fails when it was not refused, or with an unknown cause. */
export async function refusal(call: Promise<unknown>): Promise<AppErrorPayload> {
  const outcome = await call.then(
    () => null,
    (cause: unknown) => cause,
  );
  if (outcome === null) throw new Error('the call was not refused');
  const cause = outcome instanceof TRPCError ? outcome.cause : outcome;
  if (cause instanceof AppError) return cause.payload;
  throw outcome instanceof Error ? outcome : new Error('refused without an error');
}

// W6, signing in: log-ins per second with their password hashes, access tokens taken up again per second, and how late the
// event loop comes while passwords are hashed. Over HTTP on kept-alive connections. Method: docs/benchmarks.md.
import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { startChild } from './child.ts';
import { Latencies, round } from './latency.ts';
import { openLoop, until } from './open-loop.ts';
import { printResult } from './result.ts';
import type { SignInReady } from './sign-in.child.ts';
import { durability, type Lag } from './stage.ts';

const PEOPLE = 500;
const WARM_SECONDS = 3;
const SECONDS = 8;
const RESUMES_IN_FLIGHT = 64;
const LOGINS_IN_FLIGHT = 6;
/** Log-ins per second while the event loop is watched. */
const LOGIN_RATE = 20;
const RESUME_AIM = 1500;
const LAG_AIM_MS = 20;

const child = await startChild<SignInReady>('./sign-in.child.ts', [String(PEOPLE)]);
const { port, origin, tokens, usernames, loginSecret, database } = child.ready;
const agent = new Agent({ keepAlive: true, maxSockets: RESUMES_IN_FLIGHT + LOGINS_IN_FLIGHT });

/** One call; resolves with the status. */
function call(path: string, options: { token?: string; body?: unknown }): Promise<number> {
  const { token, body } = options;
  return new Promise((resolve, reject) => {
    const headers = {
      origin,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const method = body === undefined ? 'GET' : 'POST';
    const sent = request(
      { host: '127.0.0.1', port, path: `/trpc/${path}`, method, headers, agent },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify({ json: body }));
  });
}

/** The token is checked, its session read, and its owner's account answered. */
const resume = (at: number): Promise<number> => call('users.me', { token: tokens[at % tokens.length] ?? '' });
const login = (at: number): Promise<number> =>
  call('auth.login', { body: { username: usernames[at % usernames.length], loginSecret } });

/** Keeps `inFlight` calls going for `seconds`; those that succeeded per second. */
async function saturate(
  work: (at: number) => Promise<number>,
  plan: { inFlight: number; seconds: number },
): Promise<number> {
  const start = performance.now();
  let next = 0;
  let succeeded = 0;
  const loop = async (): Promise<void> => {
    while (performance.now() - start < plan.seconds * 1000) if ((await work(next++)) === 200) succeeded += 1;
  };
  await Promise.all(Array.from({ length: plan.inFlight }, loop));
  return (succeeded * 1000) / (performance.now() - start);
}

/** Open loop at `perSecond`; latencies from the planned time. */
async function paced(work: (at: number) => Promise<number>, perSecond: number) {
  const latencies = new Latencies();
  let failed = 0;
  const settle = async (at: number, due: number): Promise<void> => {
    if ((await work(at)) !== 200) failed += 1;
    latencies.record(performance.now() - due);
  };
  const plan = { perSecond, seconds: SECONDS };
  const lateness = await openLoop(plan, (at, due) => void settle(at, due));
  await until(() => latencies.count >= Math.round(perSecond * SECONDS), 10_000);
  return {
    p50Ms: latencies.at(0.5),
    p99Ms: latencies.at(0.99),
    failed,
    generatorLateP99Ms: lateness.at(0.99),
  };
}

try {
  await saturate(resume, { inFlight: RESUMES_IN_FLIGHT, seconds: WARM_SECONDS });
  await saturate(login, { inFlight: LOGINS_IN_FLIGHT, seconds: WARM_SECONDS });
  const resumes = Math.round(await saturate(resume, { inFlight: RESUMES_IN_FLIGHT, seconds: SECONDS }));
  const tokenChecksPerSecond = await child.ask<number>('tokenChecks');
  const logins = round(await saturate(login, { inFlight: LOGINS_IN_FLIGHT, seconds: SECONDS }), 1);
  await child.ask<Lag>('lag');
  const cpuBefore = await child.cpu();
  const loginLatency = await paced(login, LOGIN_RATE);
  const cpu = await child.cpu();
  const lag = await child.ask<Lag>('lag');
  const lagP99Ms = round(lag.p99);
  printResult(
    {
      bench: 'W6',
      database,
      durability: durability(database),
      resumesPerSecond: resumes,
      tokenChecksPerSecond,
      loginsPerSecond: logins,
      pacedLoginsPerSecond: LOGIN_RATE,
      loginP50Ms: loginLatency.p50Ms,
      loginP99Ms: loginLatency.p99Ms,
      failedLogins: loginLatency.failed,
      generatorLateP99Ms: loginLatency.generatorLateP99Ms,
      cpuMillisecondsPerLogin: round(((cpu.total - cpuBefore.total) * 1000) / (LOGIN_RATE * SECONDS), 1),
      eventLoopLagMs: { p50: round(lag.p50), p99: lagP99Ms, max: round(lag.max) },
    },
    [
      { aim: `resumes per second >= ${RESUME_AIM}`, measured: resumes, met: resumes >= RESUME_AIM },
      {
        aim: `event-loop lag p99 <= ${LAG_AIM_MS} ms while passwords are hashed`,
        measured: lagP99Ms,
        met: lagP99Ms <= LAG_AIM_MS,
      },
    ],
  );
} finally {
  await child.stop();
}
process.exit(0);

// /metrics and readiness as an operator's tools meet them: who may read, what the numbers say after real traffic, that
// they name nobody, and that a short disk shows.
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runSlot, startJobs } from '#server/jobs/scheduler.ts';
import { jobs } from '#server/jobs/jobs.ts';
import { silentLogger } from '#server/platform/log.ts';
import { typing } from '#server/jobs/typing.job.ts';
import { testEnv } from '#test/support/deps.ts';
import { Pen } from '#test/support/messages.ts';
import { registerPerson, type Person } from '#test/support/people.ts';
import { startTestServer, type TestServer } from '#test/support/server.ts';
import { openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let server: TestServer;
let free = 1e12;

beforeAll(async () => {
  db = await openTestDatabase();
  server = await startTestServer({ db, log: silentLogger, diskProbe: () => Promise.resolve(free) });
});
afterAll(async () => {
  await server.close();
  await db.close();
});

type Headers = Record<string, string>;

/** By hand, because fetch does not let a Host header be chosen. */
function get(
  path: string,
  headers: Headers = {},
  url = server.url,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request(new URL(path, url), { headers }, (answer) => {
      let body = '';
      answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    call.on('error', reject).end();
  });
}

/** The value of one line of the answer. */
const valueOf = (body: string, line: string): number =>
  Number(
    body
      .split('\n')
      .find((each) => each.startsWith(`${line} `))
      ?.slice(line.length + 1) ?? NaN,
  );

describe('/metrics', () => {
  it('is for this machine alone, not for what came through a proxy or under another name', async () => {
    expect((await get('/metrics')).status).toBe(200);
    const strangers: Headers[] = [
      { 'x-forwarded-for': '127.0.0.1' },
      { via: '1.1 proxy' },
      { host: 'chat.example.org' },
      { host: 'evil.example:8080' },
    ];
    for (const headers of strangers)
      expect((await get('/metrics', headers)).status, JSON.stringify(headers)).toBe(404);
  });

  it('of a published instance, or one with a token, is for whoever holds the token', async () => {
    const token = 'a-token/of+enough=characters';
    const published = { PUBLIC_URL: 'https://chat.example.org' };
    for (const [env, headers, status] of [
      [published, {}, 404],
      [{ ...published, METRICS_TOKEN: token }, {}, 404],
      [{ ...published, METRICS_TOKEN: token }, { authorization: `Bearer ${token}` }, 200],
      [{ ...published, METRICS_TOKEN: token }, { authorization: `Bearer ${token}x` }, 404],
      [{ METRICS_TOKEN: token }, {}, 404],
    ] as const) {
      const other = await startTestServer({ db, env: testEnv(env) });
      try {
        const answer = await get('/metrics', headers, other.url);
        expect(answer.status, JSON.stringify([env, headers])).toBe(status);
        expect(answer.body).not.toContain(token);
      } finally {
        await other.close();
      }
    }
  });

  it('counts sends, commits, requests and jobs, and names nobody', async () => {
    const { deps } = server.app;
    const ada: Person = await registerPerson(deps);
    const { communityId, channels } = await ada.api.communities.create({ name: 'Nowhere-town' });
    const { channelId } = channels[0]!;
    const pen = new Pen(ada, channelId);
    for (let i = 0; i < 3; i++) await ada.api.messages.send(pen.text());
    const schedule = startJobs(deps, jobs);
    await runSlot(deps, typing, 's1');
    await schedule.stop();
    await get('/health/live');
    await get('/nothing.png');
    const { body } = await get('/metrics');
    expect(valueOf(body, 'chatalot_commit_batch_rows_count')).toBe(3);
    expect(valueOf(body, 'chatalot_commit_batch_rows_sum')).toBe(3);
    expect(valueOf(body, 'chatalot_commit_batch_seconds_count')).toBe(3);
    expect(valueOf(body, 'chatalot_commit_queue_depth')).toBe(0);
    expect(valueOf(body, 'chatalot_live_events_total')).toBeGreaterThanOrEqual(3);
    expect(valueOf(body, 'chatalot_job_runs_total{job="typing",outcome="ok"}')).toBeGreaterThanOrEqual(1);
    expect(valueOf(body, 'chatalot_http_requests_total{status="2xx",kind="health"}')).toBeGreaterThan(0);
    expect(valueOf(body, 'chatalot_http_requests_total{status="4xx",kind="other"}')).toBeGreaterThan(0);
    expect(valueOf(body, 'chatalot_disk_free_bytes')).toBe(1e12);
    expect(valueOf(body, 'chatalot_sockets')).toBe(0);
    for (const name of [ada.accountId, ada.deviceId, ada.username, communityId, channelId, 'Nowhere'])
      expect(body).not.toContain(name);
  });

  it('tells of the process when asked to', async () => {
    server.app.deps.metrics.addProcess();
    const { body } = await get('/metrics');
    expect(valueOf(body, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThanOrEqual(0);
    expect(valueOf(body, 'process_resident_memory_bytes')).toBeGreaterThan(1e6);
  });
});

describe('readiness', () => {
  it('shows a short disk as degraded, and still serves', async () => {
    const ready = async () => JSON.parse((await get('/health/ready')).body) as unknown;
    const checks = { database: true, migrated: true, accepting: true };
    expect(await ready()).toEqual({ status: 'ok', checks: { ...checks, disk: true } });
    free = 1;
    await server.app.deps.disk.check();
    expect((await get('/health/ready')).status).toBe(200);
    expect(await ready()).toEqual({ status: 'degraded', checks: { ...checks, disk: 'degraded' } });
    expect(valueOf((await get('/metrics')).body, 'chatalot_disk_low')).toBe(1);
    free = 1e12;
    await server.app.deps.disk.check();
    expect(await ready()).toMatchObject({ status: 'ok' });
  });
});

// Nothing people wrote, no secret and no name reaches a log, whatever fails and however loudly its error tells of it;
// and every failure can be found by its request id.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { jobs } from '#server/jobs/jobs.ts';
import { runSlot } from '#server/jobs/scheduler.ts';
import type { Deps } from '#server/deps.ts';
import type { Database } from '#server/platform/db.ts';
import { createLogger, type LogFields } from '#server/platform/log.ts';
import { caller, testDeps, testRequest } from '#test/support/deps.ts';
import { openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';
import { rows, type World } from '../bad-input-table.ts';
import { buildWorld } from '../bad-input-world.ts';

const lines: string[] = [];
const log = createLogger({ logLevel: 'debug' }, { write: (line) => void lines.push(line) });
/** What the database's next errors tell. */
let told = '';

/** An error as bad as they come: everything in its message, in lines that look like stack frames, and in its cause. */
function loud(): Error {
  const text = `Key (name)=(${told}) already exists.\n    at ${told}\n    at x (${told}:1:1)`;
  const cause = Object.assign(new Error(text), { detail: told, parameters: [told], code: 'XX000' });
  return Object.assign(new Error(text, { cause }), { detail: told, hint: told, query: told });
}

/** A database whose every answer is a loud error. */
function brokenDatabase(db: Database): Database {
  const refuse = (): Promise<never> => Promise.reject(loud());
  const model = new Proxy({}, { get: () => refuse });
  const prisma = new Proxy({}, { get: (_, key) => (String(key).startsWith('$') ? refuse : model) });
  return { ...db, prisma: prisma as Database['prisma'], query: refuse, session: refuse, vacuum: refuse };
}

/** Every text in an input that is not an id: ids may be logged. */
function* secretsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') {
    if (value.length > 6 && !/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(value)) yield value;
  } else if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) yield* secretsIn(item);
  }
}

describe('logs', () => {
  let db: TestDatabase;
  let world: World;
  let broken: Deps;

  beforeAll(async () => {
    db = await openTestDatabase();
    world = await buildWorld((await testDeps(db)).deps);
    broken = (await testDeps(brokenDatabase(db), { log })).deps;
  });
  afterAll(() => db.close());
  beforeEach(() => void lines.splice(0));

  it.each(Object.entries(rows))(
    '%s: a failure says where, for which request, and nothing of what was sent',
    async (path, row) => {
      const input = row.input?.(world);
      told = JSON.stringify(input ?? { nothing: 'SecretOfNothing' });
      const { ada } = world;
      const request = testRequest({
        id: `request-of-${path}`,
        headers: { authorization: 'Bearer SecretToken' },
      });
      let target: unknown = caller(broken, ada.actor, request);
      for (const part of path.split('.')) target = (target as Record<string, unknown>)[part];
      await (target as (input: unknown) => Promise<unknown>)(input).catch(() => undefined);
      const written = lines.join('\n');
      for (const secret of [
        ...secretsIn(input),
        told,
        'SecretToken',
        'SecretOfNothing',
        ada.username,
        'Private',
      ])
        expect(written).not.toContain(secret);
      for (const line of lines) {
        const entry = JSON.parse(line) as LogFields & { event: string };
        if (entry.event === 'procedure.failed')
          expect(entry).toMatchObject({ procedure: path, requestId: `request-of-${path}` });
      }
    },
  );

  it('of the procedures most do fail in this test, or it would prove nothing', async () => {
    told = 'SecretWord';
    await caller(broken, world.ada.actor)
      .users.me()
      .catch(() => undefined);
    expect(lines.join()).toContain('procedure.failed');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      cause: {
        name: 'Error',
        stack: expect.arrayContaining([expect.stringMatching(/logs\.test\.ts/)]) as unknown,
      },
    });
  });

  it('of background work that fails: the job, and nothing of the rows', async () => {
    told = 'SecretRow';
    for (const job of jobs) await runSlot(broken, job, 's1');
    const written = lines.join('\n');
    expect(written).toContain('job.failed');
    expect(written).not.toContain('SecretRow');
  });

  it('take no field that is not on the list, and no value that could hold more than a word', () => {
    const fields = {
      reason: 'ok',
      text: 'SecretField',
      code: { deep: 'SecretDeep' },
      address: 'x'.repeat(10_000),
    };
    log.error('event', fields as unknown as LogFields);
    log.child({ body: 'SecretBody' } as unknown as LogFields).info('event', { cause: 'SecretString' });
    const written = lines.join('\n');
    expect(written).toContain('"reason":"ok"');
    expect(written).not.toMatch(/Secret|xxxx/);
  });
});

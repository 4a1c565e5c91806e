import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kdfParamsSchema } from '#shared/auth.ts';
import { caller, refusal, testDeps, testRequest, type TestDeps } from '../../support/deps.ts';
import { registerPerson, type Person } from '../../support/people.ts';
import { openTestDatabase, type TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;

beforeAll(async () => {
  db = await openTestDatabase();
  world = await testDeps(db);
  ada = await registerPerson(world.deps, { username: 'ada' });
});
afterAll(() => db.close());

const kdf = (username: string) => caller(world.deps, null).auth.kdf({ username });

/** The statements one call runs, by name. */
async function statementsOf(call: () => Promise<unknown>): Promise<string[]> {
  const names: string[] = [];
  const { query } = db;
  db.query = (name, sql, params) => {
    names.push(name);
    return query(name, sql, params);
  };
  try {
    await call();
  } finally {
    db.query = query;
  }
  return names;
}

describe('auth.kdf', () => {
  it('gives unknown names a salt of the same shape, always the same one', async () => {
    const first = await kdf('nobody.here');
    expect(kdfParamsSchema.safeParse(first).success).toBe(true);
    expect(await kdf('nobody.here')).toEqual(first);
    expect(await kdf('  NOBODY.here ')).toEqual(first);
    expect((await kdf('nobody.there')).salt).not.toBe(first.salt);
    const known = await kdf('ada');
    expect(Object.keys(known)).toEqual(Object.keys(first));
    expect({ ...known, salt: '' }).toEqual({ ...first, salt: '' });
    expect(known.salt).toHaveLength(first.salt.length);
  });

  it('does the same work for known and unknown names', async () => {
    expect(await statementsOf(() => kdf('ada'))).toEqual(await statementsOf(() => kdf('nobody.else')));
  });

  it('keeps the salts of two servers apart', async () => {
    const { deps } = world;
    const other = { ...deps, secrets: { ...deps.secrets, kdfFakeKey: new Uint8Array(32).fill(7) } };
    const theirs = await caller(other, null).auth.kdf({ username: 'nobody.here' });
    expect(theirs.salt).not.toBe((await kdf('nobody.here')).salt);
  });
});

async function timeOf(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  expect(await run()).toEqual({ code: 'bad_credentials' });
  return performance.now() - start;
}

const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[3] ?? 0;

describe('log-in of unknown names', () => {
  it('answers the same error after the same hashing work', async () => {
    const { loginSecret } = ada;
    const wrong = `${loginSecret.slice(0, -4)}AAAA`;
    let turn = 0;
    const from = () => testRequest({ address: `10.0.0.${(turn += 1)}` });
    const tryName = (username: string) =>
      refusal(caller(world.deps, null, from()).auth.login({ username, loginSecret: wrong }));
    const statements = await statementsOf(() => tryName('ada'));
    expect(await statementsOf(() => tryName('nobody.here'))).toEqual(statements);
    const times: { known: number[]; unknown: number[] } = { known: [], unknown: [] };
    // In turn, so that a busy machine slows both alike.
    for (let i = 0; i < 7; i += 1) {
      times.known.push(await timeOf(() => tryName('ada')));
      times.unknown.push(await timeOf(() => tryName('nobody.here')));
    }
    const known = median(times.known);
    const unknown = median(times.unknown);
    expect(unknown).toBeGreaterThan(known / 3);
    expect(known).toBeGreaterThan(unknown / 3);
  });
});

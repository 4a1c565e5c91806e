import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { caller, refusal, testDeps, type TestDeps } from '../../support/deps.ts';
import { registerPerson } from '../../support/people.ts';
import { openTestDatabase, type TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;

beforeAll(async () => {
  db = await openTestDatabase();
});
beforeEach(async () => {
  await db.truncate();
  world = await testDeps(db);
});
afterAll(() => db.close());

const info = () => caller(world.deps, null).instance.info();

describe('instance', () => {
  it('starts by invite, named after the product, without an owner', async () => {
    expect(await info()).toEqual({
      name: 'Chatalot',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      registration: 'invite',
      setup: 'open',
    });
  });

  it('is configured by its owner alone', async () => {
    const owner = await registerPerson(world.deps);
    const bob = await registerPerson(world.deps);
    await owner.api.instance.configure({ name: '  Our place ', registration: 'open' });
    expect(await info()).toMatchObject({ name: 'Our place', registration: 'open', setup: 'done' });
    const change = { name: 'Mine', registration: 'closed' } as const;
    expect(await refusal(bob.api.instance.configure(change))).toEqual({
      code: 'forbidden',
      reason: 'permission',
    });
    expect(await refusal(caller(world.deps, null).instance.configure(change))).toEqual({
      code: 'unauthenticated',
    });
    expect(await info()).toMatchObject({ name: 'Our place', registration: 'open' });
  });
});

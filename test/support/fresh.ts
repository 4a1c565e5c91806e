// What a suite starts every test with: a database of its own, emptied, and who is on it. Each is called once, where the
// suite is described, and answers the function for its `beforeEach`.
import { afterAll, beforeAll } from 'vitest';
import { testDeps, type TestDeps } from './deps.ts';
import { makeWorld, type World } from './factories.ts';
import { registerPerson, type Person, type PersonOptions } from './people.ts';
import { openTestDatabase, type TestDatabase } from './test-db.ts';

interface Fresh {
  readonly db: TestDatabase;
  readonly world: TestDeps;
}

function freshDeps(): () => Promise<Fresh> {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await openTestDatabase();
  });
  afterAll(() => db.close());
  return async () => {
    await db.truncate();
    return { db, world: await testDeps(db) };
  };
}

/** People with real keys, by their names and in their order; the first is the instance's owner. */
export function freshPeople<Name extends string>(
  options: Readonly<Record<Name, PersonOptions>>,
): () => Promise<Fresh & Record<Name, Person>> {
  const fresh = freshDeps();
  return async () => {
    const { db, world } = await fresh();
    const people: Partial<Record<Name, Person>> = {};
    for (const name of Object.keys(options) as Name[]) {
      people[name] = await registerPerson(world.deps, options[name]);
    }
    return { db, world, ...(people as Record<Name, Person>) };
  };
}

/** A community whose people have no keys. */
export function freshWorld(): () => Promise<{ db: TestDatabase; world: World } & TestDeps> {
  const fresh = freshDeps();
  return async () => {
    const { db, world: test } = await fresh();
    return { db, ...test, world: await makeWorld(test.deps) };
  };
}

// Old client state + events = fresh state, whatever several people did and however bad every device's connection was:
// late, said twice, broken anywhere, reloaded, the server's memory gone. CHATALOT_LAW_STEPS makes it longer,
// CHATALOT_LAW_SEED another one.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Structure } from '#client/sync/structure.svelte.ts';
import type { Deps } from '#server/deps.ts';
import { caller, testDeps, type TestDeps } from '#test/support/deps.ts';
import { ModelDevice } from '#test/support/model-device.ts';
import { pick, someDeed, type Scene } from '#test/support/model-people.ts';
import { registerPerson, type Person } from '#test/support/people.ts';
import { seeded } from '#test/support/random.ts';
import { openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';

const steps = Number(process.env['CHATALOT_LAW_STEPS'] ?? 160);
const firstSeed = Number(process.env['CHATALOT_LAW_SEED'] ?? 1);
const PEOPLE = 4;
const DEVICES_EACH = 2;
const SETTLE_EVERY = 20;

let db: TestDatabase;

beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());
beforeEach(() => db.truncate());

async function makeScene(test: TestDeps, random: () => number): Promise<Scene> {
  const people: Person[] = [];
  while (people.length < PEOPLE) people.push(await registerPerson(test.deps));
  const owner = people[0] as Person;
  const community = await owner.api.communities.create({ name: 'Law' });
  const { communityId } = community;
  const { code } = await owner.api.invites.create({ communityId });
  for (const person of people.slice(1)) await person.api.invites.accept({ code });
  const roles = [...community.roles].sort((a, b) => a.position - b.position).map(({ roleId }) => roleId);
  const staff = people[1] as Person;
  await owner.api.roles.assign({ roleId: roles.at(-1) as never, accountId: staff.accountId });
  return {
    random,
    people,
    communityId,
    inviteCode: code,
    groups: community.groups.map(({ groupId }) => groupId),
    channels: community.channels.map(({ channelId }) => channelId),
    dms: [],
    roles,
    messages: [],
    pens: new Map(),
  };
}

/** Something happens to one connection. */
async function disturb(device: ModelDevice, deps: Deps, random: () => number): Promise<void> {
  if (!device.isConnected) {
    if (random() < 0.5) await device.connect(deps);
    return;
  }
  const what = random();
  if (what < 0.15) {
    // Breaks after any part of what was under way.
    device.deliver(Math.floor(random() * 6), () => random() < 0.2);
    device.cut();
  } else if (what < 0.18) device.reload();
  else if (what < 0.5) await device.load();
  else if (what < 0.9) device.deliver(1 + Math.floor(random() * 4), () => random() < 0.2);
  else await device.catchUp();
}

async function run(seed: number): Promise<{ done: number; refused: number }> {
  const random = seeded(seed);
  let test = await testDeps(db);
  const scene = await makeScene(test, random);
  const devices = scene.people.flatMap((person) =>
    Array.from({ length: DEVICES_EACH }, () => new ModelDevice(person, () => new Structure())),
  );
  const counts = { done: 0, refused: 0 };
  test.events.clear();
  for (let step = 1; step <= steps; step++) {
    test.clock.advance(1000);
    counts[await someDeed(scene)] += 1;
    const said = test.events.calls.splice(0);
    for (const device of devices) device.publish(said);
    for (const device of devices) await disturb(device, test.deps, random);
    if (random() < 0.03) {
      // The server starts again: its memory is gone, and so is every connection.
      for (const device of devices) device.cut();
      const now = test.clock.now();
      test = await testDeps(db);
      test.clock.set(now);
      for (const person of scene.people) Object.assign(person, { api: caller(test.deps, person.actor) });
    }
    if (step % SETTLE_EVERY !== 0 && step !== steps) continue;
    for (const device of devices) {
      await device.settle(test.deps);
      const { held, fresh } = await device.compare();
      expect(held, `seed ${seed}, step ${step}, ${device.person.username}`).toEqual(fresh);
    }
  }
  expect(pick(random, devices).isConnected).toBe(true);
  return counts;
}

describe('old state + events = fresh state', () => {
  it.each([firstSeed, firstSeed + 1])(
    'after random deeds over bad connections, seed %i',
    async (seed) => {
      const { done } = await run(seed);
      expect(done).toBeGreaterThan(steps / 3);
    },
    60_000 + steps * 2000,
  );
});

// A history of some thousand operations on the real write path, judged; `npm run bench -- history` does a million.
// And clocks that jump while people write.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expiredSessions } from '#server/jobs/expired-sessions.job.ts';
import { limits } from '#shared/limits.ts';
import { testDeps } from '#test/support/deps.ts';
import { finishHistory, historyRun } from '#test/support/history-run.ts';
import { Pen } from '#test/support/messages.ts';
import { registerPerson } from '#test/support/people.ts';
import { seeded } from '#test/support/random.ts';
import { openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());
beforeEach(() => db.truncate());

async function place(people: number) {
  const test = await testDeps(db);
  const owner = await registerPerson(test.deps);
  const community = await owner.api.communities.create({ name: 'History' });
  const { communityId } = community;
  const groupId = community.channels[0]?.groupId as never;
  const second = await owner.api.channels.create({ communityId, groupId, name: 'second' });
  const channelIds = [...community.channels, second].map(({ channelId }) => channelId);
  const { code } = await owner.api.invites.create({ communityId });
  const everybody = [owner];
  while (everybody.length < people) {
    const person = await registerPerson(test.deps);
    await person.api.invites.accept({ code });
    everybody.push(person);
  }
  test.events.clear();
  return { ...test, people: everybody, owner, channelIds };
}

describe('a history on the write path', () => {
  it('is one gapless order per channel, repeats and broken connections included', async () => {
    const { deps, events, people, owner, channelIds } = await place(4);
    const report = await historyRun({
      deps,
      events,
      people,
      channelIds,
      operations: 4000,
      random: seeded(5),
    });
    await finishHistory(report, owner, channelIds);
    expect(report.findings).toEqual([]);
    expect(report.operations).toBeGreaterThanOrEqual(4000);
    expect(report.repeated).toBeGreaterThan(10);
  }, 120_000);
});

describe('a clock that jumps', () => {
  it('never makes a later message look earlier, back or forth', async () => {
    const { clock, owner, channelIds } = await place(1);
    const channelId = channelIds[0] as never;
    const pen = new Pen(owner, channelId);
    const times: number[] = [];
    for (const jump of [0, 1000, -3_600_000, 5, 86_400_000, -2 * 86_400_000, 1]) {
      clock.advance(jump);
      times.push((await owner.api.messages.send(pen.text())).createdAt);
    }
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const page = await owner.api.messages.gap({ channelId, fromSeq: 1, toSeq: 100 });
    expect(page.events.map(({ seq }) => seq)).toEqual(times.map((_, at) => at + 1));
    expect(page.events.map(({ createdAt }) => createdAt)).toEqual(times);
  });

  it('ends no session when it is set back, and lets expired ones go when it is set forth', async () => {
    const { deps, clock, owner } = await place(1);
    const token = await deps.tokens.sign(owner.actor);
    clock.advance(-86_400_000);
    expect(await expiredSessions.run(deps, expiredSessions.batch)).toBe(0);
    expect((await owner.api.users.me()).accountId).toBe(owner.accountId);
    // Issued in what is now the future: ours and unaltered all the same, and good again when time is there.
    clock.advance(86_400_000);
    expect(await deps.tokens.verify(token)).toMatchObject({ accountId: owner.accountId });
    clock.advance(limits.accessTokenMs + 60_000);
    expect(await deps.tokens.verify(token)).toBeNull();
    expect(await expiredSessions.run(deps, expiredSessions.batch)).toBe(0);
    clock.advance(400 * 86_400_000);
    expect(await expiredSessions.run(deps, expiredSessions.batch)).toBe(1);
  });
});

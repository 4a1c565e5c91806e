// Background work by call: what each job removes, what it must never touch, one run per slot, failures that stay alone.
import { randomUUID, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { expiredSessions } from '#server/jobs/expired-sessions.job.ts';
import type { Job } from '#server/jobs/job.ts';
import { jobs } from '#server/jobs/jobs.ts';
import { oldPackets } from '#server/jobs/old-packets.job.ts';
import { oldRuns } from '#server/jobs/old-runs.job.ts';
import { runSlot, startJobs } from '#server/jobs/scheduler.ts';
import { typing } from '#server/jobs/typing.job.ts';
import { usedPrekeys } from '#server/jobs/used-prekeys.job.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { TestDeps } from '#test/support/deps.ts';
import { freshPeople } from '#test/support/fresh.ts';
import type { Person } from '#test/support/people.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

const DAY = 86_400_000;

describe('background jobs', () => {
  let db: TestDatabase;
  let test: TestDeps;
  let ada: Person;
  const at = (offset: number): Date => new Date(test.clock.now() + offset);
  const run = (job: Job): Promise<number> => job.run(test.deps, job.batch);

  const fresh = freshPeople({ ada: { units: 3 } });
  beforeEach(async () => {
    ({ db, world: test, ada } = await fresh());
  });

  const addSession = (dates: { expiresAt: Date; revokedAt?: Date }): Promise<{ id: string }> =>
    db.prisma.session.create({
      data: {
        id: randomUUID(),
        accountId: ada.accountId,
        refreshHash: randomBytes(32),
        rotatedAt: at(0),
        userAgent: '',
        address: '',
        createdAt: at(0),
        lastUsedAt: at(0),
        ...dates,
      },
    });

  it('expired and long revoked sessions go, with their spent tokens; live ones stay', async () => {
    const gone = await addSession({ expiresAt: at(-1) });
    await addSession({ expiresAt: at(DAY), revokedAt: at(-2 * DAY) });
    const fresh = await addSession({ expiresAt: at(DAY), revokedAt: at(-1000) });
    for (const sessionId of [gone.id, ada.actor.sessionId]) {
      await db.prisma.spentRefresh.create({ data: { hash: randomBytes(32), sessionId, spentAt: at(-DAY) } });
    }
    expect(await run(expiredSessions)).toBe(3);
    const left = await db.prisma.session.findMany({ select: { id: true } });
    expect(left.map((s) => s.id).sort()).toEqual([ada.actor.sessionId, fresh.id].sort());
    expect(await db.prisma.spentRefresh.count()).toBe(1);
    expect(await run(expiredSessions)).toBe(0);
  });

  it('100,000 expired sessions go in bounded batches', async () => {
    await db.query(
      'test.many-sessions',
      `INSERT INTO "Session" (id, "accountId", "refreshHash", "rotatedAt", "userAgent", address, "createdAt",
         "lastUsedAt", "expiresAt")
       SELECT gen_random_uuid(), $1::uuid, decode(md5(i::text), 'hex'), now(), '', '', now(), now(), $2::timestamptz
       FROM generate_series(1, 100000) AS i`,
      [ada.accountId, at(-1)],
    );
    expect(await run(expiredSessions)).toBe(expiredSessions.batch);
    for (let handled = 1; handled > 0;) handled = await run(expiredSessions);
    expect(await db.prisma.session.count()).toBe(1);
  }, 120_000);

  it('spent units and replaced sets go; unclaimed units and the newest set stay, however old', async () => {
    const { deviceId } = ada;
    const [first] = await db.prisma.oneTimeKey.findMany({ where: { deviceId }, orderBy: { keyId: 'asc' } });
    const key = { deviceId, setId: first!.setId, keyId: first!.keyId };
    await db.prisma.oneTimeKey.update({
      where: { deviceId_setId_keyId: key },
      data: { claimedAt: at(-2 * DAY) },
    });
    await db.prisma.prekeyClaim.create({
      data: { claimerAccountId: ada.accountId, deviceId, claimedAt: at(-DAY) },
    });
    expect(await run(usedPrekeys)).toBe(2);
    test.clock.advance(400 * DAY);
    expect(await run(usedPrekeys)).toBe(0);
    expect(await db.prisma.prekeySet.count()).toBe(1);
    expect(await db.prisma.oneTimeKey.count()).toBe(2);
  });

  it('packets older than 60 days go, younger ones stay', async () => {
    const packet = { deviceId: ada.deviceId, senderAccountId: ada.accountId, senderDeviceId: ada.deviceId };
    const bytes = randomBytes(40);
    await db.prisma.mailboxPacket.create({
      data: { ...packet, bytes, createdAt: at(-limits.mailboxMs - 1) },
    });
    await db.prisma.mailboxPacket.create({
      data: { ...packet, bytes, createdAt: at(-limits.mailboxMs + 1000) },
    });
    expect(await run(oldPackets)).toBe(1);
    expect(await db.prisma.mailboxPacket.count()).toBe(1);
  });

  it('typing that is over is forgotten', async () => {
    const channelId = randomUUID() as ChannelId;
    expect(test.deps.typing.say(ada.accountId, channelId)).toBe(true);
    expect(await run(typing)).toBe(0);
    test.clock.advance(limits.typingShownMs + 1);
    test.deps.typing.say(randomUUID() as AccountId, channelId);
    expect(await run(typing)).toBe(1);
  });

  it('old runs go, the newest run of each job stays', async () => {
    for (const [job, offset] of [
      ['a', -9],
      ['a', -8],
      ['b', -30],
    ] as const) {
      await db.prisma.jobRun.create({ data: { job, slot: `${offset}`, startedAt: at(offset * DAY) } });
    }
    expect(await run(oldRuns)).toBe(1);
    expect((await db.prisma.jobRun.findMany()).map((r) => r.slot).sort()).toEqual(['-30', '-8']);
  });

  it('one slot runs once, also when two nodes take it together; a failure is recorded and stays alone', async () => {
    let runs = 0;
    const counted: Job = {
      name: 'counted',
      schedule: '0 0 * * * *',
      scope: 'instance',
      batch: 1,
      run: () => Promise.resolve((runs += 1)),
    };
    const both = await Promise.all([runSlot(test.deps, counted, 's1'), runSlot(test.deps, counted, 's1')]);
    expect(both.sort()).toEqual(['ok', 'taken']);
    const broken: Job = { ...counted, name: 'broken', run: () => Promise.reject(new Error('no')) };
    expect(await runSlot(test.deps, broken, 's1')).toBe('failed');
    expect(await runSlot(test.deps, counted, 's2')).toBe('ok');
    expect(runs).toBe(2);
    const rows = await db.prisma.jobRun.findMany({ orderBy: [{ job: 'asc' }, { slot: 'asc' }] });
    expect(rows.map((r) => [r.job, r.slot, r.outcome])).toEqual([
      ['broken', 's1', 'failed'],
      ['counted', 's1', 'ok'],
      ['counted', 's2', 'ok'],
    ]);
  });

  it('the schedule runs a job and stops', async () => {
    let runs = 0;
    const every: Job = {
      name: 'every-second',
      schedule: '* * * * * *',
      scope: 'node',
      batch: 1,
      run: () => Promise.resolve((runs += 1)),
    };
    const schedule = startJobs(test.deps, [every]);
    await expect.poll(() => runs, { timeout: 5000 }).toBeGreaterThan(0);
    await schedule.stop();
    const stopped = runs;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(runs).toBe(stopped);
  });

  it('every job of the table has its own name and runs on an empty instance', async () => {
    expect(new Set(jobs.map((job) => job.name)).size).toBe(jobs.length);
    for (const job of jobs) expect(await run(job)).toBeGreaterThanOrEqual(0);
  });
});

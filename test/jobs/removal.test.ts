// Background work at scale and against the mistakes of the system we replace: bounded batches over 10^5 rows, live rows
// untouched whatever lies beside them, rows that cannot go left aside, and its state told to the instance's staff.
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { expiredInvites } from '#server/jobs/expired-invites.job.ts';
import { expiredSessions } from '#server/jobs/expired-sessions.job.ts';
import type { Job } from '#server/jobs/job.ts';
import { jobs } from '#server/jobs/jobs.ts';
import { oldPackets } from '#server/jobs/old-packets.job.ts';
import { runSlot, startJobs } from '#server/jobs/scheduler.ts';
import { supersededEdits } from '#server/jobs/superseded-edits.job.ts';
import { usedPrekeys } from '#server/jobs/used-prekeys.job.ts';
import type { ChannelId, CommunityId, EventId } from '#shared/ids.ts';
import { refusal, type TestDeps } from '#test/support/deps.ts';
import { makeSomeone } from '#test/support/factories.ts';
import { freshPeople } from '#test/support/fresh.ts';
import { Pen } from '#test/support/messages.ts';
import type { Person } from '#test/support/people.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

const DAY = 86_400_000;
const MANY = 100_000;

let db: TestDatabase;
let test: TestDeps;
let ada: Person;
let communityId: CommunityId;
let channelId: ChannelId;

const at = (offset: number): Date => new Date(test.clock.now() + offset);
const run = (job: Job): Promise<number> => job.run(test.deps, job.batch);
const execute = (sql: string): Promise<void> => db.session((session) => session.execute(sql));

/** Runs a job until nothing is left, and says how many rows each run dealt with. */
async function runOut(job: Job): Promise<number[]> {
  const handled: number[] = [];
  for (;;) {
    const count = await run(job);
    if (count === 0) return handled;
    handled.push(count);
  }
}

const fresh = freshPeople({ ada: { units: 1 } });
beforeEach(async () => {
  ({ db, world: test, ada } = await fresh());
  const community = await ada.api.communities.create({ name: 'Home' });
  communityId = community.communityId;
  channelId = community.channels[0]!.channelId;
});

describe('superseded edits', () => {
  const rows = () =>
    db.prisma.channelEvent.findMany({ where: { channelId }, orderBy: { seq: 'asc' } }) as Promise<
      { seq: number; envelope: Uint8Array | null; commitment: Uint8Array | null; linkHash: unknown }[]
    >;
  const kept = async (): Promise<number[]> =>
    (await rows()).flatMap((row) => (row.envelope === null ? [] : [row.seq]));

  async function edits(pen: Pen, count: number): Promise<EventId> {
    const message = pen.text();
    await ada.api.messages.send(message);
    for (let rev = 1; rev <= count; rev++) await ada.api.messages.send(pen.edit(message.eventId, 'x', rev));
    return message.eventId;
  }

  it('lose their payload 30 days after they were replaced; messages, newest edits and all rows stay', async () => {
    const pen = new Pen(ada, channelId);
    const twice = await edits(pen, 3);
    await edits(pen, 1);
    test.clock.advance(29 * DAY);
    expect(await run(supersededEdits)).toBe(0);
    await ada.api.messages.send(pen.edit(twice, 'y', 4));
    test.clock.advance(2 * DAY);
    // Edits 1 and 2 were replaced 31 days ago; the third only two days ago, and the fourth is the newest.
    expect(await run(supersededEdits)).toBe(2);
    expect(await kept()).toEqual([1, 4, 5, 6, 7]);
    test.clock.advance(40 * DAY);
    expect(await runOut(supersededEdits)).toEqual([1]);
    expect(await kept()).toEqual([1, 5, 6, 7]);
    const all = await rows();
    expect(all.map((row) => row.seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(all.every((row) => row.linkHash !== null)).toBe(true);
    expect(all.every((row) => (row.envelope === null) === (row.commitment === null))).toBe(true);
    // What clients read: stubs where the payload was, and the newest edit with its message.
    const gap = await ada.api.messages.gap({ channelId, fromSeq: 1, toSeq: 7 });
    expect(gap.events.filter((event) => event.stub !== null).map((event) => event.seq)).toEqual([2, 3, 4]);
    const page = await ada.api.messages.page({ channelId, before: 100, limit: 50 });
    expect(page.related.map((event) => [event.seq, event.envelope !== null])).toEqual([
      [6, true],
      [7, true],
    ]);
  });

  it('another account’s event never counts as the newer edit', async () => {
    const pen = new Pen(ada, channelId);
    await edits(pen, 2);
    await db.query(
      'test.foreign-edit',
      `UPDATE "ChannelEvent" SET "senderAccountId" = $1::uuid WHERE "channelId" = $2::uuid AND seq = 3`,
      [randomUUID(), channelId],
    );
    test.clock.advance(90 * DAY);
    expect(await run(supersededEdits)).toBe(0);
  });

  it('among 100,000 edits go in bounded runs; the newest of each message stays', async () => {
    await db.query(
      'test.many-edits',
      `INSERT INTO "ChannelEvent" ("channelId", seq, "eventId", class, "senderAccountId", "senderDeviceId", "refId",
         epoch, envelope, "envelopeHash", commitment, "createdAt")
       SELECT $1::uuid, i, gen_random_uuid(), 'edit', $2::uuid, $3::uuid, md5((i % 90000)::text)::uuid, 1,
         '\\x00'::bytea, '\\x00'::bytea, '\\x00'::bytea, $4::timestamptz
       FROM generate_series(1, $5::int4) AS i`,
      [channelId, ada.accountId, ada.deviceId, at(-40 * DAY), MANY],
    );
    // Every message has one edit, and 10,000 of them an older one.
    expect(await supersededEdits.run(test.deps, 4000)).toBe(4000);
    expect(await runOut(supersededEdits)).toEqual([6000]);
    const left = { channelId, seq: { gt: 10_000 }, envelope: { not: null } };
    expect(await db.prisma.channelEvent.count({ where: left })).toBe(90_000);
  }, 180_000);
});

describe('dead invites', () => {
  it('go a month after they ended; every invite that still works stays, however old', async () => {
    const make = (code: string, row: object): Promise<unknown> =>
      db.prisma.invite.create({
        data: { code, communityId, createdById: ada.accountId, createdAt: at(-400 * DAY), ...row },
      });
    await make('expired', { expiresAt: at(-31 * DAY) });
    await make('revoked', { revokedAt: at(-31 * DAY) });
    await make('used-up', { maxUses: 2, uses: 2 });
    await make('just-expired', { expiresAt: at(-DAY) });
    await make('just-revoked', { revokedAt: at(-DAY) });
    await make('old-and-open', {});
    await make('half-used', { maxUses: 2, uses: 1 });
    await make('used-up-today', { maxUses: 1, uses: 1, createdAt: at(0) });
    expect(await run(expiredInvites)).toBe(3);
    const left = (await db.prisma.invite.findMany()).map((invite) => invite.code).sort();
    expect(left).toEqual(['half-used', 'just-expired', 'just-revoked', 'old-and-open', 'used-up-today']);
    expect(await run(expiredInvites)).toBe(0);
  });
});

describe('10^5 rows', () => {
  it('of packets and of spent tokens go in bounded runs; the living beside them stay', async () => {
    await db.query(
      'test.many-packets',
      `INSERT INTO "MailboxPacket" ("deviceId", "senderAccountId", "senderDeviceId", bytes, "createdAt")
       SELECT $1::uuid, $2::uuid, $1::uuid, '\\x00'::bytea,
         CASE WHEN i % 100 = 0 THEN $4::timestamptz ELSE $3::timestamptz END
       FROM generate_series(1, $5::int4) AS i`,
      [ada.deviceId, ada.accountId, at(-61 * DAY), at(-DAY), MANY],
    );
    const handled = await runOut(oldPackets);
    expect(Math.max(...handled)).toBe(oldPackets.batch);
    expect(await db.prisma.mailboxPacket.count()).toBe(MANY / 100);
    await db.query(
      'test.many-spent',
      `INSERT INTO "SpentRefresh" (hash, "sessionId", "spentAt")
       SELECT decode(md5(i::text), 'hex'), CASE WHEN i % 100 = 0 THEN $1::uuid ELSE $2::uuid END, $3::timestamptz
       FROM generate_series(1, $4::int4) AS i`,
      [ada.actor.sessionId, randomUUID(), at(-90 * DAY), MANY],
    );
    await runOut(expiredSessions);
    expect(await db.prisma.spentRefresh.count()).toBe(MANY / 100);
  }, 180_000);
});

describe('a row that cannot be removed', () => {
  beforeEach(() =>
    execute(`CREATE OR REPLACE FUNCTION keep_rows() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF OLD.address = 'stuck' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN OLD; END $$;
      CREATE TRIGGER keep_rows BEFORE DELETE ON "Session" FOR EACH ROW EXECUTE FUNCTION keep_rows()`),
  );
  const release = (): Promise<void> =>
    execute('DROP TRIGGER keep_rows ON "Session"; DROP FUNCTION keep_rows');

  it('is left aside; all others go, in this run and in the next', async () => {
    const add = (count: number, address: string) =>
      db.query(
        'test.sessions-at',
        `INSERT INTO "Session" (id, "accountId", "refreshHash", "rotatedAt", "userAgent", address, "createdAt",
           "lastUsedAt", "expiresAt")
         SELECT gen_random_uuid(), $1::uuid, decode(md5($2::text || i::text), 'hex'), now(), '', $2::text, now(),
           now(), $3::timestamptz FROM generate_series(1, $4::int4) AS i`,
        [ada.accountId, address, at(-1), count],
      );
    const warnings: unknown[] = [];
    const deps = {
      ...test.deps,
      log: {
        ...test.deps.log,
        warn: (event: string, fields?: object) => warnings.push({ event, ...fields }),
      },
    };
    try {
      await add(3, 'stuck');
      await add(2500, 'free');
      expect(await expiredSessions.run(deps, expiredSessions.batch)).toBe(2500);
      expect(warnings).toEqual([{ event: 'job.rows_left', job: 'expired-sessions', count: 3 }]);
      await add(5, 'late');
      expect(await expiredSessions.run(deps, 2)).toBe(2);
      expect(await expiredSessions.run(deps, expiredSessions.batch)).toBe(3);
      expect(await db.prisma.session.count({ where: { address: 'stuck' } })).toBe(3);
    } finally {
      await release();
    }
    expect(await run(expiredSessions)).toBe(3);
  }, 60_000);
});

describe('living rows', () => {
  it('are never touched: all jobs, run twice on an instance in use, change nothing of it', async () => {
    const pen = new Pen(ada, channelId);
    const message = pen.text();
    await ada.api.messages.send(message);
    await ada.api.messages.send(pen.edit(message.eventId));
    await ada.api.invites.create({ communityId });
    const count = async () => ({
      events: await db.prisma.channelEvent.count({ where: { envelope: { not: null } } }),
      invites: await db.prisma.invite.count(),
      sessions: await db.prisma.session.count(),
      sets: await db.prisma.prekeySet.count(),
      units: await db.prisma.oneTimeKey.count(),
      devices: await db.prisma.device.count(),
    });
    const before = await count();
    for (const job of [...jobs, ...jobs]) await run(job);
    expect(await count()).toEqual(before);
    // A year on: what ran out by rule is gone, what keeps people reachable and their history is not.
    test.clock.advance(365 * DAY);
    for (const job of [...jobs, ...jobs]) await run(job);
    expect(await count()).toEqual({ ...before, sessions: 0 });
    expect(await run(usedPrekeys)).toBe(0);
  });
});

describe('instance.jobs', () => {
  it('tells staff what ran last and runs next; everybody else is refused', async () => {
    const broken: Job = {
      ...expiredInvites,
      name: 'broken',
      run: () => Promise.reject(new Error('no')),
    };
    const local: Job = { ...expiredInvites, name: 'local', scope: 'node', run: () => Promise.resolve(7) };
    const deps = { ...test.deps, log: { ...test.deps.log, error: () => undefined } };
    const schedule = startJobs(deps, [expiredInvites, broken, local]);
    try {
      const never = await ada.api.instance.jobs();
      expect(never.map((job) => [job.name, job.lastRun])).toEqual([
        ['expired-invites', null],
        ['broken', null],
        ['local', null],
      ]);
      for (const job of [broken, expiredInvites, local]) await runSlot(deps, job, 's1');
      const [invites, failing, node] = await ada.api.instance.jobs();
      expect(invites).toMatchObject({
        scope: 'instance',
        lastRun: { outcome: 'ok', handled: 0, startedAt: test.clock.now(), finishedAt: test.clock.now() },
      });
      expect(invites!.nextRunAt).toBeGreaterThan(Date.now());
      expect(failing).toMatchObject({ lastRun: { outcome: 'failed' } });
      expect(node).toMatchObject({ lastRun: { outcome: 'ok', handled: 7 } });
    } finally {
      await schedule.stop();
    }
    const someone = await makeSomeone(test.deps);
    expect(await refusal(someone.api.instance.jobs())).toEqual({ code: 'forbidden', reason: 'permission' });
    const admin = await makeSomeone(test.deps, { instanceRole: 'admin' });
    expect(await admin.api.instance.jobs()).toHaveLength(3);
  });
});

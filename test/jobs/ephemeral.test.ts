// Messages kept for a day: their payload goes on time, in bounded runs, and leaves what links need; nothing else goes.
import { beforeEach, describe, expect, it } from 'vitest';
import { ephemeralMessages } from '#server/jobs/ephemeral-messages.job.ts';
import type { ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { refusal, type TestDeps } from '#test/support/deps.ts';
import { freshPeople } from '#test/support/fresh.ts';
import { Pen } from '#test/support/messages.ts';
import type { Person } from '#test/support/people.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

const MANY = 100_000;
let db: TestDatabase;
let test: TestDeps;
let ada: Person;
let channelId: ChannelId;

const run = (): Promise<number> => ephemeralMessages.run(test.deps, ephemeralMessages.batch);

const fresh = freshPeople({ ada: { units: 1 } });
beforeEach(async () => {
  ({ db, world: test, ada } = await fresh());
  channelId = (await ada.api.communities.create({ name: 'Home' })).channels[0]!.channelId;
});

describe('messages kept for a day', () => {
  it('lose their payload when it is over and keep their stub; deletions and kept messages stay whole', async () => {
    const [brief, kept] = [new Pen(ada, channelId), new Pen(ada, channelId)];
    brief.rotate(1, true);
    const first = brief.text('one');
    for (const sealed of [first, kept.text(), brief.edit(first.eventId), brief.redact(first.eventId)])
      await ada.api.messages.send(sealed);
    test.clock.advance(limits.ephemeralMs - 1000);
    await ada.api.messages.send(brief.text('later'));
    expect(await run()).toBe(0);
    test.clock.advance(1000);
    // The first one's own payload and its edit's went with its deletion, at once.
    const before = await db.prisma.channelEvent.count({ where: { channelId, envelope: null } });
    expect((await run()) + before).toBe(2);
    expect(await run()).toBe(0);
    const { events, chainCerts } = await ada.api.messages.gap({ channelId, fromSeq: 1, toSeq: 5 });
    expect(events.map((event) => event.envelope !== null)).toEqual([false, true, false, true, true]);
    for (const { stub } of [events[0]!, events[2]!]) {
      expect(stub).toMatchObject({ chainId: expect.any(String), linkHash: expect.any(String) });
      expect(chainCerts[stub!.chainId!]).toBe(first.chainCert);
    }
    const [row] = await db.prisma.channelEvent.findMany({ where: { channelId, seq: 1 } });
    expect(row).toMatchObject({ envelope: null, commitment: null });
    test.clock.advance(limits.ephemeralMs);
    expect(await run()).toBe(1);
    // The same bytes sent again are still known for what they were.
    expect((await ada.api.messages.send(first)).seq).toBe(1);
  });

  it('among 100,000 go in bounded runs, oldest first or not, and only those', async () => {
    await db.query(
      'test.many-ephemeral',
      `INSERT INTO "ChannelEvent" ("channelId", seq, "eventId", class, "senderAccountId", "senderDeviceId", epoch,
         envelope, "envelopeHash", commitment, "createdAt", "expiresAt")
       SELECT $1::uuid, i, gen_random_uuid(), 'message', $2::uuid, $3::uuid, 1, '\\x00'::bytea, '\\x00'::bytea,
         '\\x00'::bytea, $4::timestamptz, CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN $5::timestamptz
           ELSE $4::timestamptz END
       FROM generate_series(1, $6::int4) AS i`,
      [
        channelId,
        ada.accountId,
        ada.deviceId,
        new Date(test.clock.now()),
        new Date(test.clock.now() + 1),
        MANY,
      ],
    );
    const handled: number[] = [];
    for (let count = await run(); count > 0; count = await run()) handled.push(count);
    expect(handled).toEqual([20_000, 20_000, 10_000]);
    expect(await db.prisma.channelEvent.count({ where: { channelId, envelope: { not: null } } })).toBe(
      50_000,
    );
  }, 180_000);

  it('no other lifetime is accepted', async () => {
    const pen = new Pen(ada, channelId);
    pen.ttlSeconds = 3600;
    const what = { code: 'bad_proof', what: 'envelope' };
    expect(await refusal(ada.api.messages.send(pen.text()))).toMatchObject(what);
  });
});

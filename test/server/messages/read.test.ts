// Reading the log: pages by ordinal with what was done to each message, contiguous gaps, cursors and heads.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ChannelId, CommunityId, EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { refusal, type TestDeps } from '#test/support/deps.ts';
import { freshPeople } from '#test/support/fresh.ts';
import { Pen } from '#test/support/messages.ts';
import { registerPerson, type Person } from '#test/support/people.ts';

describe('reading a channel log', () => {
  let test: TestDeps;
  let ada: Person;
  let communityId: CommunityId;
  let channelId: ChannelId;
  let pen: Pen;

  const fresh = freshPeople({ ada: {} });
  beforeEach(async () => {
    ({ world: test, ada } = await fresh());
    const community = await ada.api.communities.create({ name: 'Home' });
    communityId = community.communityId;
    channelId = community.channels[0]!.channelId;
    pen = new Pen(ada, channelId);
  });

  const say = async (texts: number): Promise<EventId[]> => {
    const ids: EventId[] = [];
    for (let i = 0; i < texts; i++) {
      const message = pen.text(`${i}`);
      await ada.api.messages.send(message);
      ids.push(message.eventId);
    }
    return ids;
  };
  const joinAsBen = async (): Promise<Person> => {
    const ben = await registerPerson(test.deps);
    const { code } = await ada.api.invites.create({ communityId });
    await ben.api.invites.accept({ code });
    return ben;
  };

  it('pages newest first without holes or repeats, and brings every chain certificate', async () => {
    const ids = await say(12);
    await ada.api.messages.send(pen.react(ids[3]!));
    const newest = await ada.api.messages.page({ channelId, limit: 5 });
    expect(newest.messages.map((m) => m.eventId)).toEqual(ids.slice(7));
    expect([newest.hasMore, newest.headSeq]).toEqual([true, 13]);
    expect(Object.keys(newest.chainCerts)).toHaveLength(1);
    const middle = await ada.api.messages.page({ channelId, limit: 5, before: newest.messages[0]!.ordinal! });
    expect(middle.messages.map((m) => m.eventId)).toEqual(ids.slice(2, 7));
    expect(middle.related.map((e) => e.class)).toEqual(['reaction']);
    const oldest = await ada.api.messages.page({ channelId, limit: 5, before: middle.messages[0]!.ordinal! });
    expect(oldest.messages.map((m) => m.eventId)).toEqual(ids.slice(0, 2));
    expect(oldest.hasMore).toBe(false);
  });

  it('a page brings the newest edit only, the deletion, and bounded reactions', async () => {
    const [first, second] = await say(2);
    for (let rev = 1; rev <= 3; rev++) await ada.api.messages.send(pen.edit(first!, `v${rev}`, rev));
    for (let i = 0; i <= limits.relatedPerMessage; i++) await ada.api.messages.send(pen.react(first!));
    await ada.api.messages.send(pen.redact(second!));
    const page = await ada.api.messages.page({ channelId, limit: 10 });
    const classes = page.related.map((e) => e.class);
    expect(classes.filter((c) => c === 'edit')).toHaveLength(1);
    expect(classes.filter((c) => c === 'reaction')).toHaveLength(limits.relatedPerMessage);
    expect(classes.filter((c) => c === 'redact')).toHaveLength(1);
    expect(page.truncated).toEqual([first]);
    const older = await ada.api.messages.related({ channelId, eventId: first!, after: 0 });
    expect(older.events).toHaveLength(limits.relatedPerMessage);
    expect(older.hasMore).toBe(true);
  });

  it('a gap answers every seq of the range it says, and no more than the bound', async () => {
    await say(6);
    const gap = await ada.api.messages.gap({ channelId, fromSeq: 2, toSeq: 5 });
    expect(gap.events.map((e) => e.seq)).toEqual([2, 3, 4, 5]);
    expect([gap.fromSeq, gap.toSeq]).toEqual([2, 5]);
    const beyond = await ada.api.messages.gap({ channelId, fromSeq: 5, toSeq: 5000 });
    expect(beyond.toSeq).toBe(6);
    const nothing = await ada.api.messages.gap({ channelId, fromSeq: 7, toSeq: 9 });
    expect([nothing.events, nothing.toSeq]).toEqual([[], 6]);
  });

  it('a newcomer pages from joining on and starts with nothing unread', async () => {
    await say(3);
    test.clock.advance(1000);
    const ben = await joinAsBen();
    test.clock.advance(1000);
    await say(2);
    const page = await ben.api.messages.page({ channelId, limit: 50 });
    expect(page.messages.map((m) => m.seq)).toEqual([4, 5]);
    const { heads } = await ben.api.live.bootstrap({ known: [] });
    const head = heads.find(([id]) => id === channelId)!;
    const [, lastSeq, lastOrdinal, , readSeq, readOrdinal] = head;
    expect([lastSeq, lastOrdinal, readSeq, readOrdinal]).toEqual([5, 5, 3, 3]);
  });

  it('a newcomer pages back to where the channel became shared, and no further', async () => {
    await say(2);
    test.clock.advance(1000);
    await ada.api.channels.update({ channelId, historyPolicy: 'shared' });
    await say(2);
    test.clock.advance(1000);
    const ben = await joinAsBen();
    const seqs = async (): Promise<number[]> =>
      (await ben.api.messages.page({ channelId, limit: 50 })).messages.map((m) => m.seq);
    expect(await seqs()).toEqual([3, 4]);
    // said again it shares nothing older, and who was there reads all of it anyway
    await ada.api.channels.update({ channelId, historyPolicy: 'shared' });
    expect(await seqs()).toEqual([3, 4]);
    expect((await ada.api.messages.page({ channelId, limit: 50 })).messages).toHaveLength(4);
    const { heads } = await ben.api.live.bootstrap({ known: [] });
    expect(heads.find(([id]) => id === channelId)!.slice(4, 6)).toEqual([4, 4]);
    // over: who came while it was shared keeps it, who comes now reads from now on
    await ada.api.channels.update({ channelId, historyPolicy: 'since_join' });
    expect(await seqs()).toEqual([3, 4]);
    test.clock.advance(1000);
    const cleo = await joinAsBen();
    test.clock.advance(1000);
    expect((await cleo.api.messages.page({ channelId, limit: 50 })).messages).toEqual([]);
    await ada.api.channels.update({ channelId, historyPolicy: 'shared' });
    await say(1);
    expect((await cleo.api.messages.page({ channelId, limit: 50 })).messages.map((m) => m.seq)).toEqual([5]);
  });

  it('cursors move forward only, never past the head, and tell the own devices', async () => {
    await say(3);
    const ben = await joinAsBen();
    test.events.clear();
    expect(await ben.api.cursors.move({ channelId, seq: 2 })).toMatchObject({ readSeq: 2, readOrdinal: 2 });
    expect(await ben.api.cursors.move({ channelId, seq: 1 })).toMatchObject({ readSeq: 2 });
    expect(await ben.api.cursors.move({ channelId, seq: 999 })).toMatchObject({ readSeq: 3, readOrdinal: 3 });
    const told = test.events.of('cursor.moved');
    expect(told).toHaveLength(3);
    expect(told[0]!.audience).toEqual({ to: 'account', accountId: ben.accountId });
  });

  it('strangers read nothing: page, related, gap, certificates, cursor', async () => {
    const [id] = await say(1);
    const eve = await registerPerson(test.deps);
    const calls = [
      () => eve.api.messages.page({ channelId, limit: 5 }),
      () => eve.api.messages.related({ channelId, eventId: id!, after: 0 }),
      () => eve.api.messages.gap({ channelId, fromSeq: 1, toSeq: 1 }),
      () => eve.api.messages.chainCerts({ channelId, chainIds: ['AAAAAAAAAAA'] }),
      () => eve.api.cursors.move({ channelId, seq: 1 }),
    ];
    for (const call of calls) expect(await refusal(call())).toEqual({ code: 'not_found' });
  });

  it('the bootstrap leaves out structures of known versions', async () => {
    const first = await ada.api.live.bootstrap({ known: [] });
    const [community] = first.communities;
    expect(community?.structure?.channels).toHaveLength(1);
    const again = await ada.api.live.bootstrap({ known: [[communityId, community!.version]] });
    expect(again.communities).toEqual([{ communityId, version: community!.version, structure: null }]);
  });
});

// The live stream: opened, bootstrap, events, with nothing lost between; presence by interest; typing by focus; the
// order of a channel's events.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesToUuid, systemRng, timeOrderedId } from '#crypto/index.ts';
import type { Bootstrap } from '#shared/live.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { ChannelId, CommunityId, EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { Presence } from '#shared/users.ts';
import { RealPerson, text } from '../../client/support/real-person.ts';
import { openLive } from '../../support/client.ts';
import { manualClock, type ManualClock } from '../../support/clock.ts';
import { startTestServer, type TestServer } from '../../support/server.ts';
import { makeHome, settle, type Home } from './home.ts';

let server: TestServer;
let clock: ManualClock;
let home: Home;
let ben: RealPerson;

beforeAll(async () => {
  clock = manualClock(Date.now());
  server = await startTestServer({ clock });
  home = await makeHome(server);
  ben = await home.bring('ben');
});
afterAll(() => server.close());

/** What a person knows who loads the bootstrap and then applies the events heard since the stream opened. */
function known(bootstrap: Bootstrap, events: readonly LiveEvent[]): Map<CommunityId, number> {
  const communities = new Map(bootstrap.communities.map((c) => [c.communityId, c.version]));
  for (const event of events) {
    if (event.type === 'community.joined') {
      const { communityId, version } = event.community;
      communities.set(communityId, Math.max(version, communities.get(communityId) ?? 0));
    } else if (event.type === 'community.left') communities.delete(event.communityId);
    else if ('version' in event && communities.has(event.communityId))
      communities.set(event.communityId, Math.max(event.version, communities.get(event.communityId) ?? 0));
  }
  return communities;
}

const fresh = async (person: RealPerson): Promise<Map<CommunityId, number>> =>
  known(await person.api.live.bootstrap.query({ known: [] }), []);

describe('opening', () => {
  it('begins with live.opened', () => {
    expect(ben.events[0]).toEqual({ type: 'live.opened', now: expect.any(Number) as number });
  });

  it('bootstrap and events leave no gap while membership changes around them', async () => {
    const { ada } = home;
    const made = await Promise.all(
      ['one', 'two', 'three', 'four'].map((name) => ada.api.communities.create.mutate({ name })),
    );
    const codes = await Promise.all(
      made.map(({ communityId }) => ada.api.invites.create.mutate({ communityId })),
    );
    for (let round = 0; round < 6; round++) {
      const tab = ben.anotherTab();
      const opening = tab.listen();
      const changes = Promise.all(
        made.map(async ({ communityId }, at) => {
          const { code } = codes[at]!;
          if ((at + round) % 2 === 0) await ben.api.invites.accept.mutate({ code }).catch(() => undefined);
          else await ben.api.communities.leave.mutate({ communityId }).catch(() => undefined);
          await ada.api.communities.update.mutate({ communityId, description: `round ${round}` });
        }),
      );
      await opening;
      const bootstrap = await tab.api.live.bootstrap.query({ known: [] });
      await changes;
      await settle(150);
      expect(known(bootstrap, tab.events)).toEqual(await fresh(ben));
      await tab.close();
    }
  });

  it('messages sent while it opens are in the bootstrap or in the stream', async () => {
    const { ada, general } = home;
    for (let round = 0; round < 4; round++) {
      const tab = ben.anotherTab();
      const opening = tab.listen();
      const sends = (async () => {
        for (let n = 0; n < 6; n++) await ada.send(general, text(`round ${round} ${n}`));
      })();
      await opening;
      const bootstrap = await tab.api.live.bootstrap.query({ known: [] });
      await sends;
      await settle(100);
      const [, base = 0] = bootstrap.heads.find(([channelId]) => channelId === general) ?? [];
      const heard = seqsOf(tab.events, general).filter((seq) => seq > base);
      const [, now = 0] =
        (await tab.api.live.bootstrap.query({ known: [] })).heads.find(([id]) => id === general) ?? [];
      expect(heard).toEqual(Array.from({ length: now - base }, (_, at) => base + 1 + at));
      await tab.close();
    }
  });

  it('leaves out structures of known versions', async () => {
    const all = await ben.api.live.bootstrap.query({ known: [] });
    const versions = all.communities.map((c): [CommunityId, number] => [c.communityId, c.version]);
    const again = await ben.api.live.bootstrap.query({ known: versions });
    expect(again.communities.map((c) => c.structure)).toEqual(versions.map(() => null));
    expect(all.communities.every((c) => c.structure !== null)).toBe(true);
  });
});

function seqsOf(events: readonly LiveEvent[], channelId: ChannelId): number[] {
  return events.flatMap((e) =>
    e.type === 'event.appended' && e.event.channelId === channelId ? [e.event.seq] : [],
  );
}

describe('order', () => {
  it('every listener hears a channel in seq order, whole, while several write at once', async () => {
    const { ada, general } = home;
    const dora = await home.bring('dora');
    const people = [ada, ben, dora];
    const from = people.map((person) => person.events.length);
    await Promise.all(
      people.map(async (person) => {
        for (let n = 0; n < 10; n++) await person.send(general, text(`${n}`));
      }),
    );
    await settle();
    const heard = people.map((person, at) => seqsOf(person.events.slice(from[at]), general));
    for (const seqs of heard) {
      expect(seqs).toHaveLength(30);
      expect(seqs).toEqual(Array.from({ length: 30 }, (_, at) => (seqs[0] ?? 0) + at));
    }
    expect(new Set(heard.map((seqs) => seqs.join())).size).toBe(1);
    await dora.close();
  });
});

/** Presence told since `from`, newest last. */
function told(events: readonly LiveEvent[], about: RealPerson): Presence[] {
  return events.flatMap((event) =>
    event.type === 'presence.changed'
      ? event.entries.flatMap((e) => (e.accountId === about.accountId ? [e.presence] : []))
      : [],
  );
}

describe('presence', () => {
  const flush = async (): Promise<void> => {
    server.app.deps.presence.flush();
    await settle(100);
  };

  it('invisible reads as offline to everybody else, from the first moment', async () => {
    const { ada } = home;
    const { accountId } = ada;
    await ada.api.presence.set.mutate({ presence: 'invisible' });
    expect(await ben.api.presence.watch.mutate({ accountIds: [accountId] })).toEqual([
      { accountId, presence: 'offline' },
    ]);
    const from = ben.events.length;
    await ada.api.presence.set.mutate({ presence: 'online' });
    await flush();
    await ada.api.presence.set.mutate({ presence: 'invisible' });
    await flush();
    expect(told(ben.events.slice(from), ada)).toEqual(['online', 'offline']);
    expect(JSON.stringify(ben.events)).not.toContain('invisible');
    const own = ada.events.filter((event) => event.type === 'account.updated').at(-1);
    expect(own?.account.presence).toBe('invisible');
    await ada.api.presence.set.mutate({ presence: 'online' });
    await flush();
  });

  it('changes within 2 s are told once, with the newest state', async () => {
    const { ada } = home;
    await ben.api.presence.watch.mutate({ accountIds: [ada.accountId] });
    await flush();
    const from = ben.events.length;
    for (const presence of ['idle', 'dnd', 'online', 'idle'] as const)
      await ada.api.presence.set.mutate({ presence });
    await settle(limits.presenceCoalesceMs + 300);
    expect(told(ben.events.slice(from), ada)).toEqual(['idle']);
  });

  it('is told to who watches, and only about who is visible', async () => {
    const { ada } = home;
    const stranger = await RealPerson.join(home.line, { username: 'stranger' });
    expect(await stranger.api.presence.watch.mutate({ accountIds: [ada.accountId] })).toEqual([]);
    await ben.api.presence.watch.mutate({ accountIds: [] });
    const from = [ben.events.length, stranger.events.length] as const;
    await ada.api.presence.set.mutate({ presence: 'dnd' });
    await flush();
    expect(told(ben.events.slice(from[0]), ada)).toEqual([]);
    expect(told(stranger.events.slice(from[1]), ada)).toEqual([]);
    await stranger.close();
  });

  it('a dropped connection reads as offline after 30 s, not before', async () => {
    const eve = await home.bring('eve');
    await ben.api.presence.watch.mutate({ accountIds: [eve.accountId] });
    await flush();
    const from = ben.events.length;
    await eve.close();
    await settle();
    clock.advance(limits.offlineGraceMs - 2000);
    await flush();
    expect(told(ben.events.slice(from), eve)).toEqual([]);
    clock.advance(2000);
    await flush();
    expect(told(ben.events.slice(from), eve)).toEqual(['offline']);
  });
});

describe('typing', () => {
  const typed = (person: RealPerson, from: number) =>
    person.events.slice(from).filter((event) => event.type === 'typing.started');

  it('is heard by sockets that show the channel, never by the typist, at most once in 3 s', async () => {
    const { ada, general, closed } = home;
    const tab = ben.anotherTab();
    await tab.listen();
    await ben.api.presence.focus.mutate({ channelId: general });
    await tab.api.presence.focus.mutate({ channelId: closed });
    await ada.api.presence.focus.mutate({ channelId: general });
    const from = [ada.events.length, ben.events.length, tab.events.length] as const;
    clock.advance(limits.typingEveryMs);
    for (let n = 0; n < 5; n++) await ada.api.presence.typing.mutate({ channelId: general });
    await settle(100);
    const event = { type: 'typing.started', channelId: general, accountId: ada.accountId };
    expect(typed(ben, from[1])).toEqual([event]);
    expect(typed(tab, from[2])).toEqual([]);
    expect(typed(ada, from[0])).toEqual([]);
    clock.advance(limits.typingEveryMs);
    await ada.api.presence.typing.mutate({ channelId: general });
    await ben.api.presence.focus.mutate({ channelId: null });
    clock.advance(limits.typingEveryMs);
    await ada.api.presence.typing.mutate({ channelId: general });
    await settle(100);
    expect(typed(ben, from[1])).toEqual([event, event]);
    await tab.close();
  });
});

const appendedOf = (events: readonly LiveEvent[]) => events.filter(({ type }) => type === 'event.appended');

describe('compact frames', () => {
  it('bring a client that asks for them what the stock client hears, of every class and with all it may carry', async () => {
    const { ada, general } = home;
    // A chain's first message carries its certificate.
    const newcomer = await home.bring('nora');
    const compact = openLive(server, ben, { compact: true });
    const heard: LiveEvent[] = [];
    await new Promise<void>((resolve, reject) => {
      const onData = (event: LiveEvent) => (heard.push(event), resolve());
      compact.api.live.events.subscribe(undefined, { onData, onError: reject });
    });
    const from = appendedOf(ben.events).length;
    const first = await ada.send(general, text('hello'));
    await ada.send(general, text('again', first.eventId));
    await ada.send(general, { type: 'edit', target: first.eventId, rev: 1, text: 'hello, all' });
    await newcomer.send(general, { type: 'reaction', target: first.eventId, emoji: '👍', add: true, rev: 1 });
    // Mentions stand beside the envelope.
    const conversation = await ada.conversation(general);
    const eventId = bytesToUuid(timeOrderedId(Date.now(), systemRng)) as EventId;
    const message = { conversation, eventId, class: 'message', content: text('@ben'), refId: null } as const;
    const { envelope, packets } = await ada.engine.encrypt({ ...message, now: Date.now() });
    const notify = { accountIds: [ben.accountId] };
    await ada.api.messages.send.mutate({ envelope, packets: [...packets], notify });
    await expect.poll(() => appendedOf(heard).length).toBe(5);
    await expect.poll(() => appendedOf(ben.events).length - from).toBe(5);
    expect(appendedOf(heard)).toStrictEqual(appendedOf(ben.events).slice(from));
    expect(compact.binaryFrames()).toBe(5);
    expect(appendedOf(heard)).toMatchObject([
      { event: { class: 'message', refId: null }, mentions: [] },
      { event: { class: 'message', refId: first.eventId } },
      { event: { class: 'edit', ordinal: null } },
      {
        event: { class: 'reaction', senderAccountId: newcomer.accountId },
        chainCert: expect.any(String) as string,
      },
      { event: { frankTag: expect.any(String) as string }, mentions: [ben.accountId] },
    ]);
    await compact.close();
  });
});

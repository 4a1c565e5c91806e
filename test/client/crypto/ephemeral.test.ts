// Messages that last a day, on the devices that had them (protocol 3.10, P13): keys and texts go on time, none of it is
// backed up or handed on, and whether a message goes is what its sender signed, never what the server says.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ConversationRef, DecryptResult } from '#client/crypto/protocol.ts';
import { parseEnvelopeHeader, toBase64Url } from '#crypto/index.ts';
import { fromBase64Url } from '#crypto/bytes.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { textsOf, type Person } from '../support/exchange.ts';
import { channel, makeWorld, openEvents, stateOf, type World } from '../support/world.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});

const room = (people: readonly Person[], policy: Partial<ConversationRef> = {}): ConversationRef => ({
  ...world.server.conversation('text', channel, people),
  sharesHistory: false,
  isEphemeral: true,
  ...policy,
});

/** What of this person's records belongs to this channel's chains, opened messages, queues or archives. */
async function kept(person: Person): Promise<string[]> {
  const kinds = /\/(chain|own-chain|old-chain|plain|parked|archive|backup-queue|fade|handing)\//;
  const keys = [...(await person.store.list('')).keys()].filter((key) => kinds.test(key));
  return keys.map((key) => kinds.exec(key)![1]!).sort();
}

const fade = (person: Person) => person.engine.fade({ now: world.server.now });

/** As the server shows it once it has emptied it: the stub that links need (P6). */
function emptied(event: ChannelEvent): ChannelEvent {
  const { chain } = parseEnvelopeHeader(fromBase64Url(event.envelope!));
  const { chainId, iter, link } = chain!;
  const stub = { chainId: toBase64Url(chainId), iter, linkHash: toBase64Url(link) };
  return { ...event, envelope: null, stub };
}

const again = async (person: Person, events: readonly ChannelEvent[]): Promise<string[]> =>
  (await openEvents(world, person, events)).map(stateOf);

describe('messages that last a day', () => {
  it('are read until then; then text, chains and skipped keys are gone on every device', async () => {
    const { server, ada, ben } = world;
    const talk = room([ada, ben]);
    const first = await server.say(ada, talk, 'one');
    await server.say(ada, talk, 'two');
    const [one, two] = (await server.read(ben, talk)) as Extract<DecryptResult, { status: 'decrypted' }>[];
    expect([one!.goneAt, two!.goneAt]).toEqual([
      first.createdAt + DAY,
      server.events.get(channel)![1]!.createdAt + DAY,
    ]);
    await server.read(ada, talk);
    expect(await kept(ben)).toEqual(expect.arrayContaining(['chain', 'fade', 'plain', 'plain']));
    server.now = first.createdAt + DAY - 1;
    await fade(ben);
    expect(await again(ben, server.events.get(channel)!)).toEqual(['decrypted', 'decrypted']);
    server.now += DAY;
    for (const person of [ada, ben]) {
      expect(await fade(person)).toEqual({ next: null });
      expect(await kept(person)).toEqual([]);
      expect(await again(person, server.events.get(channel)!)).toEqual(['gone', 'gone']);
      // The same once the server emptied them: whoever signed that they go is who says that they went.
      expect(await again(person, server.events.get(channel)!.map(emptied))).toEqual(['gone', 'gone']);
    }
  });

  it('go at once where they were overdue, and what waited for a certificate with them', async () => {
    const { server, ada, ben } = world;
    const talk = room([ada, ben]);
    const event = await server.say(ada, talk, 'unread');
    // Ben's device has the packet and was never shown the certificate.
    await server.collect(ben);
    expect(await kept(ben)).toEqual(expect.arrayContaining(['fade', 'parked']));
    server.now = event.createdAt + 3 * DAY;
    expect(await fade(ben)).toEqual({ next: null });
    expect(await kept(ben)).toEqual([]);
    expect(await again(ben, [event])).toEqual(['gone']);
  });

  it('a packet that comes when its day is over installs nothing', async () => {
    const { server, ada, ben } = world;
    const event = await server.say(ada, room([ada, ben]), 'late');
    server.now = event.createdAt + DAY;
    await again(ben, [event]);
    await server.collect(ben);
    expect(await kept(ben)).toEqual([]);
    expect(await again(ben, [event])).toEqual(['gone']);
  });

  it('A85 nothing of them is archived or queued for the backup', async () => {
    const { server, ada, ben } = world;
    for (const person of [ada, ben])
      await person.engine.compareBackup({ status: { version: 0, count: 0, manifest: null } });
    await server.say(ada, room([ada, ben]), 'secret');
    await server.read(ben, room([ada, ben]));
    for (const person of [ada, ben]) {
      expect(await person.engine.nextBackup({ now: server.now })).toBeNull();
      expect(await kept(person)).not.toEqual(expect.arrayContaining(['archive']));
      expect(await kept(person)).not.toEqual(expect.arrayContaining(['backup-queue']));
    }
    // Beside them what is kept is backed up as ever.
    await server.say(ada, room([ada, ben], { isEphemeral: false }), 'kept');
    expect((await ada.engine.nextBackup({ now: server.now }))?.entries).toHaveLength(1);
  });

  it('A73 a server that says `shared` later gets nobody to hand one on', async () => {
    const { server, ada, ben } = world;
    await server.say(ada, room([ada, ben]), 'before cleo');
    await server.read(ben, room([ada, ben]));
    server.now += 60_000;
    const cleo = await server.join('cleo');
    const lying = room([ada, ben, cleo], { sharesHistory: true, isEphemeral: false });
    await server.prepare(cleo, lying);
    const [before] = await server.read(cleo, lying);
    expect(before!.status).not.toBe('decrypted');
    server.now += 61_000;
    const asked = await cleo.engine.requestKeys({
      channelId: channel,
      conversation: lying,
      hasTriedSessions: true,
      now: server.now,
    });
    server.post(cleo, asked.packets);
    for (const person of [ada, ben]) {
      await server.prepare(person, lying);
      await server.collect(person);
      server.post(person, await person.engine.answerRequests({ conversation: lying, now: server.now }));
    }
    await server.collect(cleo);
    expect((await server.read(cleo, lying)).map(stateOf)).not.toContain('decrypted');
    // And what Ada writes next under what the server says now is a new chain, not the old one made shareable.
    await server.say(ada, lying, 'after');
    expect(textsOf(await server.read(cleo, lying))).toEqual([null, 'after']);
  });

  it('a server that says both at once gets the shorter promise', async () => {
    const { server, ada, ben } = world;
    const event = await server.say(ada, room([ada, ben], { sharesHistory: true }), 'both');
    await server.read(ben, room([ada, ben]));
    server.now = event.createdAt + DAY;
    await fade(ben);
    expect(await kept(ben)).toEqual([]);
  });

  it('A73 a server that says `ephemeral` later deletes nothing that was promised to stay, and empties it in the open', async () => {
    const { server, ada, ben } = world;
    const event = await server.say(ada, room([ada, ben], { isEphemeral: false }), 'kept');
    await server.read(ben, room([ada, ben]));
    await server.say(ada, room([ada, ben]), 'brief');
    await server.read(ben, room([ada, ben]));
    server.now = event.createdAt + 2 * DAY;
    await fade(ben);
    expect(await again(ben, server.events.get(channel)!)).toEqual(['decrypted', 'gone']);
    // Emptied without a word of its author: "withheld by the server", not "gone".
    expect(await again(ben, [emptied(event)])).toEqual(['redacted']);
  });

  it('one that is emptied before its time reads as withheld, and one dated back is not older than its chain', async () => {
    const { server, ada, ben } = world;
    const event = await server.say(ada, room([ada, ben]), 'early');
    server.now += HOUR;
    expect(await again(ben, [emptied(event)])).toEqual(['redacted']);
    expect(await again(ben, [{ ...emptied(event), createdAt: event.createdAt - 2 * DAY }])).toEqual([
      'redacted',
    ]);
  });

  it('a server that dates a message forward keeps it alive no longer than a day after it was opened', async () => {
    const { server, ada, ben } = world;
    const event = await server.say(ada, room([ada, ben]), 'forward');
    server.events.set(channel, [{ ...event, createdAt: event.createdAt + 20 * HOUR }]);
    const [result] = await server.read(ben, room([ada, ben]));
    expect(result).toMatchObject({ status: 'decrypted', goneAt: server.now + DAY });
  });

  it('a device takes a new chain every hour and gives a newcomer nothing from before', async () => {
    const { server, ada, ben } = world;
    const talk = room([ada, ben]);
    const first = await server.say(ada, talk, 'one');
    server.now += HOUR;
    const second = await server.say(ada, talk, 'two');
    const chainOf = ({ envelope }: ChannelEvent) =>
      toBase64Url(parseEnvelopeHeader(fromBase64Url(envelope!)).chain!.chainId);
    expect(chainOf(second)).not.toBe(chainOf(first));
    expect(textsOf(await server.read(ben, talk))).toEqual(['one', 'two']);
    const cleo = await server.join('cleo');
    const three = room([ada, ben, cleo]);
    await server.say(ada, three, 'three');
    expect(textsOf(await server.read(cleo, three))).toEqual([null, null, 'three']);
  });
});

describe('what the server names as the policy', () => {
  it('is remembered across starts, and every change of it is told', async () => {
    const { server, ada } = world;
    const note = (policy: 'since_join' | 'shared' | 'ephemeral', afterSeq: number) =>
      ada.engine.notePolicies({ channels: [{ channelId: channel, policy, afterSeq }], now: server.now });
    expect(await note('ephemeral', 0)).toEqual([]);
    expect(await note('ephemeral', 3)).toEqual([]);
    const [seen] = await note('shared', 5);
    expect(seen).toEqual({
      channelId: channel,
      changes: [{ at: server.now, afterSeq: 5, from: 'ephemeral', to: 'shared' }],
    });
    server.now += 1000;
    expect((await note('ephemeral', 9))[0]!.changes).toHaveLength(2);
    expect((await note('ephemeral', 9))[0]!.changes).toHaveLength(2);
  });
});

// History for newcomers: whoever joins a channel with shared history reads what was written before, from whichever reader
// is there, and takes nobody's word for who wrote it. Where history is not shared, nothing is handed on.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ConversationRef } from '#client/crypto/protocol.ts';
import { decodeChainArchive, encodeChainArchive, type ChainArchive } from '#crypto/index.ts';
import { textsOf, type Person } from '../support/exchange.ts';
import { channel, makeWorld, otherChannel, stateOf, type World } from '../support/world.ts';

let world: World;
let cleo: Person;
beforeEach(async () => {
  world = await makeWorld();
});

const room = (people: readonly Person[], sharesHistory = true): ConversationRef => ({
  ...world.server.conversation('text', channel, people),
  sharesHistory,
});
const later = (conversation: ConversationRef): ConversationRef => ({ ...conversation, epoch: 2 });

/** Cleo's account begins now, after what was written. */
async function joins(name = 'cleo'): Promise<Person> {
  world.server.now += 60_000;
  const person = await world.server.join(name);
  await person.engine.compareBackup({ status: { version: 0, count: 0, manifest: null } });
  return person;
}

/** Asks for what is missing, opening sessions where there are none; answers whom it asked. */
async function ask(person: Person, conversation: ConversationRef): Promise<string[]> {
  const { server } = world;
  server.now += 61_000;
  const needed = await person.engine.logsNeeded({
    accounts: conversation.readers.map((accountId) => ({ accountId })),
  });
  await person.engine.ingestLogs({ logs: server.logsFor(needed) });
  const { channelId } = conversation;
  const first = await person.engine.requestKeys({ channelId, conversation, now: server.now });
  await person.engine.startSessions({ claims: server.claim(first.missing.bundles), now: server.now });
  const input = { channelId, conversation, hasTriedSessions: true, now: server.now };
  const second = await person.engine.requestKeys(input);
  const packets = [...first.packets, ...second.packets];
  server.post(person, packets);
  return packets.map((packet) => packet.deviceId).sort();
}

async function answer(person: Person, conversation: ConversationRef): Promise<number> {
  const { server } = world;
  await server.collect(person);
  const packets = await person.engine.answerRequests({ conversation, now: server.now });
  server.post(person, packets);
  return packets.length;
}

/** Changes what a person keeps of every chain they could hand on. */
async function tamper(person: Person, change: (archive: ChainArchive) => ChainArchive): Promise<void> {
  const records = await person.store.list('');
  const archives = [...records].filter(([key]) => key.includes('archive/') && !key.includes('dm-archive/'));
  expect(archives.length).toBeGreaterThan(0);
  const put = archives.map(([key, { value }]) => ({
    key,
    value: encodeChainArchive(change(decodeChainArchive(value as Uint8Array))),
  }));
  await person.store.commit({ expect: [], put, remove: [] });
}

const wrongKey = (archive: ChainArchive): ChainArchive => ({
  ...archive,
  chainKey: archive.chainKey.map((byte) => byte ^ 1),
});

describe('shared history', () => {
  it('is read by a newcomer, also from a sender who is gone for ever, and handed on again', async () => {
    const { server, ada, ben } = world;
    const two = room([ada, ben]);
    await server.say(ada, two, 'from ada');
    await server.say(ben, two, 'from ben');
    await server.say(ada, two, 'and again');
    expect(textsOf(await server.read(ben, two))).toHaveLength(3);
    cleo = await joins();
    const now = later(room([ben, cleo]));
    // Ada left, and her device answers nothing any more.
    const before = await server.read(cleo, now);
    expect(before.map(stateOf)).toEqual([
      'pending log_missing',
      'pending key_missing',
      'pending log_missing',
    ]);
    await server.read(cleo, { ...now, readers: [ada.accountId, ben.accountId, cleo.accountId] });
    expect(await ask(cleo, now)).toEqual([ben.deviceId, ben.deviceId]);
    expect(await answer(ben, now)).toBe(2);
    expect(textsOf(await server.read(cleo, now))).toEqual(['from ada', 'from ben', 'and again']);
    const [first] = await server.read(cleo, now);
    expect(first).toMatchObject({ senderAccountId: ada.accountId, senderDeviceId: ada.deviceId });
    expect(await ask(cleo, now)).toEqual([]);
    // Ben goes as well: Cleo, who was handed it, hands it on.
    const dan = await joins('dan');
    const last = { ...room([cleo, dan]), epoch: 3 };
    await server.read(dan, {
      ...last,
      readers: [ada.accountId, ben.accountId, cleo.accountId, dan.accountId],
    });
    expect(await ask(dan, last)).toEqual([cleo.deviceId, cleo.deviceId]);
    await answer(cleo, last);
    expect(textsOf(await server.read(dan, last))).toEqual(['from ada', 'from ben', 'and again']);
  });

  it('goes on as one conversation: who joined also reads what the same sender writes next', async () => {
    const { server, ada, ben } = world;
    await server.say(ada, room([ada, ben]), 'before');
    cleo = await joins();
    const three = room([ada, ben, cleo]);
    await server.say(ada, three, 'after');
    expect(textsOf(await server.read(cleo, three))).toEqual(['before', 'after']);
    await server.say(ada, three, 'later');
    expect(textsOf(await server.read(cleo, three))).toEqual(['before', 'after', 'later']);
  });

  it('is in the backup of who was handed it, once it opened something', async () => {
    const { server, ada, ben } = world;
    await server.say(ada, room([ada, ben]), 'kept');
    await server.read(ben, room([ada, ben]));
    cleo = await joins();
    const now = later(room([ben, cleo]));
    await server.read(cleo, { ...now, readers: [ada.accountId, ben.accountId, cleo.accountId] });
    await ask(cleo, now);
    await answer(ben, now);
    const waiting = async () =>
      [...(await cleo.store.list('')).keys()].filter((k) => k.includes('backup-queue/1/'));
    await server.collect(cleo);
    expect(await waiting()).toHaveLength(0);
    expect(textsOf(await server.read(cleo, now))).toEqual(['kept']);
    expect(await waiting()).toHaveLength(1);
  });

  it('since joining: nothing before is asked for, and the policy makes senders begin anew', async () => {
    const { server, ada, ben } = world;
    await server.say(ada, room([ada, ben], false), 'not for later');
    await server.say(ada, room([ada, ben], true), 'for later too');
    await server.say(ada, room([ada, ben], false), 'not any more');
    await server.read(ben, room([ada, ben]));
    cleo = await joins();
    const three = room([ada, ben, cleo]);
    const states = (await server.read(cleo, three)).map(stateOf);
    expect(states).toEqual(['failed before_device', 'pending key_missing', 'failed before_device']);
    expect(await ask(cleo, three)).toEqual([ada.deviceId, ben.deviceId].sort());
    await answer(ben, three);
    await answer(ada, three);
    expect(textsOf(await server.read(cleo, three))).toEqual([null, 'for later too', null]);
  });
});

describe('hostile hands', () => {
  it('A61 A72 nothing is taken that was not asked for, nor from who does not read the channel', async () => {
    const { server, ada, ben } = world;
    const two = room([ada, ben]);
    await server.say(ada, two, 'history');
    await server.read(ben, two);
    cleo = await joins();
    const eve = await joins('eve');
    const everybody = room([ada, ben, cleo, eve]);
    // Eve learns it while she reads, and then no longer does.
    await server.read(eve, everybody);
    await ask(eve, everybody);
    await answer(ben, everybody);
    expect(textsOf(await server.read(eve, everybody))).toEqual(['history']);
    const three = { ...room([ada, ben, cleo]), epoch: 2 };
    await server.read(cleo, everybody);
    await ask(cleo, { ...everybody, readers: [cleo.accountId, eve.accountId] });
    await ask(cleo, three);
    expect(await answer(eve, everybody)).toBe(1);
    expect(stateOf((await server.read(cleo, three))[0])).toBe('pending key_missing');
    await answer(ben, three);
    expect(textsOf(await server.read(cleo, three))).toEqual(['history']);
  });

  it('A72 a channel whose history was not asked for takes none', async () => {
    const { server, ada, ben } = world;
    const elsewhere = { ...room([ada, ben]), channelId: otherChannel };
    await server.say(ada, elsewhere, 'elsewhere');
    await server.read(ben, elsewhere);
    cleo = await joins();
    // Ben's answer comes to a device that knows him as a reader and wants nothing of this channel.
    await server.read(cleo, { ...elsewhere, readers: [ada.accountId, ben.accountId, cleo.accountId] });
    await ask(cleo, { ...elsewhere, readers: [ben.accountId, cleo.accountId] });
    const records = await cleo.store.list('');
    const forgotten = [...records.keys()].filter((key) => key.includes('asked/'));
    expect(forgotten.length).toBeGreaterThan(0);
    await cleo.store.commit({ expect: [], put: [], remove: forgotten });
    expect(await answer(ben, { ...elsewhere, readers: [ben.accountId, cleo.accountId] })).toBe(1);
    await server.collect(cleo);
    const chains = [...(await cleo.store.list('')).keys()].filter((key) => /(^|\/)chain\//.test(key));
    expect(chains).toEqual([]);
  });

  it('A72 a wrong key opens nothing, goes no further, and the right one still comes', async () => {
    const { server, ada, ben } = world;
    const two = room([ada, ben]);
    await server.say(ada, two, 'as ada wrote it');
    await server.read(ben, two);
    await tamper(ben, wrongKey);
    cleo = await joins();
    const three = room([ada, ben, cleo]);
    await server.read(cleo, three);
    await ask(cleo, three);
    await answer(ben, three);
    expect(stateOf((await server.read(cleo, three))[0])).toBe('pending key_missing');
    const dan = await joins('dan');
    const withDan = room([cleo, dan]);
    await server.read(dan, { ...withDan, readers: [ada.accountId, cleo.accountId, dan.accountId] });
    await ask(dan, withDan);
    await answer(cleo, withDan);
    expect(stateOf((await server.read(dan, withDan))[0])).toBe('pending key_missing');
    await answer(ada, three);
    expect(textsOf(await server.read(cleo, three))).toEqual(['as ada wrote it']);
  });

  it('A71 who joined later is refused a chain that was not made to be shared, by everybody', async () => {
    const { server, ada, ben } = world;
    await server.say(ada, room([ada, ben], false), 'between us');
    await server.read(ben, room([ada, ben], false));
    // Cleo has an account from before, so her device thinks the key is still to come.
    cleo = await joins();
    const earlier = { ...cleo };
    await server.say(ada, room([ada, ben], false), 'still between us');
    const three = room([ada, ben, earlier], false);
    const states = (await server.read(cleo, three)).map(stateOf);
    expect(states).toEqual(['failed before_device', 'pending key_missing']);
    expect(await ask(cleo, three)).toEqual([ada.deviceId]);
    await answer(ada, three);
    const refused = { reason: 'withheld_by_sender', withheld: 'not_shareable' };
    expect((await server.read(cleo, three))[1]).toMatchObject(refused);
  });

  it('A73 the server cannot make a chain shareable: a changed certificate is nobody’s', async () => {
    const { server, ada, ben } = world;
    await server.say(ada, room([ada, ben], false), 'between us');
    await server.read(ben, room([ada, ben], false));
    const [[chainId, cert]] = Object.entries(server.certs.get(channel)!) as [[string, string]];
    const flipped = Buffer.from(cert, 'base64url');
    expect(flipped[1]).toBe(0);
    flipped[1] = 1;
    server.certs.set(channel, { [chainId]: flipped.toString('base64url') });
    cleo = await joins();
    const three = room([ada, ben, cleo]);
    expect((await server.read(cleo, three)).map(stateOf)).toEqual(['failed before_device']);
    expect(await ask(cleo, three)).toEqual([]);
    expect(textsOf(await server.read(ben, three))).toEqual(['between us']);
  });
});

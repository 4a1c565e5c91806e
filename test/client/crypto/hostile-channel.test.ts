// A hostile server and hostile members around one channel: what is shown is what its author's keys vouch for.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ChannelEvent } from '#shared/messages.ts';
import { textsOf, type Person } from '../support/exchange.ts';
import { channel, dm, makeWorld, openEvents, otherChannel, stateOf, type World } from '../support/world.ts';

let world: World;
let cleo: Person;
beforeEach(async () => {
  world = await makeWorld();
  cleo = await world.server.join('cleo');
});

const three = () => world.server.conversation('text', channel, [world.ada, world.ben, cleo]);
const log = () => world.server.events.get(channel) ?? [];
/** The log as a server would number it that never took these events in. */
const without = (...dropped: readonly ChannelEvent[]): ChannelEvent[] =>
  log()
    .filter((event) => !dropped.includes(event))
    .map((event, at) => ({ ...event, seq: at + 1 }));

describe('who wrote it', () => {
  it('A51 an opened event shown again under another sender, place or bytes is no content', async () => {
    const { server, ada, ben } = world;
    const talk = three();
    const event = await server.say(ada, talk, 'true');
    expect(textsOf(await server.read(ben, talk))).toEqual(['true']);
    const forged: Partial<ChannelEvent>[] = [
      { senderAccountId: cleo.accountId, senderDeviceId: cleo.deviceId },
      { senderDeviceId: cleo.deviceId },
      { class: 'pin' },
      { refId: event.eventId },
      { epoch: 2 },
      { channelId: otherChannel },
    ];
    for (const change of forged) {
      const [result] = await openEvents(world, ben, [{ ...event, ...change }]);
      expect(result?.status, JSON.stringify(change)).toBe('failed');
    }
    expect(textsOf(await server.read(ben, talk))).toEqual(['true']);
  });

  it('A52 a body swapped between two direct messages opens neither', async () => {
    const { server, ada, ben, direct } = world;
    const [first, second] = [await server.say(ada, direct, 'yes'), await server.say(ada, direct, 'no')];
    server.events.set(dm, [
      { ...first, envelope: second.envelope },
      { ...second, envelope: first.envelope },
    ]);
    expect((await server.read(ben, direct)).map((r) => r.status)).toEqual(['failed', 'failed']);
    server.events.set(dm, [first, second]);
    expect(textsOf(await server.read(ben, direct))).toEqual(['yes', 'no']);
  });

  it('A52 any changed byte of an envelope is refused and changes nothing', async () => {
    const { server, ada, ben } = world;
    const talk = three();
    const event = await server.say(ada, talk, 'whole');
    await server.collect(ben);
    const bytes = Buffer.from(event.envelope ?? '', 'base64url');
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x40;
      const [result] = await openEvents(world, ben, [{ ...event, envelope: changed.toString('base64url') }]);
      expect(result?.status, `byte ${at}`).not.toBe('decrypted');
    }
    expect(textsOf(await server.read(ben, talk))).toEqual(['whole']);
  });

  it('A76 a direct conversation never becomes a channel, nor gets a third person', async () => {
    const { server, ada, ben, direct } = world;
    await server.say(ada, direct, 'between us');
    const asChannel = { ...direct, kind: 'text' as const, readers: [...direct.readers, cleo.accountId] };
    await expect(server.say(ada, asChannel, 'leak')).rejects.toMatchObject({ code: 'mismatch' });
    const withThird = { ...direct, readers: [...direct.readers, cleo.accountId] };
    await expect(server.say(ada, withThird, 'leak')).rejects.toMatchObject({ code: 'mismatch' });
    const withOther = { ...direct, readers: [ada.accountId, cleo.accountId] };
    await expect(server.say(ada, withOther, 'leak')).rejects.toMatchObject({ code: 'mismatch' });
    expect(server.mail.get(cleo.deviceId) ?? []).toEqual([]);
    const group = await server.say(ben, three(), 'elsewhere');
    const [seen] = await openEvents(world, ada, [{ ...group, channelId: dm }]);
    expect(seen?.status).toBe('failed');
  });

  it('A76 plaintext and foreign envelopes are never content', async () => {
    const { server, ada, ben } = world;
    const event = await server.say(ada, three(), 'sealed');
    for (const words of ['hello', '{"text":"hello"}', '<b>hello</b>'.repeat(20)]) {
      const envelope = Buffer.from(words).toString('base64url');
      const [result] = await openEvents(world, ben, [{ ...event, envelope }]);
      expect(stateOf(result)).toMatch(/^failed (not_encrypted|unsupported)$/);
    }
  });
});

describe('chains', () => {
  it('A60 key packets are nothing outside an authenticated session', async () => {
    const { server, ada, ben } = world;
    const talk = three();
    await server.say(ada, talk, 'first');
    const packets = server.mail.get(ben.deviceId) ?? [];
    // The same bytes passed off as another device's, and noise.
    for (const fake of [
      { senderAccountId: cleo.accountId, senderDeviceId: cleo.deviceId },
      { senderDeviceId: cleo.deviceId },
      { bytes: Buffer.alloc(300, 7).toString('base64url') },
    ]) {
      const forged = packets.map((packet) => ({ ...packet, ...fake, seq: packet.seq + 5000 }));
      await server.prepare(ben, talk);
      const report = await ben.engine.receivePackets({ packets: forged, now: server.now });
      expect(report.unlocked).toEqual([]);
    }
    expect(stateOf((await openEvents(world, ben, log()))[0])).toBe('pending key_missing');
    expect(textsOf(await server.read(ben, talk))).toEqual(['first']);
  });

  it('A61 who holds a chain cannot be talked into forwarding it, nor does it pass as the author', async () => {
    const { server, ada, ben } = world;
    const two = world.talk;
    await server.say(ada, two, 'for two');
    await server.read(ben, two);
    server.events.set(channel, log());
    await server.read(cleo, two);
    await server.prepare(cleo, three());
    // Cleo, who never got it, asks Ben instead of its owner.
    const { packets } = await cleo.engine.requestKeys({ channelId: channel, now: server.now });
    const toBen = packets.filter((packet) => packet.accountId === ben.accountId);
    expect(toBen).toEqual([]);
    server.post(cleo, packets);
    await server.collect(ada);
    server.post(ada, await ada.engine.answerRequests({ conversation: two, now: server.now }));
    expect(stateOf((await server.read(cleo, two))[0])).toBe('failed withheld_by_sender');
  });

  it('A63 a certificate of another channel or chain unlocks nothing', async () => {
    const { server, ada, ben } = world;
    const talk = three();
    const elsewhere = server.conversation('text', otherChannel, [ada, ben, cleo]);
    await server.say(ada, elsewhere, 'elsewhere');
    const foreign = Object.values(server.certs.get(otherChannel) ?? {});
    const event = await server.say(ada, talk, 'here');
    await server.prepare(ben, talk);
    await server.collect(ben);
    const base = { channelId: channel, kind: 'text', members: null, epoch: 1, now: server.now } as const;
    const [result] = await ben.engine.decrypt({ ...base, events: [event], chainCerts: foreign });
    expect(stateOf(result)).toBe('pending cert_missing');
    expect(textsOf(await server.read(ben, talk))).toEqual(['here']);
  });

  it('A63 shown before the right one, wrong certificates for a chain keep it out of nothing', async () => {
    const { server, ada, ben } = world;
    const talk = three();
    // Cleo's certificates, in a channel of her own, cannot use up the room of Ada's chain here.
    const hers = server.conversation('text', otherChannel, [ben, cleo]);
    await server.say(cleo, hers, 'mine');
    await server.read(ben, hers);
    await server.say(ada, talk, 'here');
    expect(textsOf(await server.read(ben, talk))).toEqual(['here']);
  });

  it('A64 two events at one position of a chain: the second is never content', async () => {
    const { server, ada, ben } = world;
    const talk = three();
    const zero = await server.say(ada, talk, 'to all');
    const before = ada.store.snapshot();
    const first = await server.say(ada, talk, 'to some');
    ada.store.restore(before);
    const again = await server.say(ada, talk, 'to others');
    server.events.set(channel, [zero, first]);
    expect(textsOf(await server.read(ben, talk))).toEqual(['to all', 'to some']);
    const [second] = await openEvents(world, ben, [{ ...again, seq: 3 }]);
    expect(stateOf(second)).toBe('failed equivocation');
  });

  it('A65 a message the server drops is missed where the next one links to it', async () => {
    const { server, ada, ben } = world;
    const talk = three();
    await server.say(ada, talk, 'one');
    const dropped = await server.say(ada, talk, 'two');
    await server.say(ada, talk, 'three');
    server.events.set(channel, without(dropped));
    const missing = (await server.read(ben, talk)).map((r) => r.status === 'decrypted' && r.missingBefore);
    expect(missing).toEqual([0, 1]);
    expect((await server.read(ben, talk)).map((r) => 'missingBefore' in r && r.missingBefore)).toEqual([
      0, 1,
    ]);
  });

  it('A65 nothing is missing where a page leaves out what a later edit replaced, or a stub stands', async () => {
    const { server, ada, ben } = world;
    const talk = three();
    const { eventId: target } = await server.say(ada, talk, 'helo');
    await server.send(ada, talk, { type: 'edit', target, rev: 1, text: 'hellp' });
    await server.say(ada, talk, 'between');
    await server.send(ada, talk, { type: 'edit', target, rev: 2, text: 'hello' });
    server.events.set(
      channel,
      log().filter((event) => event.seq !== 2),
    );
    const seen = await server.read(ben, talk);
    expect(seen.map((r) => 'missingBefore' in r && r.missingBefore)).toEqual([0, 0, 0]);
  });

  it('A65 reordered messages of one sender do not both pass', async () => {
    const { server, ada, ben } = world;
    const talk = three();
    const [one, two] = [await server.say(ada, talk, 'one'), await server.say(ada, talk, 'two')];
    server.events.set(channel, [
      { ...two, seq: 1 },
      { ...one, seq: 2 },
    ]);
    const seen = await server.read(ben, talk);
    expect(seen.filter((r) => r.status === 'decrypted')).toHaveLength(1);
  });
});

describe('removal', () => {
  it('A66 nothing of an old epoch follows the first message of a new one, in one page or later', async () => {
    const { server, ada, ben } = world;
    const old = three();
    await server.say(cleo, old, 'still here');
    await server.say(ada, old, 'hello');
    const two = { ...world.talk, epoch: 2 };
    await server.say(ada, two, 'without cleo');
    await server.say(cleo, old, 'ghost');
    const seen = await server.read(ben, two);
    expect(textsOf(seen)).toEqual(['still here', 'hello', 'without cleo', null]);
    expect(stateOf(seen[3])).toBe('failed sender_revoked');
    await server.say(cleo, old, 'ghost again');
    expect(stateOf((await server.read(ben, two))[4])).toBe('failed sender_revoked');
    // Also for the one who wrote the first message of the new epoch.
    expect(stateOf((await server.read(ada, two))[3])).toBe('failed sender_revoked');
  });

  it('A66 a removed sender who writes under the new epoch is refused', async () => {
    const { server, ada, ben } = world;
    await server.say(cleo, three(), 'member');
    await server.prepare(ben, three());
    const two = { ...world.talk, epoch: 2 };
    await server.prepare(ben, two);
    await server.say(ada, two, 'new epoch');
    await server.say(cleo, { ...three(), epoch: 2 }, 'let me in');
    const seen = await server.read(ben, two);
    expect(textsOf(seen)).toEqual(['member', 'new epoch', null]);
    expect(stateOf(seen[2])).toBe('failed sender_revoked');
    // Taken back in, they are heard again.
    const back = { ...three(), epoch: 2 };
    await server.prepare(ben, back);
    await server.say(cleo, back, 'thanks');
    expect(textsOf(await server.read(ben, back)).at(-1)).toBe('thanks');
  });

  it('A66 who came back and left again while somebody was away is heard for that time, and not after it', async () => {
    const { server, ada, ben } = world;
    await server.say(cleo, three(), 'member');
    await server.prepare(ben, three());
    await server.prepare(ben, { ...world.talk, epoch: 2 });
    // Ben is away: she is back under the epoch that removed her, and removed under the next.
    await server.say(cleo, { ...three(), epoch: 2 }, 'back for a moment');
    const three3 = { ...world.talk, epoch: 3 };
    await server.say(ada, three3, 'gone again');
    await server.say(cleo, { ...three(), epoch: 3 }, 'let me in');
    await server.say(cleo, { ...three(), epoch: 2 }, 'or so');
    await server.prepare(ben, three3);
    const seen = await server.read(ben, three3);
    expect(textsOf(seen)).toEqual(['member', 'back for a moment', 'gone again', null, null]);
    expect(seen.slice(3).map(stateOf)).toEqual(['failed sender_revoked', 'failed sender_revoked']);
  });

  it('A70 a reader removed without a new epoch gets no key of what follows', async () => {
    const { server, ada, ben } = world;
    await server.say(ada, three(), 'all three');
    await server.read(cleo, three());
    await server.say(ada, world.talk, 'only two'); // the server kept the epoch as it was
    expect(textsOf(await server.read(ben, world.talk))).toEqual(['all three', 'only two']);
    expect(textsOf(await server.read(cleo, world.talk))).toEqual(['all three', null]);
  });

  it('A70 two removals and a join around one offline sender: each reads exactly what is theirs', async () => {
    const { server, ada, ben } = world;
    const dora = await server.join('dora');
    await server.say(ada, three(), 'epoch 1');
    const joined = server.conversation('text', channel, [ada, ben, cleo, dora]);
    await server.prepare(ada, joined);
    server.post(ada, await ada.engine.distribute({ conversation: joined, now: server.now }));
    await ada.engine.distributed({ channelId: channel });
    const last = { ...server.conversation('text', channel, [ada, dora]), epoch: 3 };
    await server.say(ada, last, 'epoch 3');
    for (const person of [ben, cleo])
      expect(textsOf(await server.read(person, last))).toEqual(['epoch 1', null]);
    expect(textsOf(await server.read(dora, last)).at(-1)).toBe('epoch 3');
  });

  it('who joined while a chain was under way reads from then on, though their keys came late', async () => {
    const { server, ada, ben } = world;
    await server.say(ada, world.talk, 'before');
    const keys = server.prekeys.get(cleo.deviceId)!;
    server.prekeys.delete(cleo.deviceId);
    await server.say(ada, three(), 'welcome');
    await server.say(ada, three(), 'are you there?');
    server.prekeys.set(cleo.deviceId, keys);
    await server.prepare(ada, three());
    server.post(ada, await ada.engine.distribute({ conversation: three(), now: server.now }));
    await ada.engine.distributed({ channelId: channel });
    expect(textsOf(await server.read(cleo, three()))).toEqual([null, 'welcome', 'are you there?']);
    expect(textsOf(await server.read(ben, three()))).toEqual(['before', 'welcome', 'are you there?']);
  });

  it('A70 a revoked device reads nothing more, though the server keeps epoch and readers', async () => {
    const { server, ada, ben } = world;
    const phone = await server.addDevice(ben);
    server.now += 1000;
    const talk = three();
    await server.say(ada, talk, 'both devices');
    expect(textsOf(await server.read(phone, talk))).toEqual(['both devices']);
    server.logs.get(ben.accountId)!.push(await phone.engine.revokeOwnDevice());
    await server.say(ada, talk, 'one device');
    expect(textsOf(await server.read(ben, talk))).toEqual(['both devices', 'one device']);
    expect(textsOf(await server.read(phone, talk))).toEqual(['both devices', null]);
  });

  it('A71 who asks for a key gets what they are entitled to, or the literal reason', async () => {
    const { server, ada, ben } = world;
    await server.say(ada, world.talk, 'before cleo');
    const talk = three();
    await server.read(cleo, talk);
    await server.prepare(cleo, talk);
    const ask = async (readers: typeof talk) => {
      server.now += 120_000;
      const { packets } = await cleo.engine.requestKeys({ channelId: channel, now: server.now });
      server.post(cleo, packets);
      await server.collect(ada);
      server.post(ada, await ada.engine.answerRequests({ conversation: readers, now: server.now }));
      return (await server.read(cleo, talk))[0];
    };
    expect(await ask(talk)).toMatchObject({ reason: 'withheld_by_sender', withheld: 'not_shareable' });
    const { packets } = await cleo.engine.requestKeys({ channelId: channel, now: server.now + 7_200_000 });
    expect(packets).toEqual([]);
    await server.say(ada, talk, 'with cleo');
    expect(textsOf(await server.read(cleo, talk))).toEqual([null, 'with cleo']);
    expect(textsOf(await server.read(ben, talk))).toEqual(['before cleo', 'with cleo']);
  });
});

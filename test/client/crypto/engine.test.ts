// The engine end to end: people, devices, a channel and a direct conversation over a relay that sees ciphertext only.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ChannelId } from '#shared/ids.ts';
import { Exchange, textsOf, type Person } from '../support/exchange.ts';

const channel = '11111111-1111-4111-8111-111111111111' as ChannelId;
const dm = '22222222-2222-4222-8222-222222222222' as ChannelId;

describe('crypto engine', () => {
  let server: Exchange;
  let ada: Person;
  let ben: Person;

  beforeEach(async () => {
    server = new Exchange();
    ada = await server.join('ada');
    ben = await server.join('ben');
  });

  it('two people talk both ways in a channel', async () => {
    const talk = server.conversation('text', channel, [ada, ben]);
    await server.say(ada, talk, 'hello');
    await server.say(ben, talk, 'hi ada');
    await server.say(ada, talk, 'how are you');
    expect(textsOf(await server.read(ben, talk))).toEqual(['hello', 'hi ada', 'how are you']);
    expect(textsOf(await server.read(ada, talk))).toEqual(['hello', 'hi ada', 'how are you']);
  });

  it('decryption is idempotent by event id', async () => {
    const talk = server.conversation('text', channel, [ada, ben]);
    await server.say(ada, talk, 'once');
    const first = await server.read(ben, talk);
    expect(await server.read(ben, talk)).toEqual(first);
    expect(first[0]?.status).toBe('decrypted');
  });

  it('two people talk both ways in a direct conversation', async () => {
    const talk = server.conversation('dm', dm, [ada, ben]);
    await server.say(ada, talk, 'psst');
    await server.say(ben, talk, 'yes?');
    await server.say(ada, talk, 'nothing');
    expect(textsOf(await server.read(ben, talk))).toEqual(['psst', 'yes?', 'nothing']);
    expect(textsOf(await server.read(ada, talk))).toEqual(['psst', 'yes?', 'nothing']);
  });

  it('edits, reactions and deletions travel as typed content', async () => {
    const talk = server.conversation('text', channel, [ada, ben]);
    const message = await server.say(ada, talk, 'helo');
    const target = message.eventId;
    await server.send(ada, talk, { type: 'edit', target, rev: 1, text: 'hello' });
    await server.send(ben, talk, { type: 'reaction', target, emoji: '👋', add: true, rev: 1 });
    await server.send(ada, talk, { type: 'redact', target });
    const results = await server.read(ben, talk);
    expect(results.map((r) => r.status === 'decrypted' && r.content)).toEqual([
      { type: 'text', text: 'helo', replyTo: null },
      { type: 'edit', target, rev: 1, text: 'hello' },
      { type: 'reaction', target, emoji: '👋', add: true, rev: 1 },
      { type: 'redact', target },
    ]);
  });

  it('a second device reads from its certification on, and its own person too', async () => {
    const talk = server.conversation('text', channel, [ada, ben]);
    const direct = server.conversation('dm', dm, [ada, ben]);
    await server.say(ada, talk, 'before');
    await server.say(ben, direct, 'before');
    server.now += 60_000;
    const phone = await server.addDevice(ben);
    server.now += 60_000;
    // Until the backup was looked at, what is older than the device may still open.
    expect((await server.read(phone, talk))[0]).toMatchObject({ status: 'pending', reason: 'restoring' });
    await phone.engine.compareBackup({ status: { version: 0, count: 0, manifest: null } });
    await server.say(ada, talk, 'after');
    await server.say(ben, talk, 'from my laptop');
    await server.say(ada, direct, 'after');
    const seen = await server.read(phone, talk);
    expect(textsOf(seen)).toEqual([null, 'after', 'from my laptop']);
    expect(seen[0]).toMatchObject({ status: 'failed', reason: 'before_device' });
    expect(textsOf(await server.read(phone, direct))).toEqual([null, 'after']);
    await server.say(phone, talk, 'from my phone');
    expect(textsOf(await server.read(ada, talk)).at(-1)).toBe('from my phone');
    expect(textsOf(await server.read(ben, talk)).at(-1)).toBe('from my phone');
  });

  it('after an epoch change the removed person reads nothing more', async () => {
    const cleo = await server.join('cleo');
    const three = server.conversation('text', channel, [ada, ben, cleo]);
    await server.say(ada, three, 'all three');
    expect(textsOf(await server.read(cleo, three))).toEqual(['all three']);
    const two = { ...server.conversation('text', channel, [ada, ben]), epoch: 2 };
    await server.say(ada, two, 'only two');
    expect(textsOf(await server.read(ben, two))).toEqual(['all three', 'only two']);
    const seen = await server.read(cleo, two);
    expect(seen[1]).toMatchObject({ status: 'pending', reason: 'key_missing' });
  });

  it('a missing chain is asked for and answered', async () => {
    const talk = server.conversation('text', channel, [ada, ben]);
    await server.say(ada, talk, 'first');
    server.mail.clear();
    expect((await server.read(ben, talk))[0]).toMatchObject({ status: 'pending', reason: 'key_missing' });
    await server.prepare(ben, talk);
    const { packets } = await ben.engine.requestKeys({ channelId: channel, now: server.now });
    expect(packets).toHaveLength(1);
    server.post(ben, packets);
    await server.collect(ada);
    server.post(ada, await ada.engine.answerRequests({ conversation: talk, now: server.now }));
    expect(textsOf(await server.read(ben, talk))).toEqual(['first']);
  });

  it('a reader whose keys come a moment after a message still reads it', async () => {
    const talk = server.conversation('text', channel, [ada, ben]);
    const published = server.prekeys.get(ben.deviceId)!;
    server.prekeys.delete(ben.deviceId);
    await server.say(ada, talk, 'too early');
    expect(server.mail.get(ben.deviceId) ?? []).toEqual([]);
    server.prekeys.set(ben.deviceId, published);
    await server.prepare(ada, talk);
    server.post(ada, await ada.engine.distribute({ conversation: talk, now: server.now }));
    expect(textsOf(await server.read(ben, talk))).toEqual(['too early']);
  });

  it('a refused send leaves no trace in the chain and hands its packets out again', async () => {
    const talk = server.conversation('text', channel, [ada, ben]);
    await server.prepare(ada, talk);
    const eventId = server.newEventId();
    const content = { type: 'text', text: 'refused', replyTo: null } as const;
    const input = {
      conversation: talk,
      eventId,
      class: 'message',
      content,
      refId: null,
      now: server.now,
    } as const;
    const sealed = await ada.engine.encrypt(input);
    expect(await ada.engine.encrypt(input)).toEqual(sealed);
    await ada.engine.abandon({ channelId: channel, eventId });
    await server.say(ada, talk, 'accepted');
    expect(textsOf(await server.read(ben, talk))).toEqual(['accepted']);
  });

  it('A01 an uncertified device the server lists gets no packet', async () => {
    const mallory = await server.join('mallory');
    const talk = server.conversation('text', channel, [ada, ben]);
    await server.prepare(ada, talk);
    const fake = { accountId: ben.accountId, deviceId: mallory.deviceId };
    await ada.engine.startSessions({ claims: server.claim([fake]), now: server.now });
    await server.say(ada, talk, 'to certified devices');
    expect(server.mail.get(mallory.deviceId) ?? []).toEqual([]);
    expect(textsOf(await server.read(ben, talk))).toEqual(['to certified devices']);
  });

  it('an event whose envelope disagrees with the server is never content', async () => {
    const talk = server.conversation('text', channel, [ada, ben]);
    const event = await server.say(ada, talk, 'true');
    server.events.set(channel, [{ ...event, senderAccountId: ben.accountId, senderDeviceId: ben.deviceId }]);
    const [forged] = await server.read(ben, talk);
    expect(forged?.status).not.toBe('decrypted');
    server.events.set(channel, [{ ...event, envelope: 'aGVsbG8gd29ybGQ' }]);
    const [plain] = await server.read(ben, talk);
    expect(plain?.status).toBe('failed');
  });
});

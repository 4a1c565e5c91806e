// Packets that cannot be decrypted are no dead end: the receiver asks, the sender opens a new session and sends the keys
// again (protocol 3.6), over a relay that sees ciphertext only.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  fromBase64Url,
  PACKET_CONTROL,
  PACKET_PREKEY,
  toBase64Url,
  type CommitBatch,
} from '#crypto/index.ts';
import type { MailboxPacket, OutgoingPacket } from '#shared/mailbox.ts';
import { mend, textsOf, type AnyPerson, type Person } from '../support/exchange.ts';
import { makeWorld, type World } from '../support/world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const kindOf = (packet: OutgoingPacket | MailboxPacket): number => fromBase64Url(packet.bytes)[0]!;

/** The browser lost its sessions: with whom, and how far they were. */
async function loseSessions(person: Person): Promise<void> {
  const records = await person.store.list(`${person.accountId}/session/`);
  expect(records.size).toBeGreaterThan(0);
  const batch: CommitBatch = { expect: [], put: [], remove: [...records.keys()] };
  await person.store.commit(batch);
}

/** Every record and its version, but for the list of mailbox positions seen. */
async function stateOf(person: Person): Promise<string> {
  const records = [...(await person.store.list(''))].filter(([key]) => !key.endsWith('/taken'));
  return JSON.stringify(records.map(([key, { version }]) => [key, version]));
}

describe('repair of sessions', () => {
  let world: World;
  let ada: Person;
  let ben: Person;

  beforeEach(async () => {
    world = await makeWorld();
    ({ ada, ben } = world);
    const { server, direct, talk } = world;
    await server.say(ada, direct, 'one');
    await server.say(ben, direct, 'two');
    await server.say(ada, talk, 'hello');
    for (const person of [ada, ben]) {
      await server.read(person, direct);
      await server.read(person, talk);
    }
    await server.say(ada, direct, 'three');
    await server.read(ben, direct);
  });

  const direct = async (person: AnyPerson): Promise<(string | null)[]> =>
    textsOf(await world.server.read(person, world.direct));

  it('a message whose packet cannot be decrypted opens by itself after one request', async () => {
    const { server } = world;
    await loseSessions(ben);
    await server.say(ada, world.direct, 'lost');
    expect(await direct(ben)).toEqual(['one', 'two', 'three', null]);
    const asked = await server.repair(ben);
    expect(asked.map(kindOf)).toEqual([PACKET_CONTROL]);
    await server.collect(ada);
    const answer = await server.repair(ada);
    expect(answer.map(kindOf)).toEqual([PACKET_PREKEY]);
    expect(await direct(ben)).toEqual(['one', 'two', 'three', 'lost']);
    // and both go on over the new session
    await server.say(ben, world.direct, 'thanks');
    await server.say(ada, world.direct, 'fine');
    expect((await direct(ada)).slice(-2)).toEqual(['thanks', 'fine']);
    expect((await direct(ben)).slice(-2)).toEqual(['thanks', 'fine']);
    expect(await mend(server, [ada, ben])).toEqual([]);
  });

  it('chains of channels are sent again to who was given them', async () => {
    const { server, talk } = world;
    const again = { ...talk, epoch: 2 };
    await loseSessions(ben);
    await server.say(ada, again, 'under a new chain');
    const before = textsOf(await server.read(ben, again));
    expect(before).toEqual(['hello', null]);
    await mend(server, [ben, ada], [again]);
    expect(textsOf(await server.read(ben, again))).toEqual(['hello', 'under a new chain']);
  });

  it('A71 nobody who may no longer read is sent a chain again', async () => {
    const { server, talk } = world;
    const again = { ...talk, epoch: 2 };
    await loseSessions(ben);
    await server.say(ada, again, 'under a new chain');
    await server.read(ben, again);
    const withoutBen = { ...again, readers: [ada.accountId] };
    await mend(server, [ben, ada], [withoutBen]);
    expect(textsOf(await server.read(ben, again))).toEqual(['hello', null]);
  });

  it('keys of direct messages go again only to devices that were sent them', async () => {
    const { server } = world;
    const phone = await server.addDevice(ben);
    await phone.engine.compareBackup({ status: { version: 0, count: 0, manifest: null } });
    server.now += MINUTE;
    await server.say(ada, world.direct, 'for both');
    expect((await direct(phone)).at(-1)).toBe('for both');
    await loseSessions(phone);
    await server.say(ada, world.direct, 'lost on the phone');
    expect((await direct(phone)).at(-1)).toBeNull();
    await mend(server, [phone, ada]);
    expect(await direct(phone)).toEqual([null, null, null, 'for both', 'lost on the phone']);
  });

  it('own devices mend between each other', async () => {
    const { server } = world;
    const laptop = await server.addDevice(ada);
    await laptop.engine.compareBackup({ status: { version: 0, count: 0, manifest: null } });
    server.now += MINUTE;
    await server.say(ada, world.direct, 'from the first');
    expect((await direct(laptop)).at(-1)).toBe('from the first');
    await loseSessions(laptop);
    await server.say(ada, world.direct, 'lost on the laptop');
    expect((await direct(laptop)).at(-1)).toBeNull();
    await mend(server, [laptop, ada]);
    expect((await direct(laptop)).slice(-2)).toEqual(['from the first', 'lost on the laptop']);
  });

  it('A47 a sender restored from a snapshot repeats numbers, is asked, and goes on', async () => {
    const { server } = world;
    const old = ada.store.snapshot();
    await server.say(ada, world.direct, 'before the restore');
    expect((await direct(ben)).at(-1)).toBe('before the restore');
    ada.store.restore(old);
    await server.say(ada, world.direct, 'under a used number');
    expect((await direct(ben)).at(-1)).toBeNull();
    await mend(server, [ben, ada]);
    expect((await direct(ben)).slice(-2)).toEqual(['before the restore', 'under a used number']);
  });

  it('a receiver restored from a snapshot asks for what it cannot follow', async () => {
    const { server } = world;
    const old = ben.store.snapshot();
    for (let i = 0; i < 3; i++) {
      await server.say(ben, world.direct, `b${i}`);
      await direct(ada);
      await server.say(ada, world.direct, `a${i}`);
      await direct(ben);
    }
    ben.store.restore(old);
    await server.say(ada, world.direct, 'far ahead');
    expect((await direct(ben)).at(-1)).toBeNull();
    await mend(server, [ben, ada]);
    expect((await direct(ben)).at(-1)).toBe('far ahead');
    // what was read before the snapshot was restored was sent within 14 days too
    expect((await direct(ben)).slice(3)).toEqual([null, 'a0', null, 'a1', null, 'a2', 'far ahead']);
  });

  it('a message whose key never came is asked for once', async () => {
    const { server } = world;
    await server.say(ada, world.direct, 'dropped');
    server.mail.delete(ben.deviceId);
    expect((await direct(ben)).at(-1)).toBeNull();
    const input = { channelId: world.direct.channelId, conversation: world.direct, now: server.now };
    expect((await ben.engine.requestKeys(input)).repair).toBe(true);
    const asked = await server.repair(ben);
    // the session is sound, so the request goes over it
    expect(asked.map(kindOf)).not.toContain(PACKET_CONTROL);
    await mend(server, [ada, ben]);
    expect((await direct(ben)).at(-1)).toBe('dropped');
    expect((await ben.engine.requestKeys(input)).repair).toBe(false);
  });

  it('packets that come twice are no reason to ask', async () => {
    const { server } = world;
    await server.say(ada, world.direct, 'four');
    const twice = [...server.mail.get(ben.deviceId)!];
    await direct(ben);
    const report = await ben.engine.receivePackets({ packets: twice, now: server.now });
    expect(report.repair).toBe(false);
    expect((await ben.engine.dueRepairs({ now: server.now })).packets).toEqual([]);
  });

  it('keys are sent again for 14 days, then forgotten', async () => {
    const { server } = world;
    await loseSessions(ben);
    await server.say(ada, world.direct, 'lost');
    await direct(ben);
    const sentKeys = () => ada.store.list(`${ada.accountId}/sent-key/`);
    expect((await sentKeys()).size).toBe(3);
    server.now += 16 * 24 * HOUR;
    await ada.engine.dueRepairs({ now: server.now });
    expect((await sentKeys()).size).toBe(0);
  });

  it('a refused message is not sent again', async () => {
    const { server } = world;
    await server.prepare(ada, world.direct);
    const eventId = server.newEventId();
    const content = { type: 'text', text: 'no', replyTo: null } as const;
    const input = { conversation: world.direct, eventId, class: 'message', content, refId: null } as const;
    const count = async () => (await ada.store.list(`${ada.accountId}/sent-key/`)).size;
    const before = await count();
    await ada.engine.encrypt({ ...input, now: server.now });
    expect(await count()).toBe(before + 1);
    await ada.engine.abandon({ channelId: world.direct.channelId, eventId });
    expect(await count()).toBe(before);
  });

  it('what is handed out comes again until the server has it', async () => {
    const { server } = world;
    await loseSessions(ben);
    await server.say(ada, world.direct, 'lost');
    await direct(ben);
    const first = await ben.engine.dueRepairs({ now: server.now });
    expect(first.packets).toHaveLength(1);
    expect((await ben.engine.dueRepairs({ now: server.now })).packets).toEqual(first.packets);
    await ben.engine.repairsSent();
    expect((await ben.engine.dueRepairs({ now: server.now })).packets).toEqual([]);
  });

  it('where the server refuses prekeys the answer waits, and is given later', async () => {
    const { server } = world;
    await loseSessions(ben);
    await server.say(ada, world.direct, 'lost');
    await direct(ben);
    await server.repair(ben);
    const published = server.prekeys.get(ben.deviceId)!;
    server.prekeys.delete(ben.deviceId);
    await server.collect(ada);
    expect(await server.repair(ada)).toEqual([]);
    server.prekeys.set(ben.deviceId, published);
    expect(await server.repair(ada)).toEqual([]);
    server.now += 10 * MINUTE;
    expect(await server.repair(ada)).toHaveLength(1);
    expect((await direct(ben)).at(-1)).toBe('lost');
  });

  describe('A49 floods and forgeries', () => {
    /** The request ben would send, taken off the wire. */
    async function askedByBen(): Promise<MailboxPacket> {
      const { server } = world;
      await loseSessions(ben);
      await server.say(ada, world.direct, 'lost');
      await direct(ben);
      await server.repair(ben);
      return server.mail.get(ada.deviceId)!.at(-1)!;
    }
    let seq = 10_000;
    const give = async (person: Person, packet: MailboxPacket): Promise<boolean> => {
      const fresh = { ...packet, seq: ++seq };
      return (await person.engine.receivePackets({ packets: [fresh], now: world.server.now })).repair;
    };

    it('A49 a repeated request changes nothing', async () => {
      const { server } = world;
      const request = await askedByBen();
      await mend(server, [ada, ben]);
      server.now += 2 * MINUTE;
      const before = await stateOf(ada);
      expect(await give(ada, request)).toBe(false);
      expect(await stateOf(ada)).toBe(before);
      expect(await server.repair(ada)).toEqual([]);
    });

    it("A49 a changed request, or one in another's name, changes nothing", async () => {
      const { server } = world;
      const cleo = await server.join('cleo');
      const trio = server.conversation('text', world.talk.channelId, [ada, ben, cleo]);
      await server.prepare(ada, trio);
      const request = await askedByBen();
      server.mail.delete(ada.deviceId);
      const bytes = fromBase64Url(request.bytes);
      const changed = { ...request, bytes: toBase64Url(bytes.with(-1, bytes.at(-1)! ^ 1)) };
      const claimed = { ...request, senderAccountId: cleo.accountId, senderDeviceId: cleo.deviceId };
      const before = await stateOf(ada);
      for (const packet of [changed, claimed]) {
        expect(await give(ada, packet)).toBe(false);
        expect(await server.repair(ada)).toEqual([]);
      }
      expect(await stateOf(ada)).toBe(before);
      expect(await ada.engine.wedgedDevices()).toEqual([]);
      expect(await give(ada, request)).toBe(true);
    });

    it("A49 junk in somebody's name makes at most 6 requests an hour, then the person is told", async () => {
      const { server } = world;
      const [template] = await (async () => {
        await server.say(ada, world.direct, 'four');
        return server.mail.get(ben.deviceId)!;
      })();
      await direct(ben);
      let asked = 0;
      for (let i = 0; i < 90; i++) {
        const bytes = fromBase64Url(template!.bytes);
        await give(ben, { ...template!, bytes: toBase64Url(bytes.with(-1, i)) });
        asked += (await server.repair(ben)).length;
        server.now += 20_000;
      }
      expect(asked).toBe(6);
      const device = { accountId: ada.accountId, deviceId: ada.deviceId };
      expect(await ben.engine.wedgedDevices()).toEqual([device]);
    });

    it('A49 a device that asks without end is answered at most once a minute and 6 times an hour', async () => {
      const { server } = world;
      let answers = 0;
      for (let i = 0; i < 90; i++) {
        // a modified client: it forgets what it asked
        const forgotten = [...(await ben.store.list(`${ben.accountId}/repair/`)).keys()];
        await ben.store.commit({ expect: [], put: [], remove: forgotten });
        const event = await server.say(ada, world.direct, `m${i}`);
        server.mail.delete(ben.deviceId);
        await direct(ben);
        const { channelId } = event;
        await ben.engine.requestKeys({ channelId, conversation: world.direct, now: server.now });
        await server.repair(ben);
        await server.collect(ada);
        if ((await server.repair(ada)).length > 0) answers += 1;
        server.now += 10_000;
      }
      expect(answers).toBe(6);
      const device = { accountId: ben.accountId, deviceId: ben.deviceId };
      expect(await ada.engine.wedgedDevices()).toEqual([device]);
    });

    it('A49 keys nobody asked for are not taken in by the dozen', async () => {
      const { server } = world;
      await server.say(ada, world.direct, 'dropped');
      server.mail.delete(ben.deviceId);
      expect((await direct(ben)).at(-1)).toBeNull();
      // a modified client answers what it was not asked
      await askedByBen();
      server.mail.delete(ada.deviceId);
      const key = [...(await ben.store.list(`${ben.accountId}/repair/`))][0]!;
      const record = { ...(key[1].value as object), askedAt: 0, asked: [], wanted: null };
      await ben.store.commit({ expect: [], put: [{ key: key[0], value: record }], remove: [] });
      const [address] = [...(await ada.store.list(`${ada.accountId}/session/`)).keys()];
      const forced = {
        ...(key[1].value as object),
        device: { accountId: ben.accountId, deviceId: ben.deviceId },
        answerAt: server.now,
      };
      const place = address!.replace('/session/', '/repair/');
      await ada.store.commit({ expect: [], put: [{ key: place, value: forced }], remove: [] });
      expect((await server.repair(ada)).map(kindOf)).toEqual([PACKET_PREKEY]);
      expect((await direct(ben)).slice(-2)).toEqual([null, null]);
    });

    it('a wedged session is mended by hand', async () => {
      const { server } = world;
      await loseSessions(ben);
      for (let i = 0; i < 7; i++) {
        await server.say(ada, world.direct, `lost ${i}`);
        await direct(ben);
        await server.repair(ben);
        server.mail.delete(ada.deviceId); // nothing ben asks arrives
        server.now += MINUTE;
      }
      expect(await ben.engine.wedgedDevices()).toHaveLength(1);
      await ben.engine.repairByHand({ accountId: ada.accountId, now: server.now });
      expect(await ben.engine.wedgedDevices()).toEqual([]);
      const byHand = await server.repair(ben);
      expect(byHand.map(kindOf)).toEqual([PACKET_PREKEY]);
      await mend(server, [ada, ben]);
      expect((await direct(ben)).slice(-7)).toEqual(Array.from({ length: 7 }, (_, i) => `lost ${i}`));
      expect(await ben.engine.wedgedDevices()).toEqual([]);
    });

    it('nobody asks a device that was revoked, and nobody answers it', async () => {
      const { server } = world;
      const request = await askedByBen();
      const entry = await ben.engine.revokeOwnDevice();
      server.logs.get(ben.accountId)!.push(entry);
      await ada.engine.ingestLogs({
        logs: server.logsFor([{ accountId: ben.accountId, fromSeq: 0 }]),
        isMailTaken: true,
      });
      expect(await give(ada, request)).toBe(false);
      expect(await server.repair(ada)).toEqual([]);
    });
  });
});

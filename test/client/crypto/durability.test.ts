// What survives: crashes at every point, two engines on one store, restored profiles, floods, a server that lies about
// prekeys.
import { beforeEach, describe, expect, it } from 'vitest';
import { createEngine } from '#client/crypto/engine.ts';
import {
  MAX_PARKED,
  MAX_PARKED_PER_DEVICE,
  MAX_PARKED_TRIES,
  PREKEYS_AGAIN_MS,
} from '#client/crypto/engine-limits.ts';
import type { Draft } from '#client/crypto/protocol.ts';
import { fromBase64Url, parseEnvelopeHeader, systemRng, toHex } from '#crypto/index.ts';
import { limits } from '#shared/limits.ts';
import type { EventId } from '#shared/ids.ts';
import { Crash, FaultStore } from '../../crypto/support/fault-store.ts';
import { quickKdf, textsOf, type AnyPerson } from '../support/exchange.ts';
import { channel, makeWorld, newUuid, stateOf, type World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});

/** Dora on a store that can die, Ada on one that cannot, and the moment both can be taken back to. */
async function onFaultStore() {
  const { server, ada } = world;
  const store = new FaultStore();
  const dora = await server.joinOn('dora', store);
  const talk = server.conversation('text', channel, [dora, ada]);
  const restart = async (): Promise<AnyPerson> => {
    store.restart();
    const engine = createEngine({ store, rng: systemRng, argon2: quickKdf });
    await engine.open({ accountId: dora.accountId });
    return { ...dora, engine };
  };
  const remember = () => {
    const [hers, his, relay] = [store.snapshot(), ada.store.snapshot(), server.snapshot()];
    return (): Promise<AnyPerson> => {
      store.restore(hers);
      ada.store.restore(his);
      relay();
      return restart();
    };
  };
  return { store, dora, talk, restart, remember };
}

/** Runs `work`; true when it was cut by the crash. */
async function crashed(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (error instanceof Crash) return true;
    throw error;
  }
}

const positionOf = (envelope: string): string => {
  const { chain } = parseEnvelopeHeader(fromBase64Url(envelope));
  return chain ? `${toHex(chain.chainId)} ${chain.iter}` : 'dm';
};

const draftOf = (eventId: EventId, body: string): Draft => ({
  eventId,
  channelId: channel,
  class: 'message',
  content: { type: 'text', text: body, replyTo: null },
  refId: null,
  mentions: [],
  createdAt: 1,
  failure: null,
});

describe('crashes', () => {
  it('A45 between the chain advance and the send: no position is used twice, nothing is lost or doubled', async () => {
    const { server, ada } = world;
    const { store, dora, talk, restart, remember } = await onFaultStore();
    await server.say(dora, talk, 'first');
    await server.prepare(dora, talk);
    const eventId = server.newEventId();
    const draft = draftOf(eventId, 'second');
    const back = remember();
    for (let at = 0; ; at++) {
      const person = await back();
      const sends: string[] = [];
      const send = async ({ engine }: AnyPerson): Promise<void> => {
        await engine.keepDraft({ draft });
        const sealed = await engine.encrypt({ ...draft, conversation: talk, now: server.now });
        sends.push(sealed.envelope);
        if (!server.events.get(channel)?.some((event) => event.eventId === eventId)) {
          server.append(dora, sealed);
          server.post(dora, sealed.packets);
        }
        await engine.acknowledge({ channelId: channel, eventId });
      };
      store.arm(at);
      const isCut = await crashed(() => send(person));
      const again = await restart();
      if ((await again.engine.drafts()).length > 0) await send(again);
      else if (sends.length === 0) continue; // died before the draft was kept: nobody was told it was
      await server.say(again, talk, 'third');
      expect(new Set(sends).size).toBe(1);
      const sent = server.events.get(channel)!.map((event) => positionOf(event.envelope!));
      expect(new Set(sent).size).toBe(sent.length);
      for (const reader of [ada, again])
        expect(textsOf(await server.read(reader, talk)), `point ${at}`).toEqual(['first', 'second', 'third']);
      if (isCut) continue;
      expect(at).toBeGreaterThan(10);
      return;
    }
  }, 60_000);

  it('A45 between receive and commit: every message is read exactly once it is there, none is lost', async () => {
    const { server, ada } = world;
    const { store, talk, restart, remember } = await onFaultStore();
    await server.say(ada, talk, 'first');
    await server.say(ada, talk, 'second');
    const back = remember();
    for (let at = 0; ; at++) {
      const person = await back();
      store.arm(at);
      const isCut = await crashed(() => server.read(person, talk));
      const again = await restart();
      expect(textsOf(await server.read(again, talk)), `point ${at}`).toEqual(['first', 'second']);
      await server.say(ada, talk, 'third');
      expect(textsOf(await server.read(again, talk)).at(-1)).toBe('third');
      if (isCut) continue;
      expect(at).toBeGreaterThan(10);
      return;
    }
  }, 60_000);

  it('an event once acknowledged is not encrypted again, and giving it up deletes nothing', async () => {
    const { server, ada, ben, talk } = world;
    const event = await server.say(ada, talk, 'stored');
    const { eventId } = event;
    const input = { ...draftOf(eventId, 'stored'), conversation: talk, now: server.now };
    await expect(ada.engine.encrypt(input)).rejects.toMatchObject({ code: 'replay' });
    await ada.engine.abandon({ channelId: channel, eventId });
    expect(textsOf(await server.read(ada, talk))).toEqual(['stored']);
    expect(textsOf(await server.read(ben, talk))).toEqual(['stored']);
  });

  it('drafts outlive the engine, in the order they were written, and go with the acknowledgement', async () => {
    const { server, ada, talk } = world;
    const ids = [server.newEventId(), server.newEventId(), server.newEventId()];
    for (const id of [ids[2]!, ids[0]!, ids[1]!])
      await ada.engine.keepDraft({ draft: draftOf(id, `draft ${id}`) });
    const again = createEngine({ store: ada.store, rng: systemRng, argon2: quickKdf });
    await again.open({ accountId: ada.accountId });
    expect((await again.drafts()).map((draft) => draft.eventId)).toEqual(ids);
    const first = { ...draftOf(ids[0]!, `draft ${ids[0]}`), conversation: talk, now: server.now };
    await server.prepare(ada, talk);
    await again.encrypt(first);
    expect(await again.drafts()).toHaveLength(3);
    await again.acknowledge({ channelId: channel, eventId: ids[0]! });
    await again.dropDraft({ eventId: ids[1]! });
    expect((await again.drafts()).map((draft) => draft.eventId)).toEqual([ids[2]]);
  });
});

describe('two engines on one store', () => {
  it('A46 encrypting at once use no chain position and no packet number twice', async () => {
    const { server, ada, ben, talk, direct } = world;
    await server.say(ada, talk, 'begin');
    await server.say(ada, direct, 'begin');
    const tab = createEngine({ store: ada.store, rng: systemRng, argon2: quickKdf });
    await tab.open({ accountId: ada.accountId });
    const packets: string[] = [];
    for (let n = 0; n < 12; n++) {
      const inputs = [ada.engine, tab].map((engine) => {
        const eventId = server.newEventId();
        const conversation = n % 2 === 0 ? talk : direct;
        return { engine, input: { ...draftOf(eventId, `tab ${n}`), conversation, now: server.now } };
      });
      // One send at a time per channel: one of the two wins, the other is refused and comes after it.
      const tries = await Promise.allSettled(inputs.map(({ engine, input }) => engine.encrypt(input)));
      expect(tries.filter((t) => t.status === 'fulfilled')).toHaveLength(1);
      for (const [at, { engine, input }] of inputs.entries()) {
        const first = tries[at]!;
        const sealed = first.status === 'fulfilled' ? first.value : null;
        if (!sealed) continue;
        server.append(ada, sealed);
        packets.push(...sealed.packets.map((packet) => packet.bytes));
        server.post(ada, sealed.packets);
        await engine.acknowledge({ channelId: input.conversation.channelId, eventId: input.eventId });
      }
    }
    const sent = server.events.get(channel)!.map((event) => positionOf(event.envelope!));
    expect(new Set(sent).size).toBe(sent.length);
    expect(new Set(packets).size).toBe(packets.length);
    expect(textsOf(await server.read(ben, talk)).every((body) => body !== null)).toBe(true);
    expect(textsOf(await server.read(ben, direct)).every((body) => body !== null)).toBe(true);
  });

  it('A46 both receiving the same packets and events agree, and nothing is lost', async () => {
    const { server, ada, ben, talk } = world;
    const tab = createEngine({ store: ben.store, rng: systemRng, argon2: quickKdf });
    await tab.open({ accountId: ben.accountId });
    for (let n = 0; n < 5; n++) await server.say(ada, talk, `line ${n}`);
    const other = { ...ben, engine: tab };
    await Promise.all([server.read(ben, talk), server.read(other, talk)]);
    const lines = ['line 0', 'line 1', 'line 2', 'line 3', 'line 4'];
    expect(textsOf(await server.read(ben, talk))).toEqual(lines);
    expect(textsOf(await server.read(other, talk))).toEqual(lines);
  });
});

describe('a restored profile', () => {
  it('A47 writes under the same position again, never with the same nonce', async () => {
    const { server, ada, talk } = world;
    await server.say(ada, talk, 'before');
    await server.prepare(ada, talk);
    const snapshot = ada.store.snapshot();
    const seal = async (body: string) => {
      const input = { ...draftOf(server.newEventId(), body), conversation: talk, now: server.now };
      return ada.engine.encrypt(input);
    };
    const first = await seal('attack at dawn');
    ada.store.restore(snapshot);
    const second = await seal('attack at dusk');
    expect(positionOf(first.envelope)).toBe(positionOf(second.envelope));
    const tail = (envelope: string) => toHex(fromBase64Url(envelope)).slice(-400);
    expect(tail(first.envelope)).not.toBe(tail(second.envelope));
  });
});

describe('floods', () => {
  it('A74 packets nobody can open yet stay bounded, and push out only their own sender', async () => {
    const { server, ada, ben, talk } = world;
    await server.say(ben, talk, 'hello');
    await server.read(ada, talk);
    const packet = (seq: number, senderDeviceId: string) => ({
      seq,
      senderAccountId: newUuid(),
      senderDeviceId,
      bytes: 'AAAA',
      createdAt: server.now,
    });
    const [flooder, quiet] = [newUuid(), newUuid()];
    const packets = [packet(1, quiet), ...Array.from({ length: 400 }, (_, n) => packet(n + 2, flooder))];
    await ada.engine.receivePackets({ packets: packets as never, now: server.now });
    const parked = async () => {
      const records = await ada.store.list(`${ada.accountId}/parked/`);
      return [...records.values()].map((r) => (r.value as { packet: { senderDeviceId: string } }).packet);
    };
    expect(await parked()).toHaveLength(MAX_PARKED_PER_DEVICE + 1);
    expect((await parked()).some((p) => p.senderDeviceId === quiet)).toBe(true);
    const many = Array.from({ length: MAX_PARKED + 50 }, (_, n) => packet(n + 1000, newUuid()));
    await ada.engine.receivePackets({ packets: many as never, now: server.now });
    expect((await parked()).length).toBeLessThanOrEqual(MAX_PARKED);
    for (let round = 0; round < MAX_PARKED_TRIES; round++)
      await ada.engine.receivePackets({ packets: [], now: server.now });
    expect(await parked()).toEqual([]);
  }, 60_000);

  it('A74 a chain ends at 1000 messages and goes on under a new one', async () => {
    const { server, ada, ben, talk } = world;
    await server.say(ada, talk, 'first');
    const key = [...(await ada.store.list(`${ada.accountId}/own-chain/`))][0]!;
    const [name, { value, version }] = key;
    const worn = value as { chain: object };
    const spent = { ...worn, chain: { ...worn.chain, iter: 1000 } };
    await ada.store.commit({
      expect: [{ key: name, version }],
      put: [{ key: name, value: spent }],
      remove: [],
    });
    await server.say(ada, talk, 'under a new chain');
    const positions = server.events.get(channel)!.map((event) => positionOf(event.envelope!));
    expect(positions[1]).toMatch(/ 0$/);
    expect(positions[1]?.split(' ')[0]).not.toBe(positions[0]?.split(' ')[0]);
    expect(textsOf(await server.read(ben, talk))).toEqual(['first', 'under a new chain']);
  });

  it('events that wait for keys are only answered, not kept', async () => {
    const { server, ada, ben, talk } = world;
    for (let n = 0; n < 20; n++) await server.say(ada, talk, `line ${n}`);
    server.mail.clear();
    const before = (await ben.store.list('')).size;
    const seen = await server.read(ben, talk);
    expect(new Set(seen.map(stateOf))).toEqual(new Set(['pending key_missing']));
    expect((await ben.store.list('')).size - before).toBeLessThan(8);
  });
});

describe('prekeys', () => {
  it('a server that keeps saying they are gone gets a new set once in five minutes', async () => {
    const { server, ada } = world;
    const gone = { setId: null, setHash: null, remaining: 0, notAfter: null };
    let made = 0;
    for (let second = 0; second < 1200; second += 10) {
      const now = server.now + second * 1000;
      if (await ada.engine.preparePrekeys({ status: gone, now })) made += 1;
      await ada.engine.prekeysPublished();
    }
    expect(made).toBeLessThanOrEqual(1 + 1_200_000 / PREKEYS_AGAIN_MS);
    expect(made).toBeGreaterThan(1);
  });

  it('a set not confirmed is repeated byte-identical, at any time', async () => {
    const { server, ada } = world;
    const status = { setId: null, setHash: null, remaining: 0, notAfter: null };
    const later = server.now + PREKEYS_AGAIN_MS;
    const first = await ada.engine.preparePrekeys({ status, now: later });
    expect(first?.units).toHaveLength(limits.prekeyUnits);
    expect(await ada.engine.preparePrekeys({ status, now: later + 1 })).toEqual(first);
  });
});

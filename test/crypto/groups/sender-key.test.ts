import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { authenticatePacket, type AuthenticatedPacket } from '#crypto/authenticated.ts';
import { signChainCert, verifyChainCert, type ChainCert } from '#crypto/chain-cert.ts';
import { CHAIN_GRACE_MS, CHAIN_LIFETIME_MS, CHAIN_MAX_ITER } from '#crypto/constants.ts';
import type { IncomingEvent } from '#crypto/dm-message.ts';
import { decodeEnvelope, encodeEnvelope, type Envelope } from '#crypto/envelope.ts';
import { timeOrderedId } from '#crypto/ids.ts';
import { sign } from '#crypto/primitives.ts';
import { installChain, type ReceiverChain } from '#crypto/receiver-chain.ts';
import {
  acknowledgeSend,
  needsNewChain,
  refuseSend,
  senderChainPacket,
  stepChain,
} from '#crypto/sender-chain.ts';
import { encryptGroupEvent, openGroupEvent, parseGroupEvent } from '#crypto/sender-key.ts';
import {
  certOf,
  chainOf,
  CONTEXT,
  EPOCH,
  expectedOf,
  flip,
  headerFor,
  NOW,
  OTHER_CHANNEL,
  overSession,
  pair,
  person,
  received,
  rngOf,
  Speaker,
} from './group-people.ts';
import { expectCode } from '../support/expect-code.ts';

const ada = person('ada');
const bob = person('bob');

function change(event: IncomingEvent, fields: Partial<Envelope>): IncomingEvent {
  return { ...event, envelope: encodeEnvelope({ ...decodeEnvelope(event.envelope), ...fields }) };
}

function textOf(opened: { content: { type: string } }): string {
  return (opened.content as { type: 'text'; text: string }).text;
}

describe('sender keys', () => {
  it('carries a conversation, each message linked to the one before', () => {
    const { ada: speaker, held } = pair('talk');
    let chain = held;
    const links: Uint8Array[] = [speaker.chain.certHash];
    for (const text of ['one', 'two', 'three']) {
      const event = speaker.say(text);
      expect(parseGroupEvent(event).prev).toEqual(links.at(-1));
      const step = openGroupEvent(chain, event, CONTEXT);
      chain = step.chain;
      links.push(step.opened.link);
      expect(textOf(step.opened)).toBe(text);
      expect(step.opened.sender).toEqual(ada.device);
    }
    expect(chain.seenIters).toEqual([0, 1, 2]);
  });

  it('keeps the link of the last acknowledged message across a refusal, and skips its position', () => {
    const { ada: speaker, held } = pair('refused');
    const first = openGroupEvent(held, speaker.say('kept'), CONTEXT);
    speaker.trySay('refused');
    expect(speaker.chain.pending?.iter).toBe(1);
    expectCode('not_allowed', () => speaker.trySay('while one is in flight'));
    speaker.chain = refuseSend(speaker.chain, speaker.chain.pending!.eventId);
    const third = openGroupEvent(first.chain, speaker.say('again'), CONTEXT);
    expect(third.opened.iter).toBe(2);
    expect(parseGroupEvent(speaker.say('x')).prev).toEqual(third.opened.link);
    expect(third.chain.skipped.map((key) => key.iter)).toEqual([1]);
  });

  it('acknowledges once and only the event in flight', () => {
    const { ada: speaker } = pair('acks');
    speaker.trySay('pending');
    const { pending } = speaker.chain;
    const stranger = timeOrderedId(NOW, rngOf('stranger'));
    expect(acknowledgeSend(speaker.chain, stranger)).toBe(speaker.chain);
    expect(refuseSend(speaker.chain, stranger)).toBe(speaker.chain);
    const once = acknowledgeSend(speaker.chain, pending!.eventId);
    expect(once.acknowledged).toEqual(pending!.link);
    expect(acknowledgeSend(once, pending!.eventId)).toBe(once);
  });

  it('opens messages in any order and each once', () => {
    const { ada: speaker, held } = pair('order');
    const events = Array.from({ length: 12 }, (_, i) => speaker.say(`m${i}`));
    fc.assert(
      fc.property(fc.shuffledSubarray(events, { minLength: 1 }), (delivered) => {
        let chain = held;
        for (const event of delivered) {
          const step = openGroupEvent(chain, event, CONTEXT);
          chain = step.chain;
          expectCode('replay', () => openGroupEvent(step.chain, event, CONTEXT));
        }
        const highest = Math.max(...chain.seenIters);
        expect(chain.skipped.length).toBe(highest + 1 - delivered.length);
      }),
      { numRuns: 15 },
    );
  });

  it('leaves the record byte-identical when opening fails', () => {
    const { ada: speaker, held } = pair('transactional');
    const chain = openGroupEvent(held, speaker.say('first'), CONTEXT).chain;
    const event = speaker.say('second');
    const before = structuredClone(chain);
    fc.assert(
      fc.property(fc.nat(event.envelope.length - 1), fc.nat(7), (index, bit) => {
        const changed = { ...event, envelope: flip(event.envelope, index, bit) };
        expect(() => openGroupEvent(chain, changed, CONTEXT)).toThrow();
        expect(chain).toEqual(before);
      }),
      { numRuns: 150 },
    );
    expect(textOf(openGroupEvent(chain, event, CONTEXT).opened)).toBe('second');
  });

  it('encrypts nothing for another channel, under another epoch or under another name than its content', () => {
    const chain = chainOf(ada, 'own-checks');
    const content = { type: 'text', text: 'x' } as const;
    const rng = rngOf('own-checks');
    const header = headerFor(content, timeOrderedId(NOW, rng));
    const send = (more: Partial<typeof header>) =>
      encryptGroupEvent(chain, { header: { ...header, ...more }, content }, { rng, now: NOW });
    expectCode('mismatch', () => send({ channelId: OTHER_CHANNEL }));
    expectCode('mismatch', () => send({ epoch: EPOCH + 1 }));
    expectCode('mismatch', () => send({ ref: header.eventId }));
    expectCode('mismatch', () => send({ class: 'edit', ref: header.eventId }));
    expect(send({}).iter).toBe(0);
  });

  it('says when the next message needs a new chain', () => {
    const chain = chainOf(ada, 'rotation');
    const facts = { now: NOW, epoch: EPOCH, ownDeviceListHash: new Uint8Array(32) };
    expect(needsNewChain(chain, facts)).toBeNull();
    expect(needsNewChain(undefined, facts)).toBe('none-yet');
    expect(needsNewChain(chain, { ...facts, epoch: EPOCH + 1 })).toBe('epoch');
    expect(needsNewChain({ ...chain, iter: 1000 }, facts)).toBe('used-up');
    expect(needsNewChain(chain, { ...facts, now: NOW + CHAIN_LIFETIME_MS - 1 })).toBeNull();
    expect(needsNewChain(chain, { ...facts, now: NOW + CHAIN_LIFETIME_MS })).toBe('expired');
    expect(needsNewChain(chain, { ...facts, ownDeviceListHash: new Uint8Array(32).fill(1) })).toBe('devices');
    expect(needsNewChain(chain, { ...facts, shareable: true })).toBe('history-policy');
    expect(needsNewChain(chain, { ...facts, shareable: false })).toBeNull();
  });

  it('lets a joiner read from now on only', () => {
    const { ada: speaker } = pair('joiner');
    const before = speaker.say('before');
    const late = received(ada, speaker.chain);
    const after = speaker.say('after');
    expect(textOf(openGroupEvent(late, after, CONTEXT).opened)).toBe('after');
    expectCode('unknown_chain', () => openGroupEvent(late, before, CONTEXT));
  });

  it('A52 refuses a commitment that differs between header and message, or opens to nothing', () => {
    const { ada: speaker, held } = pair('commit');
    const event = speaker.say('committed');
    const { commit } = decodeEnvelope(event.envelope);
    expectCode('mismatch', () => openGroupEvent(held, change(event, { commit: flip(commit, 0) }), CONTEXT));
  });
});

describe('sender keys under attack', () => {
  it('A60 takes chains only with the proof of session decryption', () => {
    const chain = chainOf(ada, 'a60');
    const context = { cert: certOf(chain, ada), existing: [], now: NOW };
    const payload = senderChainPacket(chain);
    const genuine = overSession(ada, payload);
    const forgeries: AuthenticatedPacket[] = [
      { peer: ada.device, payload },
      { ...genuine },
      structuredClone(genuine),
      Object.create(genuine) as AuthenticatedPacket,
      JSON.parse(JSON.stringify(genuine)) as AuthenticatedPacket,
    ];
    for (const forged of forgeries) expectCode('not_allowed', () => installChain(forged, context));
    expect(installChain(genuine, context).chain.startIter).toBe(0);
  });

  it('A60 takes a chain from nobody but the device that owns it', () => {
    const chain = chainOf(ada, 'a60b');
    const context = { cert: certOf(chain, ada), existing: [], now: NOW };
    for (const from of [bob, person('ada', 1)]) {
      expectCode('not_allowed', () => installChain(overSession(from, senderChainPacket(chain)), context));
    }
    const other = chainOf(ada, 'a60c');
    expectCode('mismatch', () => installChain(overSession(ada, senderChainPacket(other)), context));
    const wrongCert = senderChainPacket({ ...chain, certHash: other.certHash });
    expectCode('mismatch', () => installChain(overSession(ada, wrongCert), context));
  });

  it('A50 group messages, direct messages and chain packets are never taken for one another', () => {
    const { ada: speaker, held } = pair('a50');
    const event = speaker.say('group');
    const { payload } = decodeEnvelope(event.envelope);
    const context = { cert: certOf(speaker.chain, ada), existing: [], now: NOW };
    // a group payload, even the whole event, over an authenticated session is no pairwise payload
    for (const bytes of [payload, event.envelope]) {
      const packet = authenticatePacket(ada.device, bytes);
      expect(() => installChain(packet, context)).toThrow(/^(unsupported|malformed)/);
    }
    // pairwise payloads and packets in place of the group payload
    const pairwise = [senderChainPacket(speaker.chain), Uint8Array.of(0x10, 1, 2), Uint8Array.of(0x11, 0, 3)];
    for (const bytes of [...pairwise, payload.slice(0, 90), Uint8Array.of(0x20, 0)]) {
      expectCode('malformed', () => openGroupEvent(held, change(event, { payload: bytes }), CONTEXT));
    }
    expectCode('not_allowed', () => openGroupEvent(held, change(event, { mode: 'control' }), CONTEXT));
    expectCode('not_allowed', () => openGroupEvent(held, change(event, { mode: 'dm' }), CONTEXT));
  });

  it('A62 a member who holds the chain key can not write as its owner', () => {
    const { ada: speaker, held } = pair('a62');
    // Bob knows the chain key, and signs with everything he has
    const asAda = new Speaker(ada, { ...speaker.chain, chainSecretKey: bob.secretKey }, 'a62/forged');
    expectCode('bad_signature', () => openGroupEvent(held, asAda.say('I, Ada'), CONTEXT));
    // a genuine message of hers with the body encrypted anew under the shared key
    const genuine = speaker.say('genuine');
    const forged = asAda.say('replaced');
    const signature = decodeEnvelope(genuine.envelope).payload.slice(-64);
    const body = decodeEnvelope(forged.envelope);
    const mixed = change(forged, { payload: new Uint8Array([...body.payload.slice(0, -64), ...signature]) });
    expectCode('bad_signature', () => openGroupEvent(held, mixed, CONTEXT));
    // and Bob's own chain does not speak for Ada
    const bobs = new Speaker(bob, chainOf(bob, 'a62/bob'), 'a62/bob');
    const bobsEvent = bobs.say('I, Bob');
    const bobsChain = received(bob, { ...bobs.chain, iter: 0, chainKey: bobs.chain.seed });
    const relabelled = { ...bobsEvent, sender: ada.device };
    expectCode('mismatch', () => openGroupEvent(bobsChain, relabelled, CONTEXT));
    expectCode('unknown_chain', () => openGroupEvent(held, relabelled, CONTEXT));
  });

  it('A63 refuses certificates of another channel, account or device, of a future epoch, and forged ones', () => {
    const chain = chainOf(ada, 'a63');
    const owner = expectedOf(ada);
    expect(verifyChainCert(chain.cert, owner).epoch).toBe(EPOCH);
    const second = person('ada', 1);
    expectCode('mismatch', () => verifyChainCert(chain.cert, { ...owner, channelId: OTHER_CHANNEL }));
    expectCode('mismatch', () => verifyChainCert(chain.cert, { ...owner, aid: bob.device.aid }));
    expectCode('mismatch', () => verifyChainCert(chain.cert, { ...owner, deviceId: second.device.deviceId }));
    expectCode('mismatch', () => verifyChainCert(chain.cert, { ...owner, maxEpoch: EPOCH - 1 }));
    expectCode('bad_signature', () =>
      verifyChainCert(chain.cert, { ...owner, devicePublicKey: bob.publicKey }),
    );
    for (let index = 0; index < chain.cert.length; index += 7) {
      expect(() => verifyChainCert(flip(chain.cert, index), owner)).toThrow();
    }
    // a signature made for another structure
    const fields = chain.cert.slice(0, -64);
    const crossed = new Uint8Array([...fields, ...sign(ada.secretKey, 'prekey-set', fields)]);
    expectCode('bad_signature', () => verifyChainCert(crossed, owner));
  });

  it('A63 refuses terms over the bounds, even when the owner signs them', () => {
    const good: ChainCert = { ...certOf(chainOf(ada, 'a63/terms'), ada) };
    for (const terms of [
      { maxIter: CHAIN_MAX_ITER + 1 },
      { maxIter: 0 },
      { notAfter: good.createdAt + CHAIN_LIFETIME_MS + 1 },
      { notAfter: good.createdAt },
    ]) {
      expectCode('limit', () => signChainCert({ ...good, ...terms }, ada.secretKey));
    }
    const owner = expectedOf(ada);
    const smallOrder = new Uint8Array(32);
    smallOrder[0] = 1;
    const crafted = signChainCert({ ...good, chainPublicKey: smallOrder }, ada.secretKey);
    expectCode('bad_key', () => verifyChainCert(crafted, owner));
  });

  it('A63 holds messages to the certificate: channel, epoch and server time', () => {
    const { ada: speaker, held } = pair('a63/message');
    const limit = held.notAfter + CHAIN_GRACE_MS;
    const event = speaker.say('hi');
    expectCode('expired', () => openGroupEvent(held, { ...event, createdAt: limit + 1 }, CONTEXT));
    expect(openGroupEvent(held, { ...event, createdAt: limit }, CONTEXT).opened.iter).toBe(0);
    expectCode('mismatch', () => openGroupEvent(held, change(event, { epoch: EPOCH + 1 }), CONTEXT));
    expectCode('mismatch', () => openGroupEvent(held, change(event, { channelId: OTHER_CHANNEL }), CONTEXT));
    // the server may not set its clock back to revive an expired chain (P7)
    const context = { ...CONTEXT, minCreatedAt: limit + 1 };
    expectCode('mismatch', () => openGroupEvent(held, { ...event, createdAt: limit }, context));
  });

  it('A64 raises the alarm when one position was signed twice', () => {
    const { ada: speaker, held } = pair('a64');
    const fork = new Speaker(ada, speaker.chain, 'a64/fork');
    const [first, second] = [speaker.say('to you'), fork.say('to others')];
    const { chain } = openGroupEvent(held, first, CONTEXT);
    expectCode('equivocation', () => openGroupEvent(chain, { ...second, seq: 2 }, CONTEXT));
    expectCode('replay', () => openGroupEvent(chain, { ...first, seq: 2 }, CONTEXT));
    // nobody but the owner can raise it
    const payload = decodeEnvelope(second.envelope).payload;
    const forged = change(second, { payload: flip(payload, payload.length - 1) });
    expectCode('bad_signature', () => openGroupEvent(chain, forged, CONTEXT));
  });

  it('A66 refuses a removed sender under the old chain and under a new one', () => {
    const { ada: speaker, held } = pair('a66');
    const event = speaker.say('after I was removed');
    // somebody else already wrote under the epoch that began with the removal
    expectCode('revoked', () => openGroupEvent(held, event, { ...CONTEXT, minEpoch: EPOCH + 1 }));
    const removed = { ...CONTEXT, minEpoch: EPOCH + 1, removedFromEpoch: EPOCH + 1 };
    const next = chainOf(ada, 'a66/next', { epoch: EPOCH + 1 });
    const fresh = new Speaker(ada, next, 'a66/next').say('new chain');
    expectCode('revoked', () => openGroupEvent(received(ada, next), fresh, removed));
    // what was sent before the removal stays readable
    const history = { ...CONTEXT, removedFromEpoch: EPOCH + 1 };
    expect(textOf(openGroupEvent(held, event, history).opened)).toBe('after I was removed');
  });

  it('A70 a sender who was away during a removal rotates before the next message', () => {
    const away = chainOf(ada, 'a70');
    const facts = { now: NOW, ownDeviceListHash: new Uint8Array(32) };
    // two removals while away: one rotation, to the newest epoch
    expect(needsNewChain(away, { ...facts, epoch: EPOCH + 2 })).toBe('epoch');
    const header = headerFor({ type: 'text', text: 'x' }, timeOrderedId(NOW, rngOf('a70')), EPOCH + 2);
    expectCode('mismatch', () =>
      encryptGroupEvent(
        away,
        { header, content: { type: 'text', text: 'x' } },
        { rng: rngOf('a70'), now: NOW },
      ),
    );
    const next = chainOf(ada, 'a70/next', { epoch: EPOCH + 2 });
    expect(needsNewChain(next, { ...facts, epoch: EPOCH + 2 })).toBeNull();
    expect(needsNewChain(next, { ...facts, epoch: EPOCH + 3 })).toBe('epoch');
    // somebody who joins during the rotation gets the new chain, and nothing the old one carried
    const joiner = received(ada, next);
    const old = new Speaker(ada, away, 'a70/old').say('old epoch');
    expectCode('unknown_chain', () => openGroupEvent(joiner, old, CONTEXT));
  });

  it('A74 ends at 1000 messages on both sides', () => {
    const chain = { ...chainOf(ada, 'a74'), iter: CHAIN_MAX_ITER };
    const message = { type: 'text', text: 'one too many' } as const;
    const header = headerFor(message, timeOrderedId(NOW, rngOf('a74')));
    const context = { rng: rngOf('a74'), now: NOW };
    expectCode('limit', () => encryptGroupEvent(chain, { header, content: message }, context));
    // an owner who ignores the cap signs the message by hand
    const { ada: speaker, held } = pair('a74/over');
    const short: ReceiverChain = { ...held, maxIter: 1 };
    openGroupEvent(short, speaker.say('0'), CONTEXT);
    expectCode('limit', () => openGroupEvent(short, speaker.say('1'), CONTEXT));
    expectCode('expired', () =>
      encryptGroupEvent(
        chainOf(ada, 'a74/old'),
        { header, content: message },
        { ...context, now: NOW + CHAIN_LIFETIME_MS },
      ),
    );
  });

  it('A74 refuses positions no chain can have, before any work', () => {
    const { ada: speaker, held } = pair('a74/overflow');
    const event = speaker.say('x');
    const { payload } = decodeEnvelope(event.envelope);
    const withIter = (...iter: number[]) =>
      change(event, { payload: new Uint8Array([...payload.slice(0, 10), ...iter, ...payload.slice(11)]) });
    expectCode('limit', () => openGroupEvent(held, withIter(0xe8, 0x07), CONTEXT));
    expectCode('limit', () => openGroupEvent(held, withIter(0xff, 0xff, 0xff, 0xff, 0x0f), CONTEXT));
    expectCode('malformed', () => openGroupEvent(held, withIter(0xff, 0xff, 0xff, 0xff, 0x1f), CONTEXT));
    expectCode('malformed', () => openGroupEvent(held, withIter(0x80, 0x00), CONTEXT));
    // within the cap, but unsigned: refused before a thousand steps are taken
    expectCode('bad_signature', () => openGroupEvent(held, withIter(0xe7, 0x07), CONTEXT));
  });

  it('A76 shows no readable event of an encrypted channel as content', () => {
    const { ada: speaker, held } = pair('a76');
    const event = speaker.say('sealed');
    const plain = new TextEncoder().encode('{"text":"trust me"}');
    for (const mode of ['webhook', 'system', 'control', 'dm'] as const) {
      expectCode('not_allowed', () => openGroupEvent(held, change(event, { mode }), CONTEXT));
      expectCode('not_allowed', () => openGroupEvent(held, change(event, { mode, payload: plain }), CONTEXT));
    }
    expectCode('malformed', () => openGroupEvent(held, change(event, { payload: plain }), CONTEXT));
  });

  it('steps forward only: a message key tells nothing about the next', () => {
    const start = new Uint8Array(32).fill(1);
    const { chainKey, messageKey } = stepChain(start);
    expect(chainKey).not.toEqual(messageKey);
    expect(stepChain(chainKey).messageKey).not.toEqual(messageKey);
    expect(stepChain(messageKey).messageKey).not.toEqual(stepChain(chainKey).messageKey);
  });
});

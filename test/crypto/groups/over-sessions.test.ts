// The group half over real pairwise sessions: handshake, ratchet, proof, then chains and message keys.
import { describe, expect, it } from 'vitest';
import type { AuthenticatedPacket } from '#crypto/authenticated.ts';
import { verifyChainCert } from '#crypto/chain-cert.ts';
import { acceptDmKey, encryptDm, openDm } from '#crypto/dm-message.ts';
import { decodeEnvelope } from '#crypto/envelope.ts';
import { timeOrderedId } from '#crypto/ids.ts';
import { answerKeyRequest } from '#crypto/key-request.ts';
import { decodePairwise, encodePairwise } from '#crypto/pairwise.ts';
import { installChain, type InstallContext } from '#crypto/receiver-chain.ts';
import { createSenderChain, senderChainPacket, type SenderChain } from '#crypto/sender-chain.ts';
import { openGroupEvent } from '#crypto/sender-key.ts';
import { encryptPairwise } from '#crypto/session.ts';
import { expectCode } from '../support/expect-code.ts';
import { makeEnd, open, peek, type End } from '../support/pairs.ts';
import {
  CHANNEL,
  CONTEXT,
  EPOCH,
  expectedOf,
  headerFor,
  NOW,
  type Person,
  rngOf,
  Speaker,
} from './group-people.ts';

function personOf(end: End): Person {
  const { signing, deviceId } = end.device.secrets;
  return {
    device: { aid: end.account.log.aid, deviceId },
    publicKey: signing.publicKey,
    secretKey: signing.secretKey,
  };
}

/** Encrypts a payload on the session from one end to the other; returns the packet on the wire. */
function wire(from: End, to: End, payload: Uint8Array): Uint8Array {
  if (!from.set) open(from, to);
  const logs = { ownLog: from.self.log, peerLog: to.self.log };
  const sent = encryptPairwise(from.set!, { ...logs, payload }, { now: NOW, rng: from.rng });
  from.set = sent.record;
  return sent.packet;
}

/** Carries a payload from one end to the other; returns what decryption proves. */
function carry(from: End, to: End, payload: Uint8Array): AuthenticatedPacket {
  const result = peek(to, from, wire(from, to, payload));
  to.set = result.record;
  to.prekeys = result.prekeys;
  return result.packet;
}

function chainFor(end: End, readers: readonly End[]): SenderChain {
  const { device, secretKey } = personOf(end);
  return createSenderChain(
    {
      channelId: CHANNEL,
      owner: device,
      deviceSecretKey: secretKey,
      epoch: EPOCH,
      shareable: false,
      ownDeviceListHash: new Uint8Array(32),
      readers: readers.map((reader) => reader.account.log.aid),
    },
    { rng: end.rng, now: NOW },
  );
}

function contextFor(owner: End, chain: SenderChain): InstallContext {
  return { cert: verifyChainCert(chain.cert, expectedOf(personOf(owner))), existing: [], now: NOW };
}

describe('groups over real sessions', () => {
  it('hands out a chain, misses it, asks for it and reads', () => {
    const [ada, bob] = [makeEnd('ada'), makeEnd('bob')];
    const speaker = new Speaker(personOf(ada), chainFor(ada, [ada, bob]), 'over-sessions');
    const event = speaker.say('did you get the key?');
    const { chainId } = speaker.chain;
    const asked = carry(
      bob,
      ada,
      encodePairwise({ kind: 'key-request', channelId: CHANNEL, chainId, iter: 0 }),
    );
    const request = decodePairwise(asked);
    if (request.kind !== 'key-request') throw new Error('expected a request');
    const answer = answerKeyRequest(
      request,
      { device: asked.peer, live: true, member: true },
      { kind: 'owned', chain: speaker.chain },
    );
    expect(answer.answer).toBe(true);
    const held = installChain(carry(ada, bob, answer.packet), contextFor(ada, speaker.chain)).chain;
    const { opened } = openGroupEvent(held, event, CONTEXT);
    expect(opened.content).toEqual({ type: 'text', text: 'did you get the key?' });
  });

  it('A60 a chain pushed by the server or by a member, not over the owner’s session, is ignored', () => {
    const [ada, bob, eve] = [makeEnd('ada'), makeEnd('bob'), makeEnd('eve')];
    const chain = chainFor(ada, [ada, bob]);
    const context = contextFor(ada, chain);
    const payload = senderChainPacket(chain);
    // the server has no session: it can only hand over an object
    expectCode('not_allowed', () => installChain({ peer: personOf(ada).device, payload }, context));
    // Eve holds the chain and pushes it over her own, genuine session
    expectCode('not_allowed', () => installChain(carry(eve, bob, payload), context));
    // the server relabels Eve's packet as Ada's: session decryption refuses it first
    const packet = wire(eve, bob, payload);
    expect(() => peek(bob, { ...eve, account: ada.account, device: ada.device }, packet)).toThrow();
    expect(installChain(carry(ada, makeEnd('bob2'), payload), context).chain.iter).toBe(0);
  });

  it('A51 a key from one person’s session opens no event of another', () => {
    const [ada, bob, eve] = [makeEnd('ada'), makeEnd('bob'), makeEnd('eve')];
    const content = { type: 'text', text: 'for Bob' } as const;
    const sender = personOf(ada).device;
    const rng = rngOf('over-sessions/a51');
    const header = headerFor(content, timeOrderedId(NOW, rng));
    const sent = encryptDm({ header, content, sender }, rng);
    const event = { envelope: sent.envelope, seq: 1, createdAt: NOW, sender };
    const conversation = {
      channelId: CHANNEL,
      participants: [sender.aid, personOf(bob).device.aid],
    } as const;
    const fromEve = acceptDmKey(carry(eve, bob, sent.keyPacket));
    expectCode('mismatch', () => openDm(event, fromEve, conversation));
    const asEve = { ...event, sender: personOf(eve).device };
    expectCode('not_allowed', () => openDm(asEve, fromEve, conversation));
    const fromAda = acceptDmKey(carry(ada, makeEnd('bob3'), sent.keyPacket));
    expect(openDm(event, fromAda, conversation).content).toEqual(content);
  });

  it('A50 neither half decodes the other’s bytes', () => {
    const [ada, bob] = [makeEnd('ada'), makeEnd('bob')];
    const speaker = new Speaker(personOf(ada), chainFor(ada, [ada, bob]), 'over-sessions/a50');
    const event = speaker.say('group');
    const { payload } = decodeEnvelope(event.envelope);
    const packet = wire(ada, bob, senderChainPacket(speaker.chain, 0));
    for (const bytes of [payload, event.envelope, speaker.chain.cert]) {
      expectCode('malformed', () => peek(bob, ada, bytes));
    }
    const held = installChain(peek(bob, ada, packet).packet, contextFor(ada, speaker.chain)).chain;
    expect(() => openGroupEvent(held, { ...event, envelope: packet }, CONTEXT)).toThrow(
      /^(malformed|unsupported)/,
    );
    // a group message carried inside a session is still no key
    const carried = carry(ada, bob, payload);
    expectCode('unsupported', () => decodePairwise(carried));
  });
});

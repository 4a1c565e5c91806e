// Frozen vectors of the group half: any difference is a break of the wire.
import { describe, expect, it } from 'vitest';
import { fromHex, toHex, utf8 } from '#crypto/bytes.ts';
import { chainCertHash, signChainCert, verifyChainCert } from '#crypto/chain-cert.ts';
import { decodeContent, encodeContent, type KnownContent } from '#crypto/content.ts';
import { acceptDmKey, encryptDm, openDm } from '#crypto/dm-message.ts';
import { decodeEnvelope, encodeEnvelope, parseEnvelopeHeader, type Envelope } from '#crypto/envelope.ts';
import { commitContent } from '#crypto/franking.ts';
import { padContent, paddedLength, unpadContent } from '#crypto/padding.ts';
import { encodePairwise } from '#crypto/pairwise.ts';
import { ed25519KeyPair, H } from '#crypto/primitives.ts';
import { senderChainPacket, stepChain } from '#crypto/sender-chain.ts';
import { openGroupEvent } from '#crypto/sender-key.ts';
import { frozenVectors } from '../support/vectors.ts';
import {
  chainOf,
  CHANNEL,
  CONTEXT,
  NOW,
  overSession,
  person,
  received,
  rngOf,
  Speaker,
} from './group-people.ts';

const ada = person('ada');
const bob = person('bob');
const EVENT_ID = fromHex('0198f0000000700080000000000000aa');
const TARGET = fromHex('0198f0000000700080000000000000bb');
const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

const ENVELOPES: Record<string, Envelope> = {
  small: {
    mode: 'dm',
    class: 'message',
    channelId: CHANNEL,
    eventId: EVENT_ID,
    epoch: 0,
    commit: fill(32, 7),
    blobIds: [],
    payload: fill(3, 9),
  },
  full: {
    mode: 'webhook',
    class: 'vote',
    channelId: CHANNEL,
    eventId: EVENT_ID,
    epoch: 2_147_483_647,
    ref: TARGET,
    threadRoot: fill(16, 5),
    ttlSeconds: 86_400,
    commit: fill(32, 0),
    blobIds: [fill(16, 1), fill(16, 2)],
    payload: fill(200, 8),
  },
};

const CONTENTS: readonly KnownContent[] = [
  { type: 'text', text: 'Grüße, 世界 👋' },
  { type: 'text', text: 'a reply', replyTo: TARGET },
  { type: 'edit', target: TARGET, rev: 3, text: 'corrected' },
  { type: 'reaction', target: TARGET, emoji: '👍🏽', op: 'add', rev: 1_790_000_000_000 },
  { type: 'reaction', target: TARGET, emoji: '👍🏽', op: 'remove', rev: 1_790_000_000_001 },
  { type: 'redact', target: TARGET },
  { type: 'pin', target: TARGET },
  { type: 'unpin', target: TARGET },
];

/** H over the 1000 message keys, and the chain key after them. */
function chainDigest(seed: Uint8Array): { messageKeys: string; chainKey: string; first: string } {
  const keys: Uint8Array[] = [];
  let chainKey = seed;
  for (let i = 0; i < 1000; i++) {
    const step = stepChain(chainKey);
    keys.push(step.messageKey);
    chainKey = step.chainKey;
  }
  return { messageKeys: toHex(H(...keys)), chainKey: toHex(chainKey), first: toHex(keys[0]!) };
}

describe('frozen vectors of the group half', () => {
  it('envelope', () => {
    const fresh = Object.entries(ENVELOPES).map(([name, envelope]) => {
      const bytes = encodeEnvelope(envelope);
      return { name, bytes: toHex(bytes), headerHash: toHex(parseEnvelopeHeader(bytes).headerHash) };
    });
    const frozen = frozenVectors('envelope.json', fresh);
    expect(fresh).toEqual(frozen);
    for (const { name, bytes } of frozen) expect(decodeEnvelope(fromHex(bytes))).toEqual(ENVELOPES[name]);
  });

  it('content and padding', () => {
    const fresh = {
      content: CONTENTS.map((content) => ({
        type: content.type,
        cbor: toHex(encodeContent(content)),
        inner: toHex(padContent(fill(32, 6), encodeContent(content))),
      })),
      paddedLength: [0, 1, 128, 129, 160, 500, 4096, 4097, 16_000, 65_571].map((n) => [n, paddedLength(n)]),
    };
    const frozen = frozenVectors('content.json', fresh);
    expect(fresh).toEqual(frozen);
    frozen.content.forEach(({ cbor, inner }, i) => {
      expect(decodeContent(fromHex(cbor))).toEqual(CONTENTS[i]);
      expect(toHex(unpadContent(fromHex(inner)).content)).toBe(cbor);
    });
  });

  it('franking', () => {
    const content = encodeContent(CONTENTS[0]!);
    const commit = commitContent(fill(32, 6), {
      channelId: CHANNEL,
      eventId: EVENT_ID,
      aid: fill(32, 1),
      deviceId: fill(16, 2),
      content,
    });
    const fresh = { content: toHex(content), commit: toHex(commit) };
    expect(fresh).toEqual(frozenVectors('franking.json', fresh));
  });

  it('direct message body', () => {
    const header = {
      class: 'message',
      channelId: CHANNEL,
      eventId: EVENT_ID,
      epoch: 1,
      blobIds: [],
    } as const;
    const content: KnownContent = { type: 'text', text: 'only for you' };
    const sent = encryptDm({ header, content, sender: ada.device }, rngOf('vector/dm'));
    const fresh = {
      aid: toHex(ada.device.aid),
      deviceId: toHex(ada.device.deviceId),
      envelope: toHex(sent.envelope),
      keyPacket: toHex(sent.keyPacket),
    };
    const frozen = frozenVectors('dm-body.json', fresh);
    expect(fresh).toEqual(frozen);
    const event = { envelope: fromHex(frozen.envelope), seq: 1, createdAt: NOW, sender: ada.device };
    const key = acceptDmKey(overSession(ada, fromHex(frozen.keyPacket)));
    const conversation = { channelId: CHANNEL, participants: [ada.device.aid, bob.device.aid] } as const;
    expect(openDm(event, key, conversation).content).toEqual(content);
  });

  it('chain certificate', () => {
    const device = ed25519KeyPair(rngOf('vector/device'));
    const owner = { channelId: CHANNEL, aid: fill(32, 1), deviceId: fill(16, 2) };
    const chainPublicKey = ed25519KeyPair(rngOf('vector/chain')).publicKey;
    const terms = { epoch: 300, shareable: true, createdAt: NOW, notAfter: NOW + 604_800_000, maxIter: 1000 };
    const cert = { ...owner, chainId: fill(8, 3), chainPublicKey, ...terms };
    const bytes = signChainCert(cert, device.secretKey);
    const fresh = {
      devicePublicKey: toHex(device.publicKey),
      bytes: toHex(bytes),
      hash: toHex(chainCertHash(bytes)),
    };
    const frozen = frozenVectors('chain-cert.json', fresh);
    expect(fresh).toEqual(frozen);
    const devicePublicKey = fromHex(frozen.devicePublicKey);
    const verified = verifyChainCert(fromHex(frozen.bytes), { ...owner, devicePublicKey, maxEpoch: 300 });
    expect(verified).toMatchObject(cert);
    expect(toHex(verified.hash)).toBe(frozen.hash);
  });

  it('sender chain of 1000 iterations', () => {
    const fresh = chainDigest(H(utf8('vector/sender-chain')));
    expect(fresh).toEqual(frozenVectors('sender-chain.json', fresh));
  });

  it('sender-key messages', () => {
    const chain = chainOf(ada, 'vector/messages');
    const speaker = new Speaker(ada, chain, 'vector/messages');
    const events = ['first', 'second'].map((text) => toHex(speaker.say(text).envelope));
    const fresh = { cert: toHex(chain.cert), packet: toHex(senderChainPacket(chain)), events };
    const frozen = frozenVectors('sender-key.json', fresh);
    expect(fresh).toEqual(frozen);
    let held = received(ada, chain);
    frozen.events.forEach((envelope, i) => {
      const event = { envelope: fromHex(envelope), seq: i + 1, createdAt: NOW, sender: ada.device };
      held = openGroupEvent(held, event, CONTEXT).chain;
    });
    expect(held.iter).toBe(2);
  });

  it('pairwise payloads', () => {
    const [channelId, chainId, key] = [CHANNEL, fill(8, 3), fill(32, 4)];
    const fresh = {
      dmKey: {
        kind: 'dm-key',
        eventId: EVENT_ID,
        contentKey: key,
        bodyHash: fill(32, 5),
        commit: fill(32, 6),
      },
      chain: { kind: 'chain', chainId, startIter: 999, chainKey: key, certHash: fill(32, 7) },
      forwarded: { kind: 'forwarded-chain', cert: fill(220, 8), startIter: 0, chainKey: key },
      request: { kind: 'key-request', channelId, chainId, iter: 258 },
      withheld: { kind: 'withheld', channelId, chainId, code: 'too-old' },
    } as const;
    const bytes = Object.fromEntries(
      Object.entries(fresh).map(([name, p]) => [name, toHex(encodePairwise(p))]),
    );
    expect(bytes).toEqual(frozenVectors('pairwise.json', bytes));
  });
});

// A95 for the decoders of the group half: any bytes give a value or the typed error, quickly and without allocation.
import { describe, expect, it } from 'vitest';
import { parseChainCert } from '#crypto/chain-cert.ts';
import { decodeContent, encodeContent } from '#crypto/content.ts';
import { decodeEnvelope, encodeEnvelope, parseEnvelopeHeader } from '#crypto/envelope.ts';
import { padContent, unpadContent } from '#crypto/padding.ts';
import { decodePairwise, encodePairwise } from '#crypto/pairwise.ts';
import { senderChainPacket } from '#crypto/sender-chain.ts';
import { parseGroupEvent } from '#crypto/sender-key.ts';
import { fuzzDecoder } from '../support/fuzz.ts';
import { chainOf, CHANNEL, NOW, overSession, pair, person } from './group-people.ts';

const ada = person('ada');
const chain = chainOf(ada, 'fuzz');
const target = new Uint8Array(16).fill(1);
const CONTENTS = [
  encodeContent({ type: 'text', text: 'fuzz me', replyTo: target }),
  encodeContent({ type: 'edit', text: 'again', target, rev: 70_000 }),
  encodeContent({ type: 'reaction', target, emoji: '👍', op: 'add', rev: 2 ** 40 }),
  encodeContent({ type: 'pin', target }),
];
const events = ['short', 'x'.repeat(300)].map((text) => pair(`fuzz/${text.length}`).ada.say(text));

describe('A95 byte fuzz of the group decoders', () => {
  it('A95 content', () => {
    expect(fuzzDecoder('content', decodeContent, CONTENTS).accepted).toBeGreaterThan(0);
  });

  it('A95 padding', () => {
    fuzzDecoder(
      'padding',
      unpadContent,
      CONTENTS.map((content) => padContent(new Uint8Array(32), content)),
    );
  });

  it('A95 envelope and its server view', () => {
    const samples = events.map((event) => event.envelope);
    fuzzDecoder('envelope', decodeEnvelope, samples);
    fuzzDecoder('envelope view', parseEnvelopeHeader, samples, 20_000);
  });

  it('A95 what decodes is canonical', () => {
    const again = (bytes: Uint8Array) => expect(encodeEnvelope(decodeEnvelope(bytes))).toEqual(bytes);
    fuzzDecoder('envelope canonical', again, events[0]!.envelope, 5000);
  });

  it('A95 sender-key message', () => {
    const { seq, createdAt, sender } = events[0]!;
    const parse = (envelope: Uint8Array) => parseGroupEvent({ envelope, seq, createdAt, sender });
    fuzzDecoder(
      'sender-key message',
      parse,
      events.map((event) => event.envelope),
      50_000,
    );
  });

  it('A95 chain certificate', () => {
    fuzzDecoder('chain certificate', parseChainCert, chain.cert);
  });

  it('A95 pairwise payloads', () => {
    const key = new Uint8Array(32).fill(NOW % 251);
    const chainId = new Uint8Array(8);
    const samples = [
      senderChainPacket(chain),
      encodePairwise({ kind: 'dm-key', eventId: target, contentKey: key, bodyHash: key, commit: key }),
      encodePairwise({ kind: 'forwarded-chain', cert: chain.cert, startIter: 3, chainKey: key }),
      encodePairwise({ kind: 'key-request', channelId: CHANNEL, chainId, iter: 3 }),
      encodePairwise({ kind: 'withheld', channelId: CHANNEL, chainId, code: 'revoked' }),
    ];
    fuzzDecoder('pairwise payload', (bytes) => decodePairwise(overSession(ada, bytes)), samples);
  });
});

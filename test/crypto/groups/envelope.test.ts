import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, toHex } from '#crypto/bytes.ts';
import {
  decodeEnvelope,
  encodeEnvelope,
  envelopeHash,
  EVENT_CLASSES,
  EVENT_MODES,
  linkHash,
  MAX_TTL_SECONDS,
  parseEnvelopeHeader,
  type Envelope,
} from '#crypto/envelope.ts';
import { H } from '#crypto/primitives.ts';
import { expectCode } from '../support/expect-code.ts';

const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

function uuidV7(fill: number): Uint8Array {
  const id = bytes(16, fill);
  id[6] = 0x70;
  id[8] = 0x80;
  return id;
}

const PLAIN: Envelope = {
  mode: 'dm',
  class: 'message',
  channelId: bytes(16, 1),
  eventId: uuidV7(2),
  epoch: 3,
  commit: bytes(32, 4),
  blobIds: [],
  payload: bytes(40, 5),
};

const anyBytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyEnvelope: fc.Arbitrary<Envelope> = fc
  .record({
    mode: fc.constantFrom(...EVENT_MODES.filter((mode) => mode !== 'group')),
    class: fc.constantFrom(...EVENT_CLASSES),
    channelId: anyBytes(16),
    id: anyBytes(16),
    epoch: fc.nat(0x7fffffff),
    ref: anyBytes(16),
    threadRoot: fc.option(anyBytes(16), { nil: undefined }),
    ttlSeconds: fc.option(fc.integer({ min: 1, max: MAX_TTL_SECONDS }), { nil: undefined }),
    commit: anyBytes(32),
    blobIds: fc.uniqueArray(anyBytes(16), { maxLength: 10, selector: toHex }),
    payload: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ id, ref, ...rest }) => {
    id[6] = (id[6]! & 15) | 0x70;
    id[8] = (id[8]! & 63) | 0x80;
    return { ...rest, eventId: id, ref: rest.class === 'timer' ? undefined : ref };
  });

describe('envelope', () => {
  it('round-trips, and only the canonical bytes decode', () => {
    fc.assert(
      fc.property(anyEnvelope, (envelope) => {
        const encoded = encodeEnvelope(envelope);
        const decoded = decodeEnvelope(encoded);
        expect(encodeEnvelope(decoded)).toEqual(encoded);
        for (const key of Object.keys(envelope) as (keyof Envelope)[]) {
          expect(decoded[key]).toEqual(envelope[key]);
        }
        expectCode('malformed', () => decodeEnvelope(concat(encoded, Uint8Array.of(0))));
      }),
      { numRuns: 300 },
    );
  });

  it('hashes everything before the payload as EH', () => {
    const encoded = encodeEnvelope(PLAIN);
    const view = parseEnvelopeHeader(encoded);
    expect(view.headerHash).toEqual(H(encoded.slice(0, encoded.length - 41)));
    expect(view.headerHash).toEqual(envelopeHash(PLAIN));
    expect(envelopeHash({ ...PLAIN, epoch: 4 })).not.toEqual(view.headerHash);
    expect(view.payloadLength).toBe(40);
    expect(view.v).toBe(1);
    expect(view.chain).toBeUndefined();
    expect('payload' in view).toBe(false);
  });

  it('gives the server chain id, position and link of a group message without any key', () => {
    const payload = concat(Uint8Array.of(0x21, 0), bytes(8, 9), Uint8Array.of(0x87, 0x01), bytes(200, 1));
    const encoded = encodeEnvelope({ ...PLAIN, mode: 'group', payload });
    const view = parseEnvelopeHeader(encoded);
    expect(view.chain).toEqual({
      chainId: bytes(8, 9),
      iter: 135,
      link: linkHash(view.headerHash, payload),
    });
  });

  it('refuses group payloads without a chain head', () => {
    for (const payload of [bytes(0, 0), bytes(40, 5), Uint8Array.of(0x21), Uint8Array.of(0x21, 0, 1, 2)]) {
      expectCode('malformed', () =>
        parseEnvelopeHeader(encodeEnvelope({ ...PLAIN, mode: 'group', payload })),
      );
    }
    const flagged = concat(Uint8Array.of(0x21, 1), bytes(9, 1));
    expectCode('unsupported', () =>
      parseEnvelopeHeader(encodeEnvelope({ ...PLAIN, mode: 'group', payload: flagged })),
    );
  });

  it('refuses unknown versions, masks, modes and classes', () => {
    const encoded = encodeEnvelope(PLAIN);
    for (const [at, value] of [
      [0, 2],
      [1, 8],
      [2, 5],
      [3, 9],
    ] as const) {
      const changed = encoded.slice();
      changed[at] = value;
      expectCode('unsupported', () => decodeEnvelope(changed));
    }
  });

  it('ties ref to the class, on both sides', () => {
    const ref = uuidV7(7);
    for (const eventClass of ['edit', 'reaction', 'redact', 'pin', 'unpin', 'vote', 'pollClose'] as const) {
      expectCode('malformed', () => encodeEnvelope({ ...PLAIN, class: eventClass }));
      expect(decodeEnvelope(encodeEnvelope({ ...PLAIN, class: eventClass, ref })).ref).toEqual(ref);
    }
    expectCode('malformed', () => encodeEnvelope({ ...PLAIN, class: 'timer', ref }));
    const asEdit = encodeEnvelope(PLAIN);
    asEdit[3] = 1;
    expectCode('malformed', () => decodeEnvelope(asEdit));
  });

  it('bounds every field', () => {
    expectCode('malformed', () => encodeEnvelope({ ...PLAIN, eventId: bytes(16, 2) }));
    expectCode('limit', () => encodeEnvelope({ ...PLAIN, epoch: 2 ** 31 }));
    for (const ttlSeconds of [0, MAX_TTL_SECONDS + 1]) {
      expectCode('limit', () => encodeEnvelope({ ...PLAIN, ttlSeconds }));
    }
    const blobs = Array.from({ length: 11 }, (_, i) => bytes(16, i));
    expectCode('limit', () => encodeEnvelope({ ...PLAIN, blobIds: blobs }));
    expectCode('malformed', () => encodeEnvelope({ ...PLAIN, blobIds: [bytes(16, 1), bytes(16, 1)] }));
    expectCode('limit', () => encodeEnvelope({ ...PLAIN, payload: bytes(81_921, 0) }));
    expectCode('malformed', () => decodeEnvelope(bytes(98_305, 0)));
  });
});

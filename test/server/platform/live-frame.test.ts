// The compact form of `event.appended`: gives back what JSON would have brought, and takes nothing but what it makes.
import fc from 'fast-check';
import superjson from 'superjson';
import { describe, expect, it } from 'vitest';
import { serialiseEvent } from '#server/platform/live-codec.ts';
import { FrameError } from '#shared/frame-bytes.ts';
import { limits } from '#shared/limits.ts';
import { decodeLiveFrame, encodeLiveFrame } from '#shared/live-frame.ts';
import { appendedEvents, type Appended } from '../../support/appended.ts';

const uuid = (digit: string): never =>
  `${digit.repeat(8)}-${digit.repeat(4)}-7abc-8def-${digit.repeat(12)}` as never;
const bytesOf = (length: number, fill: number): string => Buffer.alloc(length, fill).toString('base64url');

/** A message as most are: 480 bytes of envelope, franked, nobody mentioned. */
function message(changes: Partial<Appended['event']> = {}, beside: Partial<Appended> = {}): Appended {
  const event = {
    channelId: uuid('1'),
    seq: 300,
    eventId: uuid('2'),
    class: 'message' as const,
    ordinal: 129,
    senderAccountId: uuid('3'),
    senderDeviceId: uuid('4'),
    refId: null,
    epoch: 1,
    envelope: bytesOf(480, 0xab),
    stub: null,
    frankTag: bytesOf(32, 0xcd),
    createdAt: Date.UTC(2026, 10, 28),
    ...changes,
  };
  return { type: 'event.appended', event, chainCert: null, mentions: [], ...beside };
}

const full = message(
  { class: 'edit', refId: uuid('5'), envelope: bytesOf(3, 1) },
  { chainCert: bytesOf(2, 2), mentions: [uuid('6'), uuid('7')] },
);

function encoded(event: Appended): Uint8Array {
  const frame = encodeLiveFrame(event);
  if (!frame) throw new Error('has no compact form');
  return frame;
}

/** The frames that decode at all decode to an event that has exactly these bytes. */
function isRefusedOrItself(bytes: Uint8Array): void {
  let event;
  try {
    event = decodeLiveFrame(bytes);
  } catch (cause) {
    expect(cause).toBeInstanceOf(FrameError);
    return;
  }
  expect(Buffer.from(encodeLiveFrame(event) ?? []).toString('hex')).toBe(Buffer.from(bytes).toString('hex'));
}

describe('an event with a compact form', () => {
  it('comes out of it exactly as it comes out of JSON', () => {
    fc.assert(
      fc.property(appendedEvents, (event) => {
        const json = superjson.deserialize(JSON.parse(serialiseEvent(event)) as never);
        const compact = decodeLiveFrame(encoded(event));
        expect(compact).toStrictEqual(event);
        expect(compact).toStrictEqual(json);
      }),
      { numRuns: 300 },
    );
  });

  it('has it up to the limits', () => {
    const event = message(
      { envelope: bytesOf(limits.envelopeBytes, 0xff), seq: 2 ** 31 - 1, createdAt: 2 ** 48 - 1 },
      {
        chainCert: bytesOf(limits.chainCertBytes, 0xff),
        mentions: Array.from({ length: limits.mentionsPerMessage }, () => uuid('f')),
      },
    );
    expect(decodeLiveFrame(encoded(event))).toStrictEqual(event);
  });

  it('costs little more than its envelope', () => {
    expect(encoded(message()).length).toBe(480 + 114);
    expect(serialiseEvent(message()).length).toBeGreaterThan(1000);
  });

  it('has these bytes: version 1 does not change', () => {
    expect(Buffer.from(encoded(full)).toString('hex')).toBe(
      [
        '01', // version
        '01', // event.appended
        '0f', // all flags
        '01', // class edit
        '1111111111117abc8def111111111111',
        '2222222222227abc8def222222222222',
        'ac02', // seq 300
        '3333333333337abc8def333333333333',
        '4444444444447abc8def444444444444',
        '01', // epoch
        '01a21f739c00', // createdAt
        '8101', // ordinal 129
        '5555555555557abc8def555555555555',
        'cd'.repeat(32),
        '020202', // chain certificate
        '02', // mentions
        '6666666666667abc8def666666666666',
        '7777777777777abc8def777777777777',
        '03010101', // envelope
      ].join(''),
    );
  });
});

describe('an event without one', () => {
  const stub = { chainId: bytesOf(8, 1), iter: 4, linkHash: bytesOf(32, 2) };
  it.each<[string, Appended]>([
    ['redacted', message({ envelope: null, stub })],
    ['neither envelope nor stub', message({ envelope: null })],
    ['an envelope and a stub', message({ stub })],
    ['an id in capitals', message({ senderAccountId: 'AAAAAAAA-aaaa-4aaa-8aaa-aaaaaaaaaaaa' as never })],
    ['an id without dashes', message({ channelId: '1'.repeat(36) as never })],
    ['an id cut short', message({ eventId: '11111111' as never })],
    ['a class of a later version', message({ class: 'vote' as never })],
    ['base64url with unused bits', message({ envelope: 'AB' })],
    ['base64 with padding', message({ envelope: 'AA==' })],
    ['a length base64url has not', message({ envelope: 'AAAAA' })],
    ['a character beyond ASCII', message({ envelope: 'AAAé' })],
    ['an envelope over its limit', message({ envelope: bytesOf(limits.envelopeBytes + 1, 0) })],
    ['a certificate over its limit', message({}, { chainCert: bytesOf(limits.chainCertBytes + 1, 0) })],
    ['a franking tag of another length', message({ frankTag: bytesOf(31, 0) })],
    ['too many mentions', message({}, { mentions: Array.from({ length: 51 }, () => uuid('a')) })],
    ['a seq beyond int4', message({ seq: 2 ** 31 })],
    ['a seq that is no count', message({ seq: 1.5 })],
    ['an ordinal below zero', message({ ordinal: -1 })],
    ['a time before 1970', message({ createdAt: -1 })],
    ['a time beyond 48 bits', message({ createdAt: 2 ** 48 })],
  ])('goes as JSON: %s', (_, event) => {
    expect(encodeLiveFrame(event)).toBeNull();
  });

  it('goes as JSON: every other type', () => {
    expect(encodeLiveFrame({ type: 'live.opened', now: 1 })).toBeNull();
  });
});

describe('a frame that is not one', () => {
  it('is refused at every length it may be cut to, and with anything behind its end', () => {
    for (const event of [message(), full]) {
      const bytes = encoded(event);
      for (let length = 0; length < bytes.length; length++)
        expect(() => decodeLiveFrame(bytes.subarray(0, length))).toThrow(FrameError);
      expect(() => decodeLiveFrame(Uint8Array.from([...bytes, 0]))).toThrow(FrameError);
    }
  });

  it('is refused or another whole event, whichever byte is changed', () => {
    const bytes = encoded(full);
    for (let at = 0; at < bytes.length; at++)
      for (const value of [0, 1, 0x0f, 0x10, 0x7f, 0x80, 0xff, (bytes[at] ?? 0) ^ 1])
        isRefusedOrItself(bytes.with(at, value));
  });

  it('is refused whatever bytes come', () => {
    const tail = fc.uint8Array({ maxLength: 300 });
    fc.assert(fc.property(tail, isRefusedOrItself), { numRuns: 500 });
    const headed = tail.map((bytes) => Uint8Array.from([1, 1, 0, 0, ...bytes]));
    fc.assert(fc.property(headed, isRefusedOrItself), { numRuns: 500 });
  });

  const bytes = encoded(message());
  const withSeq = (...seq: number[]): Uint8Array =>
    Uint8Array.from([...bytes.subarray(0, 36), ...seq, ...bytes.subarray(38)]);
  it.each([
    ['of another version', bytes.with(0, 2)],
    ['of an unknown kind', bytes.with(1, 2)],
    ['with a flag nobody knows', bytes.with(2, 0x10 | (bytes[2] ?? 0))],
    ['of an unknown class', bytes.with(3, 6)],
    ['with a count longer than it need be', withSeq(0x80, 0x00)],
    ['with a count over int4', withSeq(0xff, 0xff, 0xff, 0xff, 0x08)],
    ['with a count without an end', withSeq(0x80, 0x80, 0x80, 0x80, 0x80, 0x01)],
  ])('is refused: %s', (_, frame) => {
    expect(() => decodeLiveFrame(frame)).toThrow(FrameError);
  });

  it('takes the largest count', () => {
    expect(decodeLiveFrame(withSeq(0xff, 0xff, 0xff, 0xff, 0x07))).toMatchObject({
      event: { seq: 2 ** 31 - 1 },
    });
  });
});

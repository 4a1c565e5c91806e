import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, fromHex, utf8 } from '#crypto/bytes.ts';
import { decodeCbor, encodeCbor, type CborValue } from '#crypto/cbor.ts';
import {
  checkAgreement,
  classOf,
  decodeContent,
  encodeContent,
  targetOf,
  type KnownContent,
} from '#crypto/content.ts';
import { padContent, paddedLength, unpadContent } from '#crypto/padding.ts';
import { expectCode } from '../support/expect-code.ts';

const ID = new Uint8Array(16).fill(3);
const OTHER = new Uint8Array(16).fill(4);
const KF = new Uint8Array(32).fill(9);

const idBytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
const text = fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme' });
const rev = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const emoji = fc.constantFrom('👍', '❤️', '👩🏽‍❤️‍💋‍👨🏿', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', 'ok', '\ufeffa');
const anyContent: fc.Arbitrary<KnownContent> = fc.oneof(
  fc.record({ type: fc.constant('text' as const), text }),
  fc.record({ type: fc.constant('text' as const), text, replyTo: idBytes }),
  fc.record({ type: fc.constant('edit' as const), text, target: idBytes, rev }),
  fc.record({
    type: fc.constant('reaction' as const),
    target: idBytes,
    emoji,
    op: fc.constantFrom('add' as const, 'remove' as const),
    rev,
  }),
  fc.record({ type: fc.constantFrom('redact' as const, 'pin' as const, 'unpin' as const), target: idBytes }),
);

describe('content', () => {
  it('round-trips every type', () => {
    fc.assert(
      fc.property(anyContent, (content) => {
        const bytes = encodeContent(content);
        expect(decodeContent(bytes)).toEqual(content);
        expect(encodeContent(decodeContent(bytes) as KnownContent)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it('counts a text in code points, up to 4000', () => {
    const longest = '😀'.repeat(4000);
    expect(decodeContent(encodeContent({ type: 'text', text: longest }))).toEqual({
      type: 'text',
      text: longest,
    });
    for (const bad of ['', 'a'.repeat(4001), '😀'.repeat(4001), 'a\ud800']) {
      expectCode('malformed', () => encodeContent({ type: 'text', text: bad }));
    }
  });

  it('shows content of another type as unknown, never as text', () => {
    for (const keys of [[1, 5], [5], [1, 2, 9], [1, 4, 11], [0], []]) {
      const map = new Map<number, CborValue>(keys.map((key) => [key, key === 1 ? 'hello' : new Map()]));
      expect(decodeContent(encodeCbor(map))).toEqual({ type: 'unknown' });
    }
  });

  it('refuses known types with a wrong shape', () => {
    const target = new Map<number, CborValue>([[1, ID]]);
    const wrong: [number, CborValue][][] = [
      [[1, 7]],
      [[1, '']],
      [[1, ID]],
      [[8, new Map([[1, ID.slice(1)]])]],
      [[8, new Map([[2, ID]])]],
      [[8, new Map([...target, [2, 1]])]],
      [[8, ID]],
      [
        [1, 'x'],
        [2, new Map<number, CborValue>([...target, [2, -1]])],
      ],
      [[3, new Map<number, CborValue>([...target, [2, ''], [3, 1], [4, 1]])]],
      [[3, new Map<number, CborValue>([...target, [2, 'x'.repeat(49)], [3, 1], [4, 1]])]],
      [[3, new Map<number, CborValue>([...target, [2, 'x'], [3, 2], [4, 1]])]],
      [[3, new Map<number, CborValue>([...target, [2, 'x'], [3, true], [4, 1]])]],
      [[16, new Map<number, CborValue>([...target, [3, 1]])]],
    ];
    for (const entries of wrong) expectCode('malformed', () => decodeContent(encodeCbor(new Map(entries))));
  });

  it('must agree with the envelope in class and target', () => {
    fc.assert(
      fc.property(anyContent, (content) => {
        const header = { class: classOf(content), ref: targetOf(content) };
        checkAgreement(content, header);
        expectCode('mismatch', () => checkAgreement(content, { ...header, ref: OTHER }));
        const otherClass = header.class === 'pin' ? ('unpin' as const) : ('pin' as const);
        expectCode('mismatch', () => checkAgreement(content, { ...header, class: otherClass }));
        if (header.ref) expectCode('mismatch', () => checkAgreement(content, { class: header.class }));
      }),
    );
  });
});

describe('padding', () => {
  it('round-trips and wastes at most 12 % above the floor', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (content) => {
        const inner = padContent(KF, content);
        expect(unpadContent(inner)).toEqual({ frankKey: KF, content });
        expect(inner.length).toBe(Math.max(128, inner.length));
        expect(inner.length).toBeLessThanOrEqual(Math.max(128, (content.length + 34) * 1.12));
      }),
    );
  });

  it('gives the sizes of Padmé', () => {
    const expected = new Map([
      [0, 128],
      [128, 128],
      [129, 144],
      [144, 144],
      [200, 208],
      [256, 256],
      [257, 272],
      [1000, 1024],
      [9000, 9216],
      [65_571, 67_584],
    ]);
    for (const [length, size] of expected) expect(paddedLength(length)).toBe(size);
  });

  it('puts every small event into the same 128 bytes', () => {
    const big = Number.MAX_SAFE_INTEGER;
    const small: KnownContent[] = [
      { type: 'reaction', target: ID, emoji: 'x'.repeat(48), op: 'remove', rev: big },
      { type: 'reaction', target: ID, emoji: '👍', op: 'add', rev: 0 },
      { type: 'redact', target: ID },
      { type: 'pin', target: ID },
      { type: 'unpin', target: ID },
      { type: 'text', text: 'short' },
      { type: 'edit', target: ID, rev: big, text: 'a word or two' },
    ];
    for (const content of small) expect(padContent(KF, encodeContent(content)).length).toBe(128);
  });

  it('refuses any other padding', () => {
    const inner = padContent(KF, utf8('hi'));
    const stray = inner.slice();
    stray[127] = 1;
    expectCode('malformed', () => unpadContent(stray));
    expectCode('malformed', () => unpadContent(inner.slice(0, 127)));
    expectCode('malformed', () => unpadContent(concat(inner, new Uint8Array(8))));
    expectCode('malformed', () => unpadContent(new Uint8Array(31)));
    expectCode('limit', () => padContent(KF, new Uint8Array(65_537)));
  });
});

describe('strict CBOR', () => {
  const nested = (depth: number): string => 'a101'.repeat(depth - 1) + 'a0';

  it('A81 refuses everything but the one canonical encoding', () => {
    const bad = {
      'duplicate keys': 'a201000101',
      'unsorted keys': 'a202000100',
      'non-minimal integer': 'a1011800',
      'non-minimal length': 'a101780161',
      'non-minimal key': 'a1180100',
      'indefinite map': 'bf0100ff',
      'indefinite array': 'a1019f00ff',
      'indefinite text': 'a1017f6161ff',
      'indefinite bytes': 'a1015f4100ff',
      'text key': 'a1616100',
      'negative key': 'a12000',
      'map as key': 'a1a000',
      'too deep': nested(7),
      'trailing bytes': 'a000',
      'a second item': 'a0a0',
      'half-precision NaN': 'a101f97e00',
      'double NaN': 'a101fb7ff8000000000000',
      infinity: 'a101f97c00',
      'float zero': 'a101f90000',
      'date tag': 'a101c000',
      bignum: 'a101c24101',
      undefined: 'a101f7',
      'simple value': 'a101e0',
      break: 'ff',
      'integer over 2^53': 'a1011b0020000000000000',
      'negative under -2^53': 'a1013b0020000000000000',
      'invalid UTF-8': 'a10161ff',
      'surrogate in UTF-8': 'a10163eda080',
      'not a map': '01',
      'array at the top': '80',
      'missing value': 'a101',
      empty: '',
    };
    for (const [what, hex] of Object.entries(bad)) {
      expect(() => decodeCbor(fromHex(hex)), what).toThrow(/^malformed/);
    }
    expect(decodeCbor(fromHex(nested(6))).size).toBe(1);
  });

  it('A81 refuses huge length prefixes without allocating for them', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (const hex of [
      'a1015affffffff',
      'a1017affffffff',
      'a1019affffffff',
      'a101baffffffff',
      'baffffffff',
      'bb001fffffffffffff',
      'a1015b001fffffffffffff',
      'a1019bffffffffffffffff',
      `a10199ffff${'00'.repeat(60)}`,
    ]) {
      expectCode('malformed', () => decodeCbor(fromHex(hex)));
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
    expectCode('malformed', () => decodeCbor(new Uint8Array(65_537)));
  });

  it('A81 accepts exactly what it writes (re-encoding is the identity)', () => {
    const leaf = fc.oneof(
      fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }),
      fc.boolean(),
      fc.constant(null),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.uint8Array({ maxLength: 40 }),
    );
    const value = fc.oneof(leaf, fc.array(leaf, { maxLength: 4 }));
    const map = fc.uniqueArray(fc.tuple(fc.nat(1000), value), { selector: ([key]) => key, maxLength: 8 });
    fc.assert(
      fc.property(map, (entries) => {
        const bytes = encodeCbor(new Map<number, CborValue>(entries));
        const decoded = decodeCbor(bytes);
        expect(encodeCbor(decoded)).toEqual(bytes);
        expect(new Map(decoded)).toEqual(new Map(entries.map(([k, v]) => [k, Object.is(v, -0) ? 0 : v])));
      }),
      { numRuns: 400 },
    );
  });
});

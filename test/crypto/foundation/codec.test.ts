// canon(): one value, one encoding; a decoder accepts exactly that one (docs/protocol.md, Codec).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, equalBytes, utf8 } from '#crypto/bytes.ts';
import {
  decodeAll,
  KEY_ED25519,
  KEY_MLKEM768,
  KEY_X25519,
  Reader,
  readKey,
  Writer,
  writeKey,
} from '#crypto/codec.ts';
import { expectCode } from '../support/expect-code.ts';
import { fuzzDecoder } from '../support/fuzz.ts';

const CAP = 300;
interface Values {
  readonly u8: number;
  readonly varint: number;
  readonly u32: number;
  readonly fixed: Uint8Array;
  readonly bytes: Uint8Array;
  readonly utf8: string;
  readonly array: readonly number[];
}
type Field = { [K in keyof Values]: { readonly kind: K; readonly value: Values[K] } }[keyof Values];

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('varint' as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant('fixed' as const), value: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: CAP }) }),
  fc.record({
    kind: fc.constant('utf8' as const),
    value: fc.string({ unit: 'grapheme', maxLength: 20 }).filter((s) => utf8(s).length <= CAP),
  }),
  fc.record({ kind: fc.constant('array' as const), value: fc.array(fc.maxSafeNat(), { maxLength: 20 }) }),
);

function write(w: Writer, f: Field): Writer {
  if (f.kind === 'u8') return w.u8(f.value);
  if (f.kind === 'varint') return w.varint(f.value);
  if (f.kind === 'u32') return w.u32(f.value);
  if (f.kind === 'fixed') return w.fixed(f.value, f.value.length);
  if (f.kind === 'bytes') return w.bytes(f.value, CAP);
  if (f.kind === 'utf8') return w.utf8(f.value, CAP);
  return w.array(f.value, 20, (out, item) => void out.varint(item));
}

function read(r: Reader, shape: Field): Field {
  if (shape.kind === 'u8') return { kind: 'u8', value: r.u8() };
  if (shape.kind === 'varint') return { kind: 'varint', value: r.varint() };
  if (shape.kind === 'u32') return { kind: 'u32', value: r.u32() };
  if (shape.kind === 'fixed') return { kind: 'fixed', value: r.fixed(shape.value.length) };
  if (shape.kind === 'bytes') return { kind: 'bytes', value: r.bytes(CAP) };
  if (shape.kind === 'utf8') return { kind: 'utf8', value: r.utf8(CAP) };
  return { kind: 'array', value: r.array(20, (item) => item.varint()) };
}

const encode = (fields: readonly Field[]) => fields.reduce(write, new Writer()).done();
const decode = (bytes: Uint8Array, shape: readonly Field[]) =>
  decodeAll(bytes, (r) => shape.map((f) => read(r, f)));

describe('canonical codec', () => {
  it('gives back what was written', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 8 }), (fields) => {
        expect(decode(encode(fields), fields)).toEqual(fields);
      }),
      { numRuns: 1000 },
    );
  });

  it('accepts no second encoding: whatever decodes, encodes to the same bytes', () => {
    const mutated = fc.record({
      fields: fc.array(field, { minLength: 1, maxLength: 6 }),
      at: fc.nat(),
      byte: fc.nat(255),
    });
    fc.assert(
      fc.property(mutated, ({ fields, at, byte }) => {
        const bytes = encode(fields);
        if (bytes.length === 0) return;
        bytes[at % bytes.length] = byte;
        let again: Field[];
        try {
          again = decode(bytes, fields);
        } catch {
          return;
        }
        expect(equalBytes(encode(again), bytes)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('refuses every proper prefix and every extension', () => {
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 5 }), fc.nat(255), (fields, extra) => {
        const bytes = encode(fields);
        expectCode('malformed', () => decode(concat(bytes, Uint8Array.of(extra)), fields));
        if (bytes.length > 0) expectCode('malformed', () => decode(bytes.slice(0, -1), fields));
      }),
    );
  });

  it.each([
    ['two bytes for 0', [0x80, 0x00]],
    ['two bytes for 1', [0x81, 0x00]],
    ['three bytes for 127', [0xff, 0x80, 0x00]],
    ['2^53', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]],
    ['nine bytes', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['nothing', []],
    ['an open end', [0xff]],
  ])('refuses a varint of %s', (_name, bytes) => {
    expectCode('malformed', () => new Reader(Uint8Array.from(bytes)).varint());
  });

  it('reaches exactly 2^53-1 and u32 exactly 2^32-1', () => {
    const big = new Writer().varint(Number.MAX_SAFE_INTEGER).done();
    expect(new Reader(big).varint()).toBe(Number.MAX_SAFE_INTEGER);
    expectCode('limit', () => new Writer().varint(Number.MAX_SAFE_INTEGER + 1));
    expectCode('limit', () => new Writer().varint(-1));
    expectCode('limit', () => new Writer().varint(1.5));
    expectCode('limit', () => new Writer().u32(2 ** 32));
    expectCode('malformed', () => new Reader(new Writer().varint(2 ** 32).done()).u32());
    expect(new Reader(new Writer().u32(2 ** 32 - 1).done()).u32()).toBe(2 ** 32 - 1);
  });
});

describe('caps, text and keys', () => {
  it('refuses lengths over the cap on both sides', () => {
    expectCode('limit', () => new Writer().bytes(new Uint8Array(11), 10));
    expectCode('malformed', () => new Reader(new Writer().bytes(new Uint8Array(11), 11).done()).bytes(10));
    expectCode('limit', () => new Writer().array([1, 2, 3], 2, (w, v) => void w.u8(v)));
    expectCode('malformed', () => new Reader(Uint8Array.of(3, 1, 2, 3)).array(2, (r) => r.u8()));
    expectCode('limit', () => new Writer().utf8('ééé', 5));
  });

  it('A81 refuses a huge length or count without allocating for it', () => {
    const huge = new Writer().varint(Number.MAX_SAFE_INTEGER).done();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1000; i++) {
      expectCode('malformed', () => new Reader(huge).bytes(Number.MAX_SAFE_INTEGER));
      expectCode('malformed', () => new Reader(huge).array(Number.MAX_SAFE_INTEGER, (r) => r.u8()));
      expectCode('malformed', () => new Reader(huge).fixed(2 ** 40));
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
  });

  it('A81 refuses bad UTF-8 and lone surrogates, keeps a byte-order mark', () => {
    for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
      const bytes = new Writer().bytes(Uint8Array.from(bad), 8).done();
      expectCode('malformed', () => new Reader(bytes).utf8(8));
    }
    expectCode('malformed', () => new Writer().utf8('\ud800', 8));
    const marked = new Writer().utf8('\ufeffx', 8).done();
    expect(new Reader(marked).utf8(8)).toBe('\ufeffx');
  });

  it('A81 refuses unknown mask bits', () => {
    expect(new Reader(Uint8Array.of(0b101)).mask(0b111)).toBe(0b101);
    expectCode('unsupported', () => new Reader(Uint8Array.of(0b1000)).mask(0b111));
  });

  it('A21 never reads a key under another tag, lengths right', () => {
    const w = new Writer();
    writeKey(w, KEY_X25519, new Uint8Array(32));
    expect(readKey(new Reader(w.done()), KEY_X25519)).toHaveLength(32);
    expectCode('malformed', () => readKey(new Reader(w.done()), KEY_ED25519));
    expectCode('malformed', () => readKey(new Reader(w.done()), KEY_MLKEM768));
    expectCode('malformed', () => writeKey(new Writer(), KEY_MLKEM768, new Uint8Array(32)));
  });

  it('copies what it reads and writes', () => {
    const source = Uint8Array.of(3, 1, 2, 3);
    const out = new Reader(source).bytes(8);
    source.fill(9);
    expect([...out]).toEqual([1, 2, 3]);
    const part = Uint8Array.of(1, 2);
    const w = new Writer().fixed(part, 2);
    part.fill(9);
    expect([...w.done()]).toEqual([1, 2]);
  });

  it('A95 100,000 mutations: only CryptoError, fast, small', () => {
    const shape: Field[] = [
      { kind: 'u8', value: 1 },
      { kind: 'varint', value: 300 },
      { kind: 'fixed', value: new Uint8Array(16) },
      { kind: 'bytes', value: new Uint8Array(20).fill(7) },
      { kind: 'utf8', value: 'grüße' },
      { kind: 'array', value: [1, 2, 3, 400, 5] },
    ];
    const report = fuzzDecoder('codec', (bytes) => decode(bytes, shape), encode(shape));
    expect(report.runs).toBe(100_000);
  });
});

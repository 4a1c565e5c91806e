// Byte helpers, ids, randomness.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, equalBytes, fromBase64Url, fromHex, toBase64Url, toHex, utf8 } from '#crypto/bytes.ts';
import { CryptoError } from '#crypto/errors.ts';
import { bytesToUuid, randomId, timeOrderedId, uuidToBytes } from '#crypto/ids.ts';
import { systemRng } from '#crypto/rng.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { expectCode } from '../support/expect-code.ts';

describe('bytes', () => {
  it('hex and base64url round trip and agree with Node', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (b) => {
        expect(toHex(b)).toBe(Buffer.from(b).toString('hex'));
        expect(toBase64Url(b)).toBe(Buffer.from(b).toString('base64url'));
        expect(equalBytes(fromHex(toHex(b)), b)).toBe(true);
        expect(equalBytes(fromBase64Url(toBase64Url(b)), b)).toBe(true);
      }),
    );
  });

  it('base64url is strict: no padding, no other alphabet, no spare bits, no other spelling', () => {
    for (const bad of ['A', 'AA=', 'AA==', 'A+', 'A/', 'AB', 'AAB', ' AA', 'AA\n', 'é']) {
      expectCode('malformed', () => fromBase64Url(bad));
    }
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (s) => {
        let bytes: Uint8Array;
        try {
          bytes = fromBase64Url(s);
        } catch (error) {
          expect(error).toBeInstanceOf(CryptoError);
          return;
        }
        expect(toBase64Url(bytes)).toBe(s);
      }),
    );
  });

  it('hex refuses upper case and odd lengths', () => {
    for (const bad of ['0', 'AA', '0g', ' 00']) expectCode('malformed', () => fromHex(bad));
  });

  it('equalBytes compares all bytes and the length', () => {
    expect(equalBytes(utf8('abc'), utf8('abc'))).toBe(true);
    expect(equalBytes(utf8('abc'), utf8('abd'))).toBe(false);
    expect(equalBytes(utf8('abc'), utf8('ab'))).toBe(false);
    expect(toHex(concat(utf8('a'), new Uint8Array(0), utf8('b')))).toBe('6162');
  });
});

describe('ids', () => {
  it('UUIDs round trip; other spellings are refused', () => {
    const id = randomId(seededRng(utf8('ids')));
    expect(equalBytes(uuidToBytes(bytesToUuid(id)), id)).toBe(true);
    expect(bytesToUuid(id)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    for (const bad of [
      '',
      bytesToUuid(id).toUpperCase(),
      bytesToUuid(id).replace('-', ''),
      `${bytesToUuid(id)} `,
    ]) {
      expectCode('malformed', () => uuidToBytes(bad));
    }
    expectCode('malformed', () => bytesToUuid(new Uint8Array(15)));
  });

  it('event ids sort by their time', () => {
    const rng = seededRng(utf8('v7'));
    const early = bytesToUuid(timeOrderedId(1_790_000_000_000, rng));
    const late = bytesToUuid(timeOrderedId(1_790_000_000_001, rng));
    expect(early < late).toBe(true);
    expect(early[14]).toBe('7');
    expect(Number.parseInt(early.replaceAll('-', '').slice(0, 12), 16)).toBe(1_790_000_000_000);
  });
});

describe('randomness', () => {
  it('the system source fills every chunk and refuses odd lengths', () => {
    const big = systemRng.bytes(200_000);
    expect(big).toHaveLength(200_000);
    for (const start of [0, 65_536, 131_072, 199_900]) {
      expect(big.subarray(start, start + 64).some((byte) => byte !== 0)).toBe(true);
    }
    expectCode('limit', () => systemRng.bytes(-1));
    expectCode('limit', () => systemRng.bytes(1.5));
  });

  it('the seeded source repeats itself and never repeats a block', () => {
    const a = seededRng(utf8('seed'));
    const b = seededRng(utf8('seed'));
    const first = a.bytes(32);
    expect(toHex(b.bytes(32))).toBe(toHex(first));
    expect(toHex(a.bytes(32))).not.toBe(toHex(first));
    expect(toHex(seededRng(utf8('other')).bytes(32))).not.toBe(toHex(first));
  });
});

// The code one device shows and the other reads: one text per code, nothing else is taken for one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accountIdentity } from '#crypto/account-log.ts';
import { toBase64Url, utf8 } from '#crypto/bytes.ts';
import { compareSide, decodeCompareCode, encodeCompareCode, sameSide } from '#crypto/compare-code.ts';
import { CryptoError } from '#crypto/errors.ts';
import { randomId } from '#crypto/ids.ts';
import { ed25519KeyPair } from '#crypto/primitives.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { expectCode } from '../support/expect-code.ts';

const rng = seededRng(utf8('compare-code'));
const person = () => {
  const { publicKey: rootPub } = ed25519KeyPair(rng);
  return { rootPub, aid: accountIdentity(randomId(rng), rootPub) };
};
const ada = person();
const ben = person();
const text = encodeCompareCode({ shower: ada, reader: ben }, rng);
const prefix = 'chatalot-compare.';

describe('comparison code', () => {
  it('says who shows it and whom they see', () => {
    const { shower, reader, nonce } = decodeCompareCode(text);
    expect(sameSide(shower, compareSide(ada))).toBe(true);
    expect(sameSide(reader, compareSide(ben))).toBe(true);
    expect(sameSide(shower, reader)).toBe(false);
    expect(nonce).toHaveLength(16);
  });

  it('is never the same twice', () => {
    expect(encodeCompareCode({ shower: ada, reader: ben }, rng)).not.toBe(text);
  });

  it('another root under the same AID is another side', () => {
    const rotated = { aid: ada.aid, rootPub: ben.rootPub };
    expect(sameSide(compareSide(rotated), compareSide(ada))).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['another address', 'https://example.org/'],
    ['no prefix', text.slice(prefix.length)],
    ['another prefix', text.replace('chatalot', 'Chatalot')],
    ['a character less', text.slice(0, -1)],
    ['a character more', `${text}A`],
    ['a space around it', ` ${text}`],
    ['a foreign character', `${text.slice(0, -1)}+`],
  ])('refuses %s', (_what, shown) => void expectCode('malformed', () => decodeCompareCode(shown)));

  it('refuses another version', () => {
    const bytes = new Uint8Array(145);
    bytes[0] = 2;
    expectCode('unsupported', () => decodeCompareCode(prefix + toBase64Url(bytes)));
  });

  it('accepts one text per code, and refuses everything else with a typed error', () => {
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(...'AQgw_-.x'), (at, character) => {
        const shown = text.slice(0, at) + character + text.slice(at + 1);
        try {
          const { shower, reader, nonce } = decodeCompareCode(shown);
          const parts = [shower.aid, shower.rootPrint, reader.aid, reader.rootPrint, nonce];
          const bytes = Uint8Array.from([1, ...parts.flatMap((part) => [...part])]);
          expect(prefix + toBase64Url(bytes)).toBe(shown);
        } catch (error) {
          expect(error).toBeInstanceOf(CryptoError);
        }
      }),
    );
  });
});

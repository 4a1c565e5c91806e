// Protocol 3.0: import checks and the strict verification rule, compared with node:crypto and WebCrypto.
import { createPublicKey, verify as nodeVerify, webcrypto } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, toBase64Url, utf8 } from '#crypto/bytes.ts';
import {
  ed25519KeyPair,
  ed25519Sign,
  ed25519Verify,
  importEd25519,
  importKem,
  importX25519,
  kemEncaps,
  kemKeyPair,
  sign,
  verifySigned,
  x25519KeyPair,
  x25519Shared,
} from '#crypto/primitives.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { BAD_ED25519, BAD_KEM, BAD_X25519, TORSION_POINT } from '../support/bad-keys.ts';
import { expectCode } from '../support/expect-code.ts';

const rng = seededRng(utf8('key imports'));
const keys = ed25519KeyPair(rng);
const message = utf8('agree or refuse, all of us');
const { Point } = ed25519;

function nodeAccepts(publicKey: Uint8Array, signature: Uint8Array): boolean {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(publicKey) };
  return nodeVerify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), signature);
}

async function webCryptoAccepts(publicKey: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const key = await webcrypto.subtle.importKey('raw', Uint8Array.from(publicKey), 'Ed25519', false, [
    'verify',
  ]);
  return webcrypto.subtle.verify('Ed25519', key, Uint8Array.from(signature), Uint8Array.from(message));
}

const scalarOf = (b: Uint8Array) => Point.Fn.create(BigInt(`0x${Buffer.from(b).reverse().toString('hex')}`));
function scalarBytes(n: bigint): Uint8Array {
  return Uint8Array.from(Buffer.from(n.toString(16).padStart(64, '0'), 'hex').reverse());
}

/** A signature the cofactored equation accepts: R carries a torsion component and S fits it. */
function torsionedSignature(times: bigint): Uint8Array {
  const { scalar } = ed25519.utils.getExtendedPublicKey(keys.secretKey);
  const r = scalarOf(sha512(concat(utf8('r'), Uint8Array.of(Number(times)))));
  const R = Point.BASE.multiply(r).add(TORSION_POINT.multiplyUnsafe(times)).toBytes();
  const k = scalarOf(sha512(concat(R, keys.publicKey, message)));
  return concat(R, scalarBytes(Point.Fn.create(r + k * scalar)));
}

describe('A13 Ed25519 keys', () => {
  it.each(BAD_ED25519)('A13 refuses at import: $name', ({ key }) => {
    expectCode('bad_key', () => importEd25519(key));
    expect(ed25519Verify(key, message, ed25519Sign(keys.secretKey, message))).toBe(false);
  });

  it('A13 the identity point verifies no signature, though R = B, S = 1 fits it', () => {
    const identity = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0));
    const forged = concat(Point.BASE.toBytes(), scalarBytes(1n));
    expect(ed25519Verify(identity, message, forged)).toBe(false);
  });

  it('A13 a cached key is still the checked key', () => {
    const signature = ed25519Sign(keys.secretKey, message);
    for (let i = 0; i < 3; i++) expect(ed25519Verify(keys.publicKey, message, signature)).toBe(true);
    expect(importEd25519(keys.publicKey)).toEqual(keys.publicKey);
  });
});

describe('A13 Ed25519 signatures: all backends agree', () => {
  it.each([1n, 2n, 4n])(
    'A13 torsioned R (%s times the generator) is refused by us, Node and WebCrypto',
    async (times) => {
      const signature = torsionedSignature(times);
      expect(ed25519.verify(signature, message, keys.publicKey, { zip215: true })).toBe(true); // the trap is real
      expect(ed25519Verify(keys.publicKey, message, signature)).toBe(false);
      expect(nodeAccepts(keys.publicKey, signature)).toBe(false);
      expect(await webCryptoAccepts(keys.publicKey, signature)).toBe(false);
    },
  );

  it('A13 S + L is refused by us, Node and WebCrypto', async () => {
    const good = ed25519Sign(keys.secretKey, message);
    const s = BigInt(`0x${Buffer.from(good.slice(32)).reverse().toString('hex')}`);
    const bad = concat(good.slice(0, 32), scalarBytes(s + Point.Fn.ORDER));
    expect(ed25519Verify(keys.publicKey, message, bad)).toBe(false);
    expect(nodeAccepts(keys.publicKey, bad)).toBe(false);
    expect(await webCryptoAccepts(keys.publicKey, bad)).toBe(false);
  });

  it('A13 random mutations of signature bytes: same verdict as Node', () => {
    const good = ed25519Sign(keys.secretKey, message);
    expect(nodeAccepts(keys.publicKey, good)).toBe(true);
    fc.assert(
      fc.property(fc.nat(63), fc.nat(255), (at, byte) => {
        const signature = good.slice();
        signature[at] = byte;
        expect(ed25519Verify(keys.publicKey, message, signature)).toBe(
          nodeAccepts(keys.publicKey, signature),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('A20 a signature holds for its own label and fields only', () => {
    const fields = utf8('fields');
    const signature = sign(keys.secretKey, 'otk', fields);
    verifySigned(keys.publicKey, 'otk', fields, signature);
    expectCode('bad_signature', () => verifySigned(keys.publicKey, 'prekey-set', fields, signature));
    expectCode('bad_signature', () => verifySigned(keys.publicKey, 'otk', utf8('fields2'), signature));
    expectCode('bad_signature', () => verifySigned(keys.publicKey, 'otk', fields, signature.slice(1)));
    // The zero byte keeps a label from running into its fields.
    expect(ed25519Verify(keys.publicKey, utf8('cl1/sig/otk\0fields'), signature)).toBe(true);
    expectCode('bad_signature', () => verifySigned(keys.publicKey, 'otkf', utf8('ields'), signature));
  });
});

describe('A14 X25519 and ML-KEM keys', () => {
  it.each(BAD_X25519)('A14 refuses at import: $name', ({ key }) => {
    expectCode('bad_key', () => importX25519(key));
  });

  it('A14 refuses an all-zero agreement even for a key that skipped its import', () => {
    const { secretKey } = x25519KeyPair(rng);
    for (const { key } of BAD_X25519.slice(0, 7)) expectCode('bad_key', () => x25519Shared(secretKey, key));
    expectCode('bad_key', () => x25519Shared(secretKey, new Uint8Array(31)));
  });

  it('A14 accepts honest keys and agrees with WebCrypto on them', async () => {
    for (let i = 0; i < 20; i++) {
      const mine = x25519KeyPair(rng);
      const jwk = {
        kty: 'OKP',
        crv: 'X25519',
        x: toBase64Url(mine.publicKey),
        d: toBase64Url(mine.secretKey),
      };
      const theirs = x25519KeyPair(rng);
      const secret = await webcrypto.subtle.importKey('jwk', jwk, 'X25519', false, ['deriveBits']);
      const raw = Uint8Array.from(importX25519(theirs.publicKey));
      const peer = await webcrypto.subtle.importKey('raw', raw, 'X25519', false, []);
      const bits = await webcrypto.subtle.deriveBits({ name: 'X25519', public: peer }, secret, 256);
      expect(x25519Shared(mine.secretKey, theirs.publicKey)).toEqual(new Uint8Array(bits));
    }
  });

  it.each(BAD_KEM)('A14 refuses an ML-KEM key: $name', ({ key }) => {
    expectCode('bad_key', () => importKem(key));
    expectCode('bad_key', () => kemEncaps(key, rng));
  });

  it('A14 accepts honest ML-KEM keys', () => {
    for (let i = 0; i < 20; i++) expect(importKem(kemKeyPair(rng).publicKey)).toHaveLength(1184);
  });
});

// The published vectors of every primitive, through our wrappers (Argon2id with secret and data: noble directly).
import { argon2id } from '@noble/hashes/argon2.js';
import { describe, expect, it } from 'vitest';
import { concat, fromHex, toHex } from '#crypto/bytes.ts';
import {
  aeadOpen,
  aeadSeal,
  ed25519PublicKey,
  ed25519Sign,
  ed25519Verify,
  hkdf,
  hkdfExpand,
  hmac,
  x25519Shared,
  xaeadOpen,
  xaeadSeal,
} from '#crypto/primitives.ts';
import { loadVectors } from '../support/vectors.ts';

interface Aead {
  readonly name: string;
  readonly key: string;
  readonly nonce: string;
  readonly aad: string;
  readonly plaintext: string;
  readonly ciphertext: string;
  readonly tag: string;
}

const x25519 = loadVectors<{
  readonly single: readonly { readonly scalar: string; readonly u: string; readonly out: string }[];
  readonly iterated: Readonly<Record<string, string>>;
  readonly diffieHellman: Readonly<
    Record<'aliceSecret' | 'alicePublic' | 'bobSecret' | 'bobPublic' | 'shared', string>
  >;
}>('rfc/rfc7748.json');

describe('RFC 7748', () => {
  it.each(x25519.single)('section 5.2 scalar $scalar', ({ scalar, u, out }) => {
    expect(toHex(x25519Shared(fromHex(scalar), fromHex(u)))).toBe(out);
  });

  it('section 5.2 iterated 1000 times', () => {
    let k = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 9 : 0));
    let u = k;
    for (let i = 1; i <= 1000; i++) {
      const next = new Uint8Array(x25519Shared(k, u));
      u = k;
      k = next;
      if (i === 1) expect(toHex(k)).toBe(x25519.iterated['1']);
    }
    expect(toHex(k)).toBe(x25519.iterated['1000']);
  });

  it('section 6.1, both directions', () => {
    const v = x25519.diffieHellman;
    expect(toHex(x25519Shared(fromHex(v.aliceSecret), fromHex(v.bobPublic)))).toBe(v.shared);
    expect(toHex(x25519Shared(fromHex(v.bobSecret), fromHex(v.alicePublic)))).toBe(v.shared);
  });
});

const ed25519 = loadVectors<{
  readonly tests: readonly Readonly<Record<'name' | 'secret' | 'public' | 'message' | 'signature', string>>[];
}>('rfc/rfc8032.json');

describe('RFC 8032', () => {
  it.each(ed25519.tests)('$name', (v) => {
    const secret = fromHex(v.secret);
    const message = fromHex(v.message);
    expect(toHex(ed25519PublicKey(secret))).toBe(v.public);
    expect(toHex(ed25519Sign(secret, message))).toBe(v.signature);
    expect(ed25519Verify(fromHex(v.public), message, fromHex(v.signature))).toBe(true);
    expect(ed25519Verify(fromHex(v.public), concat(message, Uint8Array.of(0)), fromHex(v.signature))).toBe(
      false,
    );
  });
});

const aead = loadVectors<{
  readonly chacha20poly1305: readonly Aead[];
  readonly xchacha20poly1305: readonly Aead[];
}>('rfc/rfc8439.json');

describe('RFC 8439 and XChaCha', () => {
  it.each(aead.chacha20poly1305)('ChaCha20-Poly1305 $name', (v) => {
    const [key, nonce, aad, plaintext] = [v.key, v.nonce, v.aad, v.plaintext].map(fromHex);
    expect(toHex(aeadSeal(key!, nonce!, plaintext!, aad!))).toBe(v.ciphertext + v.tag);
    expect(toHex(aeadOpen(key!, nonce!, fromHex(v.ciphertext + v.tag), aad!))).toBe(v.plaintext);
  });

  it.each(aead.xchacha20poly1305)('XChaCha20-Poly1305 $name', (v) => {
    const [key, nonce, aad, plaintext] = [v.key, v.nonce, v.aad, v.plaintext].map(fromHex);
    expect(toHex(xaeadSeal(key!, nonce!, plaintext!, aad!))).toBe(v.ciphertext + v.tag);
    expect(toHex(xaeadOpen(key!, nonce!, fromHex(v.ciphertext + v.tag), aad!))).toBe(v.plaintext);
  });
});

const kdf = loadVectors<{
  readonly tests: readonly {
    readonly name: string;
    readonly ikm: string;
    readonly salt: string;
    readonly info: string;
    readonly length: number;
    readonly okm: string;
  }[];
}>('rfc/rfc5869.json');

describe('RFC 5869', () => {
  it.each(kdf.tests)('$name', (v) => {
    const salt = fromHex(v.salt);
    expect(toHex(hkdf(salt, fromHex(v.ikm), fromHex(v.info), v.length))).toBe(v.okm);
    // The extract step alone is HMAC(salt, ikm); an empty salt is a key of zeros.
    const prk = hmac(salt.length === 0 ? new Uint8Array(32) : salt, fromHex(v.ikm));
    expect(toHex(hkdfExpand(prk, fromHex(v.info), v.length))).toBe(v.okm);
  });
});

const mac = loadVectors<{
  readonly tests: readonly Readonly<Record<'name' | 'key' | 'data' | 'mac', string>>[];
}>('rfc/rfc4231.json');

describe('RFC 4231', () => {
  it.each(mac.tests)('$name', (v) => {
    expect(toHex(hmac(fromHex(v.key), fromHex(v.data)))).toBe(v.mac);
  });
});

const argon = loadVectors<{
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
  readonly password: string;
  readonly salt: string;
  readonly secret: string;
  readonly associatedData: string;
  readonly tag: string;
}>('rfc/rfc9106.json');

describe('RFC 9106', () => {
  it('section 5.3 Argon2id', () => {
    const out = argon2id(fromHex(argon.password), fromHex(argon.salt), {
      m: argon.memoryKiB,
      t: argon.passes,
      p: argon.lanes,
      key: fromHex(argon.secret),
      personalization: fromHex(argon.associatedData),
      dkLen: 32,
    });
    expect(toHex(out)).toBe(argon.tag);
  });
});

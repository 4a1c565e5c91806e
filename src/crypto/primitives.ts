/* eslint-disable max-params -- AEADs have four inputs by definition (RFC 8439); an options object would hide their order */
// The noble libraries, wrapped once: suite 0x01 of docs/protocol.md. Key import checks and the strict Ed25519
// verification rule of protocol 3.0 live here, so that every backend accepts exactly the same keys and signatures.
import { chacha20poly1305, xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { expand, hkdf as nobleHkdf } from '@noble/hashes/hkdf.js';
import { hmac as nobleHmac } from '@noble/hashes/hmac.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { agreedAhead, holdsAhead, isGathering } from './ahead.ts';
import { concat, equalBytes, fromHex, toHex, utf8 } from './bytes.ts';
import {
  AEAD_KEY_BYTES,
  AEAD_NONCE_BYTES,
  ED25519_KEY_BYTES,
  KEM_CIPHERTEXT_BYTES,
  KEM_PUBLIC_BYTES,
  KEM_SEED_BYTES,
  SIGNATURE_BYTES,
  X25519_KEY_BYTES,
  XAEAD_NONCE_BYTES,
} from './constants.ts';
import { CryptoError, ensure } from './errors.ts';
import type { Rng } from './rng.ts';

/** A raw key pair; secretKey is 32 bytes (Ed25519 seed, X25519 scalar) or 64 (ML-KEM-768 seed d‖z). */
export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** SHA-256 of the concatenation; 32 bytes. */
export function H(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = sha256.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** SHA-512 of the concatenation; 64 bytes. */
export function H512(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = sha512.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** HMAC-SHA256 of the concatenation; 32 bytes. */
export function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = nobleHmac.create(sha256, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** HKDF-SHA256, extract and expand (RFC 5869). */
export function hkdf(
  salt: Uint8Array,
  ikm: Uint8Array,
  info: Uint8Array | string,
  length: number,
): Uint8Array {
  return nobleHkdf(sha256, ikm, salt, infoBytes(info), length);
}

/** HKDF-SHA256 expand only; prk is 32 uniformly random bytes. */
export function hkdfExpand(prk: Uint8Array, info: Uint8Array | string, length: number): Uint8Array {
  return expand(sha256, prk, infoBytes(info), length);
}

function infoBytes(info: Uint8Array | string): Uint8Array {
  return typeof info === 'string' ? utf8(info) : info;
}

/** ChaCha20-Poly1305 (RFC 8439): key 32, nonce 12; returns ciphertext‖tag16. */
export function aeadSeal(
  key32: Uint8Array,
  nonce12: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  ensure(
    key32.length === AEAD_KEY_BYTES && nonce12.length === AEAD_NONCE_BYTES,
    'malformed',
    'aead key or nonce length',
  );
  return chacha20poly1305(key32, nonce12, aad).encrypt(plaintext);
}

/** Opens aeadSeal's output; throws `bad_mac`. */
export function aeadOpen(
  key32: Uint8Array,
  nonce12: Uint8Array,
  ciphertext: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  ensure(
    key32.length === AEAD_KEY_BYTES && nonce12.length === AEAD_NONCE_BYTES,
    'malformed',
    'aead key or nonce length',
  );
  return open(() => chacha20poly1305(key32, nonce12, aad).decrypt(ciphertext));
}

/** XChaCha20-Poly1305: key 32, nonce 24; returns ciphertext‖tag16. */
export function xaeadSeal(
  key32: Uint8Array,
  nonce24: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  ensure(
    key32.length === AEAD_KEY_BYTES && nonce24.length === XAEAD_NONCE_BYTES,
    'malformed',
    'aead key or nonce length',
  );
  return xchacha20poly1305(key32, nonce24, aad).encrypt(plaintext);
}

/** Opens xaeadSeal's output; throws `bad_mac`. */
export function xaeadOpen(
  key32: Uint8Array,
  nonce24: Uint8Array,
  ciphertext: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  ensure(
    key32.length === AEAD_KEY_BYTES && nonce24.length === XAEAD_NONCE_BYTES,
    'malformed',
    'aead key or nonce length',
  );
  return open(() => xchacha20poly1305(key32, nonce24, aad).decrypt(ciphertext));
}

function open(decrypt: () => Uint8Array): Uint8Array {
  try {
    return decrypt();
  } catch {
    throw new CryptoError('bad_mac', 'authenticated decryption failed');
  }
}

/** The five canonical u-coordinates (little-endian) of small order; p and p+1 are not canonical (RFC 7748 section 6.1). */
const X25519_SMALL_ORDER: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);
const X25519_P = fromHex('edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f');

/** u = 9: agreeing with it makes the public key (RFC 7748 section 6.1). */
const X25519_BASE = fromHex('0900000000000000000000000000000000000000000000000000000000000000');

/** A fresh X25519 pair. */
export function x25519KeyPair(rng: Rng): KeyPair {
  const secretKey = rng.bytes(X25519_KEY_BYTES);
  const ahead = agreedAhead({ kind: 'agree', secretKey, publicKey: X25519_BASE });
  return { secretKey, publicKey: ahead ?? x25519.getPublicKey(secretKey) };
}

/** X25519 agreement, 32 bytes; throws `bad_key` where the result would be all zero. */
export function x25519Shared(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  ensure(secretKey.length === 32 && publicKey.length === 32, 'bad_key', 'x25519 key length');
  let shared = agreedAhead({ kind: 'agree', secretKey, publicKey });
  try {
    shared ??= x25519.getSharedSecret(secretKey, publicKey);
  } catch {
    throw new CryptoError('bad_key', 'x25519 agreement refused');
  }
  ensure(!equalBytes(shared, new Uint8Array(32)), 'bad_key', 'x25519 result is zero');
  return shared;
}

/** Checks an X25519 public key (32 bytes, canonical, top bit clear, not small order); returns it or throws `bad_key`. */
export function importX25519(pub: Uint8Array): Uint8Array {
  ensure(pub.length === X25519_KEY_BYTES, 'bad_key', 'x25519 key length');
  ensure(lessThanLE(pub, X25519_P), 'bad_key', 'x25519 key not canonical');
  ensure(!X25519_SMALL_ORDER.has(toHex(pub)), 'bad_key', 'x25519 key of small order');
  return pub;
}

/** Little-endian a < b for equal lengths; used on public values only. */
function lessThanLE(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = a.length - 1; i >= 0; i--) {
    if (a[i]! !== b[i]!) return a[i]! < b[i]!;
  }
  return false;
}

type Point = ReturnType<typeof ed25519.Point.fromBytes>;

/** Import checks cost about 2 ms, so the accepted points are kept, oldest out first. */
const POINT_CACHE_SIZE = 2048;
const pointCache = new Map<string, Point>();

function ed25519Point(pub: Uint8Array): Point {
  ensure(pub.length === ED25519_KEY_BYTES, 'bad_key', 'ed25519 key length');
  const id = toHex(pub);
  const known = pointCache.get(id);
  if (known) return known;
  let point: Point;
  try {
    point = ed25519.Point.fromBytes(pub, false);
  } catch {
    throw new CryptoError('bad_key', 'ed25519 key not a canonical point');
  }
  ensure(equalBytes(point.toBytes(), pub), 'bad_key', 'ed25519 key not canonical');
  ensure(!point.isSmallOrder(), 'bad_key', 'ed25519 key of small order');
  ensure(point.isTorsionFree(), 'bad_key', 'ed25519 key with a torsion component');
  if (pointCache.size >= POINT_CACHE_SIZE) pointCache.delete(pointCache.keys().next().value!);
  pointCache.set(id, point);
  return point;
}

/** A fresh Ed25519 pair; secretKey is the 32-byte seed. */
export function ed25519KeyPair(rng: Rng): KeyPair {
  const secretKey = rng.bytes(ED25519_KEY_BYTES);
  return { secretKey, publicKey: ed25519.getPublicKey(secretKey) };
}

/** The public key of a 32-byte seed. */
export function ed25519PublicKey(secretKey32: Uint8Array): Uint8Array {
  ensure(secretKey32.length === ED25519_KEY_BYTES, 'bad_key', 'ed25519 secret length');
  return ed25519.getPublicKey(secretKey32);
}

/** RFC 8032 signature, 64 bytes. */
export function ed25519Sign(secretKey32: Uint8Array, message: Uint8Array): Uint8Array {
  ensure(secretKey32.length === ED25519_KEY_BYTES, 'bad_key', 'ed25519 secret length');
  if (isGathering()) return new Uint8Array(SIGNATURE_BYTES);
  return ed25519.sign(message, secretKey32);
}

/** Checks an Ed25519 public key (canonical, not small order, torsion-free), cached; returns it or throws `bad_key`. */
export function importEd25519(pub: Uint8Array): Uint8Array {
  ed25519Point(pub);
  return pub;
}

/**
 * Strict verification (protocol 3.0): S < L, key passes its import check, and the recomputed R' = S·B − k·A equals
 * the signature's R byte for byte. All backends agree on this rule; noble's own verify uses the cofactored equation.
 * A check that a backend did ahead (ahead.ts) is not done again; one that failed there is.
 */
export function ed25519Verify(pub: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES || pub.length !== ED25519_KEY_BYTES) return false;
  const { Point } = ed25519;
  let key: Point;
  try {
    key = ed25519Point(pub);
  } catch {
    return false;
  }
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= Point.Fn.ORDER) return false;
  if (holdsAhead({ kind: 'verify', publicKey: pub, message, signature })) return true;
  const k = littleEndian(sha512(concat(r, pub, message))) % Point.Fn.ORDER;
  const expected = Point.BASE.multiplyUnsafe(s).subtract(key.multiplyUnsafe(k));
  return equalBytes(expected.toBytes(), r);
}

function littleEndian(b: Uint8Array): bigint {
  return BigInt(`0x${toHex(b.slice().reverse())}`);
}

/** Modulus of the polynomial ring. */
const KEM_Q = 3329;

/** A fresh ML-KEM-768 pair; secretKey is the 64-byte seed d‖z. */
export function kemKeyPair(rng: Rng): KeyPair {
  const secretKey = rng.bytes(KEM_SEED_BYTES);
  return { secretKey, publicKey: kemPublicFromSeed(secretKey) };
}

/** The 1184-byte public key of a 64-byte seed. */
export function kemPublicFromSeed(seed64: Uint8Array): Uint8Array {
  ensure(seed64.length === KEM_SEED_BYTES, 'bad_key', 'kem seed length');
  if (isGathering()) return new Uint8Array(KEM_PUBLIC_BYTES);
  return ml_kem768.keygen(seed64).publicKey;
}

/** Encapsulates to a checked public key: 1088-byte ciphertext, 32-byte shared secret. */
export function kemEncaps(pub: Uint8Array, rng: Rng): { ciphertext: Uint8Array; shared: Uint8Array } {
  importKem(pub);
  const seed = rng.bytes(32);
  if (isGathering()) return { ciphertext: new Uint8Array(KEM_CIPHERTEXT_BYTES), shared: seed };
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(pub, seed);
  return { ciphertext: cipherText, shared: sharedSecret };
}

/** Decapsulates with implicit rejection: a wrong ciphertext yields an unrelated secret, never an error. */
export function kemDecaps(seed64: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  ensure(seed64.length === KEM_SEED_BYTES, 'bad_key', 'kem seed length');
  ensure(ciphertext.length === KEM_CIPHERTEXT_BYTES, 'malformed', 'kem ciphertext length');
  return ml_kem768.decapsulate(ciphertext, ml_kem768.keygen(seed64).secretKey);
}

/** FIPS 203 section 7.2 encapsulation key check (length and modulus); returns the key or throws `bad_key`. */
export function importKem(pub: Uint8Array): Uint8Array {
  ensure(pub.length === KEM_PUBLIC_BYTES, 'bad_key', 'kem key length');
  for (let i = 0; i + 2 < KEM_PUBLIC_BYTES - 32; i += 3) {
    const low = pub[i]! | ((pub[i + 1]! & 15) << 8);
    const high = (pub[i + 1]! >> 4) | (pub[i + 2]! << 4);
    ensure(low < KEM_Q && high < KEM_Q, 'bad_key', 'kem key coefficient over the modulus');
  }
  return pub;
}

/** The bytes SIGN(k, label, fields) signs. */
function signedBytes(label: string, fields: Uint8Array): Uint8Array {
  return concat(utf8(`cl1/sig/${label}`), Uint8Array.of(0), fields);
}

/** SIGN(k, label, fields) = Ed25519(k, "cl1/sig/" ‖ label ‖ 0x00 ‖ fields); `fields` is already canonical. 64 bytes. */
export function sign(secretKey: Uint8Array, label: string, fields: Uint8Array): Uint8Array {
  return ed25519Sign(secretKey, signedBytes(label, fields));
}

/** Checks SIGN; throws `bad_signature` (also for a key that fails its import check). */
export function verifySigned(
  pub: Uint8Array,
  label: string,
  fields: Uint8Array,
  signature: Uint8Array,
): void {
  ensure(
    ed25519Verify(pub, signedBytes(label, fields), signature),
    'bad_signature',
    'signature does not verify',
  );
}

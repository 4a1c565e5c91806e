// Which backend passes the check at the start, and that the crafted signatures are what they are said to be.
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import type { AheadBackend } from '#crypto/ahead.ts';
import { chooseBackend, CRAFTED, isTrustworthy } from '#crypto/backend-check.ts';
import { concat, fromHex, toHex, utf8 } from '#crypto/bytes.ts';
import { ed25519PublicKey, ed25519Verify } from '#crypto/primitives.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { TORSION_POINT } from '../support/bad-keys.ts';
import { cofactored, silent, verifyingBy, webcrypto } from '../support/backends.ts';

const rng = () => seededRng(utf8('backend check'));
const { Point } = ed25519;
const strict = verifyingBy((job) => ed25519Verify(job.publicKey, job.message, job.signature));

/** Answers like the strict rule, but for agreements. */
const agreeing = (answer: (right: Uint8Array) => Uint8Array | null): AheadBackend => ({
  answer: async (jobs) => {
    const right = await strict.answer(jobs);
    return right.map((value) => (value instanceof Uint8Array ? answer(value) : value));
  },
});

describe('A99 the backend check', () => {
  it('A99 takes the WebCrypto of this platform', async () => {
    expect(await chooseBackend(globalThis.crypto.subtle, rng())).not.toBeNull();
    expect(await isTrustworthy(webcrypto, rng())).toBe(true);
    expect(await isTrustworthy(strict, rng())).toBe(true);
  });

  it('A99 does without where there is no WebCrypto', async () => {
    expect(await chooseBackend(undefined, rng())).toBeNull();
  });

  it('A99 does without where WebCrypto knows neither algorithm', async () => {
    const { subtle } = globalThis.crypto;
    const older = new Proxy(subtle, {
      get: (target, name): unknown =>
        name === 'importKey'
          ? () => Promise.reject(new DOMException('Unrecognized name', 'NotSupportedError'))
          : Reflect.get(target, name),
    });
    expect(await chooseBackend(older, rng())).toBeNull();
  });

  it.each<[string, AheadBackend]>([
    ['one that accepts every signature', verifyingBy(() => true)],
    ['one that refuses every signature', verifyingBy(() => false)],
    ['one that knows nothing', silent],
    ['one with the cofactored equation', cofactored(false)],
    ['one that decodes what is not canonical', cofactored(true)],
    ['one that refuses R = identity', verifyingBy((job) => job.signature[0] !== 1 && strictly(job))],
    ['one that agrees on something else', agreeing((right) => right.map((byte) => byte ^ 1))],
    ['one that agrees on too little', agreeing((right) => right.slice(1))],
    ['one that does not agree', agreeing(() => null)],
    ['one that answers fewer than asked', { answer: () => Promise.resolve([]) }],
  ])('A99 does not take %s', async (_name, backend) => {
    expect(await isTrustworthy(backend, rng())).toBe(false);
  });
});

function strictly(job: { publicKey: Uint8Array; message: Uint8Array; signature: Uint8Array }): boolean {
  return ed25519Verify(job.publicKey, job.message, job.signature);
}

describe('the crafted signatures', () => {
  const seed = new Uint8Array(32).fill(7);
  const publicKey = ed25519PublicKey(seed);
  const message = utf8(CRAFTED.message);
  const scalarOf = (b: Uint8Array): bigint =>
    Point.Fn.create(BigInt(`0x${Buffer.from(b).reverse().toString('hex')}`));
  const scalarBytes = (n: bigint): Uint8Array =>
    Uint8Array.from(Buffer.from(n.toString(16).padStart(64, '0'), 'hex').reverse());
  /** (R, S) with S = r + k·a: what the equation wants of this R, whatever it encodes. */
  const crafted = (R: Uint8Array, r: bigint): string => {
    const k = scalarOf(sha512(concat(R, publicKey, message)));
    const { scalar } = ed25519.utils.getExtendedPublicKey(seed);
    return toHex(concat(R, scalarBytes(Point.Fn.create(r + k * scalar))));
  };

  it('are made as they say', () => {
    const r = 12_345n;
    expect(CRAFTED.publicKey).toBe(toHex(publicKey));
    expect(CRAFTED.identity).toBe(crafted(Point.ZERO.toBytes(), 0n));
    expect(CRAFTED.refused.torsion).toBe(crafted(Point.BASE.multiply(r).add(TORSION_POINT).toBytes(), r));
    expect(CRAFTED.refused.notCanonical).toBe(crafted(fromHex(`ee${'ff'.repeat(30)}7f`), 0n));
    const honest = fromHex(crafted(Point.BASE.multiply(r).toBytes(), r));
    const raised = BigInt(`0x${Buffer.from(honest.slice(32)).reverse().toString('hex')}`) + Point.Fn.ORDER;
    expect(CRAFTED.refused.malleable).toBe(toHex(concat(honest.slice(0, 32), scalarBytes(raised))));
  });

  it('are judged by the pure code as the check expects', () => {
    expect(ed25519Verify(publicKey, message, fromHex(CRAFTED.identity))).toBe(true);
    for (const refused of Object.values(CRAFTED.refused))
      expect(ed25519Verify(publicKey, message, fromHex(refused))).toBe(false);
  });
});

// Deterministic randomness for tests and frozen vectors ONLY: a ChaCha20 key stream under a hashed seed.
// Not exported by index.ts, so production code cannot reach it.
import { chacha20 } from '@noble/ciphers/chacha.js';
import { concat, utf8 } from './bytes.ts';
import { CryptoError } from './errors.ts';
import { H } from './primitives.ts';
import type { Rng } from './rng.ts';

/**
 * The stream depends on the seed and on the sequence of lengths asked for (each call uses a fresh nonce).
 * @param seed any length
 */
export function seededRng(seed: Uint8Array): Rng {
  const key = H(concat(utf8('cl1/seeded-rng'), seed));
  let call = 0;
  return {
    bytes(length: number): Uint8Array {
      if (!Number.isSafeInteger(length) || length < 0) throw new CryptoError('limit', 'random length');
      const nonce = new Uint8Array(12);
      new DataView(nonce.buffer).setUint32(0, call++, true);
      return chacha20(key, nonce, new Uint8Array(length));
    },
  };
}

// Randomness enters src/crypto only through this interface, passed as an argument (protocol 3.0): production code
// hands in systemRng, tests and frozen vectors hand in seededRng of seeded-rng.ts.
import { CryptoError } from './errors.ts';

/** A source of uniformly random bytes. */
export interface Rng {
  /** Returns `length` fresh bytes. */
  bytes(length: number): Uint8Array;
}

/** getRandomValues refuses more than this many bytes in one call. */
const CHUNK = 65536;

/** The platform's CSPRNG (window, worker and Node all provide globalThis.crypto). */
export const systemRng: Rng = {
  bytes(length: number): Uint8Array {
    if (!Number.isSafeInteger(length) || length < 0) throw new CryptoError('limit', 'random length');
    const out = new Uint8Array(length);
    for (let offset = 0; offset < length; offset += CHUNK) {
      globalThis.crypto.getRandomValues(out.subarray(offset, Math.min(offset + CHUNK, length)));
    }
    return out;
  },
};

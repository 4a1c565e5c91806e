// Every Wycheproof case of the primitives of suite 0x01, through our wrappers; WebCrypto beside us where it applies.
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '#crypto/bytes.ts';
import {
  aeadOpen,
  aeadSeal,
  ed25519Verify,
  hkdf,
  hmac,
  kemDecaps,
  kemEncaps,
  kemPublicFromSeed,
  x25519Shared,
  xaeadOpen,
  xaeadSeal,
} from '#crypto/primitives.ts';
import type { Rng } from '#crypto/rng.ts';
import { loadVectors } from '../support/vectors.ts';

interface Case {
  readonly tcId: number;
  readonly result: 'valid' | 'invalid' | 'acceptable';
  readonly flags?: readonly string[];
  readonly [field: string]: unknown;
}
interface Group {
  readonly tests: readonly Case[];
  readonly [field: string]: unknown;
}
interface File {
  readonly testGroups: readonly Group[];
}

/** Runs `check` on every case and returns how many there were; the count is asserted, so none can vanish. */
function runCases(file: string, check: (test: Case, group: Group) => void): number {
  let count = 0;
  for (const group of loadVectors<File>(`wycheproof/${file}`).testGroups) {
    for (const test of group.tests) {
      try {
        check(test, group);
      } catch (cause) {
        throw new Error(`${file} case ${test.tcId}`, { cause });
      }
      count++;
    }
  }
  return count;
}

const hex = (test: Case, field: string) => fromHex(String(test[field]));
/** The value, or null where the call refused. */
function attempt<T>(act: () => T): T | null {
  try {
    return act();
  } catch {
    return null;
  }
}
const fixedRng = (bytes: Uint8Array): Rng => ({ bytes: () => bytes });

type Open = typeof aeadOpen;

function checkAead(test: Case, seal: Open, open: Open): void {
  const [key, iv, aad, msg] = [hex(test, 'key'), hex(test, 'iv'), hex(test, 'aad'), hex(test, 'msg')];
  const sealed = fromHex(`${String(test['ct'])}${String(test['tag'])}`);
  const opened = attempt(() => open(key, iv, sealed, aad));
  if (test.result === 'valid') {
    expect(opened && toHex(opened)).toBe(toHex(msg));
    expect(toHex(seal(key, iv, msg, aad))).toBe(toHex(sealed));
  } else expect(opened).toBeNull();
}

describe('Wycheproof', () => {
  it('ChaCha20-Poly1305', () => {
    expect(runCases('chacha20_poly1305_test.json', (test) => checkAead(test, aeadSeal, aeadOpen))).toBe(325);
  });

  it('XChaCha20-Poly1305', () => {
    expect(runCases('xchacha20_poly1305_test.json', (test) => checkAead(test, xaeadSeal, xaeadOpen))).toBe(
      315,
    );
  });

  it('Ed25519 strict verification', () => {
    const count = runCases('ed25519_test.json', (test, group) => {
      const pk = fromHex((group['publicKey'] as { readonly pk: string }).pk);
      expect(ed25519Verify(pk, hex(test, 'msg'), hex(test, 'sig'))).toBe(test.result === 'valid');
    });
    expect(count).toBe(151);
  });

  it('X25519', () => {
    const count = runCases('x25519_test.json', (test) => {
      const shared = attempt(() => x25519Shared(hex(test, 'private'), hex(test, 'public')));
      if (shared) expect(toHex(shared)).toBe(test['shared']);
      // "acceptable" are keys of small order (all-zero result, refused) and unusual but honest encodings.
      else expect(/^0{64}$/.test(String(test['shared']))).toBe(true);
    });
    expect(count).toBe(518);
  });

  it('HKDF-SHA256', () => {
    const count = runCases('hkdf_sha256_test.json', (test) => {
      const size = Number(test['size']);
      const okm = attempt(() => hkdf(hex(test, 'salt'), hex(test, 'ikm'), hex(test, 'info'), size));
      expect(okm === null ? null : toHex(okm)).toBe(test.result === 'valid' ? test['okm'] : null);
    });
    expect(count).toBe(86);
  });

  it('HMAC-SHA256', () => {
    const count = runCases('hmac_sha256_test.json', (test, group) => {
      const tag = toHex(hmac(hex(test, 'key'), hex(test, 'msg'))).slice(0, Number(group['tagSize']) / 4);
      expect(tag === test['tag']).toBe(test.result === 'valid');
    });
    expect(count).toBe(174);
  });
});

describe('Wycheproof ML-KEM-768', () => {
  it('key generation from the seed', () => {
    const count = runCases('mlkem_768_keygen_seed_test.json', (test) => {
      const ek = attempt(() => kemPublicFromSeed(hex(test, 'seed')));
      expect(ek === null ? null : toHex(ek)).toBe(test.result === 'valid' ? test['ek'] : null);
    });
    expect(count).toBe(100);
  });

  it('encapsulation, refusing keys over the modulus', () => {
    const count = runCases('mlkem_768_encaps_test.json', (test) => {
      const out = attempt(() => kemEncaps(hex(test, 'ek'), fixedRng(hex(test, 'm'))));
      if (test.result === 'valid') {
        expect(out && toHex(out.ciphertext)).toBe(test['c']);
        expect(out && toHex(out.shared)).toBe(test['K']);
      } else expect(out).toBeNull();
    });
    expect(count).toBe(265);
  });

  it('decapsulation, with implicit rejection', () => {
    const count = runCases('mlkem_768_test.json', (test) => {
      const shared = attempt(() => kemDecaps(hex(test, 'seed'), hex(test, 'c')));
      expect(shared === null ? null : toHex(shared)).toBe(test.result === 'valid' ? test['K'] : null);
    });
    expect(count).toBe(193);
  });
});

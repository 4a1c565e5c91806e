// The recovery code: 125 bits, a check that catches typing errors, forgiving input (protocol 3.12 slot A).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '#crypto/bytes.ts';
import {
  matchesRecoveryGroup,
  newRecoveryCode,
  normalizeRecoveryCode,
  pickRecoveryGroups,
  recoveryAuthSecret,
  recoveryGroups,
  recoverySlotKey,
} from '#crypto/recovery-code.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { expectCode } from '../support/expect-code.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const rng = seededRng(utf8('codes'));
const anyCode = fc.constant(null).map(() => newRecoveryCode(rng));

describe('recovery code', () => {
  it('has 26 characters of the alphabet, and no two are equal', () => {
    const codes = Array.from({ length: 200 }, () => newRecoveryCode(rng));
    expect(new Set(codes).size).toBe(200);
    for (const code of codes) {
      expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
      expect(normalizeRecoveryCode(code)).toBe(code);
    }
    // Every character value appears in the data part: all 5 bits of each are random.
    expect(new Set(codes.flatMap((code) => [...code.slice(0, 25)])).size).toBe(32);
  });

  it('forgives case, spaces, dashes, O for 0, I and L for 1', () => {
    fc.assert(
      fc.property(anyCode, (code) => {
        const typed = recoveryGroups(code).join(' - ').toLowerCase();
        const sloppy = typed.replaceAll('0', 'o').replaceAll('1', 'l');
        expect(normalizeRecoveryCode(` ${sloppy}\n`)).toBe(code);
        expect(normalizeRecoveryCode(code.replaceAll('1', 'I'))).toBe(code);
      }),
    );
  });

  it('catches every single wrong character and every swap of neighbours', () => {
    const code = newRecoveryCode(rng);
    for (let at = 0; at < 26; at++) {
      for (const char of ALPHABET) {
        if (char === code[at]) continue;
        expectCode('mismatch', () => normalizeRecoveryCode(code.slice(0, at) + char + code.slice(at + 1)));
      }
      if (at === 25 || code[at] === code[at + 1]) continue;
      const swapped = code.slice(0, at) + code[at + 1]! + code[at]! + code.slice(at + 2);
      expectCode('mismatch', () => normalizeRecoveryCode(swapped));
    }
  });

  it('refuses other lengths and letters', () => {
    const code = newRecoveryCode(rng);
    for (const bad of ['', code.slice(1), `${code}0`, 'U'.repeat(26), code.replace(/./, '!')]) {
      expectCode('malformed', () => normalizeRecoveryCode(bad));
    }
  });

  it('asks for four different full groups and checks them forgivingly', () => {
    const code = newRecoveryCode(rng);
    const groups = recoveryGroups(code);
    expect(groups.join('')).toBe(code);
    expect(groups.map((group) => group.length)).toEqual([4, 4, 4, 4, 4, 4, 2]);
    const seen = new Set<string>();
    for (let i = 0; i < 500; i++) {
      const picked = pickRecoveryGroups(rng);
      expect(new Set(picked).size).toBe(4);
      for (const index of picked) expect(groups[index]).toHaveLength(4);
      seen.add(picked.join());
    }
    expect(seen.size).toBe(15); // all choices of 4 out of 6 occur
    expect(matchesRecoveryGroup(code, 2, ` ${groups[2]!.toLowerCase()} `)).toBe(true);
    expect(matchesRecoveryGroup(code, 2, groups[2]!.slice(1))).toBe(false);
    expect(matchesRecoveryGroup(code, 9, groups[2]!)).toBe(false);
  });

  it('gives unrelated keys for slot and log-in, bound to the account', () => {
    const code = newRecoveryCode(rng);
    const [aid, other] = [rng.bytes(32), rng.bytes(32)];
    const keys = [recoverySlotKey(code, aid), recoverySlotKey(code, other), recoveryAuthSecret(code)].map(
      toHex,
    );
    expect(new Set(keys).size).toBe(3);
    expect(toHex(recoverySlotKey(code.toLowerCase(), aid))).toBe(keys[0]);
    expectCode('malformed', () => recoveryAuthSecret('nonsense'));
  });
});

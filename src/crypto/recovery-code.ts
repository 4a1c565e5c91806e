// The recovery code: 125 random bits and a 5-bit check as 26 Crockford base-32 characters (protocol 3.12 slot A).
// The check is a weighted sum in GF(32), so any one wrong character and any two swapped neighbours are caught.
import { utf8 } from './bytes.ts';
import { ensure } from './errors.ts';
import { hkdf } from './primitives.ts';
import type { Rng } from './rng.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const DATA_CHARS = 25;
export const RECOVERY_CODE_CHARS = 26;
const GROUP = 4;

/** Doubling in GF(32) with x^5 + x^2 + 1. */
function double(v: number): number {
  const shifted = v << 1;
  return shifted & 32 ? shifted ^ 0b100101 : shifted;
}

/** Σ value_i · x^(25−i), by Horner's rule. */
function checkValue(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum = double(sum ^ value);
  return sum;
}

/** A fresh code, 26 characters without separators. */
export function newRecoveryCode(rng: Rng): string {
  const values = [...rng.bytes(DATA_CHARS)].map((byte) => byte & 31);
  return [...values, checkValue(values)].map((value) => ALPHABET[value]!).join('');
}

/**
 * What a person typed, made canonical: case, spaces and dashes ignored, O read as 0, I and L as 1. Throws
 * `malformed` for a wrong length or alphabet, `mismatch` when the check fails (a typing error).
 */
export function normalizeRecoveryCode(input: string): string {
  const code = cleanRecoveryInput(input);
  ensure(code.length === RECOVERY_CODE_CHARS, 'malformed', 'recovery code length');
  const values = [...code].map((char) => ALPHABET.indexOf(char));
  ensure(
    values.every((value) => value >= 0),
    'malformed',
    'recovery code alphabet',
  );
  const check = checkValue(values.slice(0, DATA_CHARS));
  ensure(check === values[DATA_CHARS], 'mismatch', 'recovery code check');
  return code;
}

/** Upper case, separators dropped, look-alikes mapped; any length (for groups typed one at a time). */
export function cleanRecoveryInput(input: string): string {
  return input.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1');
}

/** The code in groups of four for display and re-typing: six of four characters and one of two. */
export function recoveryGroups(code: string): string[] {
  const clean = normalizeRecoveryCode(code);
  const groups: string[] = [];
  for (let i = 0; i < clean.length; i += GROUP) groups.push(clean.slice(i, i + GROUP));
  return groups;
}

/** Four different full groups (indexes 0 … 5, ascending) a person is asked to type again before the vault is made. */
export function pickRecoveryGroups(rng: Rng): number[] {
  const left = [0, 1, 2, 3, 4, 5];
  while (left.length > 4) {
    const byte = rng.bytes(1)[0]!;
    // Rejection sampling: bytes above the largest multiple of the length would favour the first groups.
    if (byte < 256 - (256 % left.length)) left.splice(byte % left.length, 1);
  }
  return left;
}

/** Whether what was typed for one group is that group. */
export function matchesRecoveryGroup(code: string, index: number, typed: string): boolean {
  return recoveryGroups(code)[index] === cleanRecoveryInput(typed);
}

/** The 25 data characters: the code's secret as HKDF input. */
function secretOf(code: string): Uint8Array {
  return utf8(normalizeRecoveryCode(code).slice(0, DATA_CHARS));
}

/** Slot A key = HKDF(salt = AID, code, "cl1/vault/code", 32). */
export function recoverySlotKey(code: string, aid: Uint8Array): Uint8Array {
  return hkdf(aid, secretOf(code), 'cl1/vault/code', 32);
}

/** What the server is shown to prove the code: HKDF(salt = 0^32, code, "cl1/recovery-auth", 32). */
export function recoveryAuthSecret(code: string): Uint8Array {
  return hkdf(new Uint8Array(32), secretOf(code), 'cl1/recovery-auth', 32);
}

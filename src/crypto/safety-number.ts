// Safety numbers (protocol 3.18; docs/protocol.md, Verification): what two people compare to know that nobody sits
// between them. One half per person, made of that person's identity alone, so the halves cannot be played off against
// each other; slow on purpose, so that a look-alike identity costs 2^112 instead of 2^100.
import { utf8 } from './bytes.ts';
import { ED25519_KEY_BYTES, HASH_BYTES, SAFETY_ROUNDS, SAFETY_VERSION } from './constants.ts';
import { ensure } from './errors.ts';
import { H512 } from './primitives.ts';

const GROUPS = 6;
const GROUP_BYTES = 5;
const GROUP_DIGITS = 5;

/** What of an account a safety number stands for. */
export interface SafetyIdentity {
  /** 32 bytes */
  readonly aid: Uint8Array;
  /** Ed25519, 32 bytes: the root that signs now. */
  readonly rootPub: Uint8Array;
}

/** A person's half: 30 decimal digits. Takes some 20 ms; cache it per identity. */
export function safetyHalf({ aid, rootPub }: SafetyIdentity): string {
  ensure(aid.length === HASH_BYTES && rootPub.length === ED25519_KEY_BYTES, 'malformed', 'identity length');
  const version = Uint8Array.of(SAFETY_VERSION >> 8, SAFETY_VERSION & 0xff);
  let h = H512(utf8('cl1/safety'), version, rootPub, aid);
  for (let round = 0; round < SAFETY_ROUNDS; round++) h = H512(h, rootPub);
  let digits = '';
  for (let group = 0; group < GROUPS; group++) {
    // 40 bits are exact in a double.
    let value = 0;
    for (const byte of h.subarray(group * GROUP_BYTES, (group + 1) * GROUP_BYTES)) value = value * 256 + byte;
    digits += String(value % 10 ** GROUP_DIGITS).padStart(GROUP_DIGITS, '0');
  }
  return digits;
}

/** Both halves, the smaller first, so that both people read the same: 12 groups of 5 digits. */
export function joinSafetyHalves(one: string, other: string): readonly string[] {
  const digits = [one, other].sort().join('');
  return Array.from({ length: 2 * GROUPS }, (_, i) => digits.slice(i * GROUP_DIGITS, (i + 1) * GROUP_DIGITS));
}

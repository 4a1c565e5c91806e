// Comparison codes (protocol 3.18; docs/protocol.md, Verification): what one device shows as a QR code, or as text, and
// the other reads instead of sixty digits. It holds public data only: who shows it, and whom they see on the other side.
import { concat, equalBytes, fromBase64Url, toBase64Url, utf8 } from './bytes.ts';
import { decodeAll, Writer } from './codec.ts';
import { COMPARE_CODE_BYTES, HASH_BYTES, ID_BYTES, WIRE_VERSION } from './constants.ts';
import { ensure } from './errors.ts';
import { H } from './primitives.ts';
import type { Rng } from './rng.ts';
import type { SafetyIdentity } from './safety-number.ts';

/** Says what it is to whoever reads it with something else; no part of it is secret. */
const PREFIX = 'chatalot-compare.';
const TEXT_LENGTH = PREFIX.length + Math.ceil((COMPARE_CODE_BYTES * 4) / 3);

/** One side of a comparison code. */
export interface CompareSide {
  /** 32 bytes */
  readonly aid: Uint8Array;
  /** H("cl1/root" ‖ rootPub), 32 bytes */
  readonly rootPrint: Uint8Array;
}

export interface CompareCode {
  /** Who shows the code. */
  readonly shower: CompareSide;
  /** Whom they take the other person for. */
  readonly reader: CompareSide;
  /** 16 bytes: no two codes are alike, so a code is not a number plate of two people. */
  readonly nonce: Uint8Array;
}

/** An identity as it stands in a code. */
export function compareSide({ aid, rootPub }: SafetyIdentity): CompareSide {
  return { aid, rootPrint: H(utf8('cl1/root'), rootPub) };
}

export const sameSide = (a: CompareSide, b: CompareSide): boolean =>
  equalBytes(a.aid, b.aid) && equalBytes(a.rootPrint, b.rootPrint);

/** The code `shower` shows to `reader`, as text (also the content of the QR code); 211 ASCII characters. */
export function encodeCompareCode(
  sides: { readonly shower: SafetyIdentity; readonly reader: SafetyIdentity },
  rng: Rng,
): string {
  const w = new Writer().u8(WIRE_VERSION);
  for (const side of [compareSide(sides.shower), compareSide(sides.reader)]) {
    w.fixed(side.aid, HASH_BYTES).fixed(side.rootPrint, HASH_BYTES);
  }
  return PREFIX + toBase64Url(concat(w.done(), rng.bytes(ID_BYTES)));
}

/** Reads a code; exactly one text is accepted for each. Throws malformed, unsupported. */
export function decodeCompareCode(text: string): CompareCode {
  ensure(text.length === TEXT_LENGTH && text.startsWith(PREFIX), 'malformed', 'not a comparison code');
  return decodeAll(fromBase64Url(text.slice(PREFIX.length)), (r) => {
    ensure(r.u8() === WIRE_VERSION, 'unsupported', 'comparison code version');
    const readSide = () => ({ aid: r.fixed(HASH_BYTES), rootPrint: r.fixed(HASH_BYTES) });
    return { shower: readSide(), reader: readSide(), nonce: r.fixed(ID_BYTES) };
  });
}

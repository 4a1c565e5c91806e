// Binary travels as base64url strings without padding (superjson's Uint8Array costs 4×).
import * as z from 'zod/mini';

/** Number of bytes a base64url string of this many characters holds. */
const decodedLength = (characters: number): number => Math.floor((characters * 3) / 4);

/** A base64url string that decodes to between `min` and `max` bytes. */
export function base64UrlBytes(min: number, max: number) {
  return z.string().check(
    z.maxLength(Math.ceil((max * 4) / 3) + 1),
    z.regex(/^[A-Za-z0-9_-]*$/),
    z.refine((s) => s.length % 4 !== 1 && decodedLength(s.length) >= min && decodedLength(s.length) <= max, {
      error: `must hold ${min} to ${max} bytes`,
    }),
  );
}

/** A base64url string of exactly `length` bytes. */
export const base64UrlFixed = (length: number) => base64UrlBytes(length, length);

/** Positions in a log and versions are int4 columns: what is larger names nothing. */
export const INT4_MAX = 2 ** 31 - 1;
/** The latest moment a Date can hold, ms. */
const TIME_MAX = 8.64e15;

/** A position in a channel's log, an ordinal, a version: from `from` to 2^31 - 1. */
export const countSchema = (from: 0 | 1) => z.int().check(z.gte(from), z.lte(INT4_MAX));
/** Milliseconds since 1970 that a Date can hold. */
export const timeSchema = z.int().check(z.gte(0), z.lte(TIME_MAX));

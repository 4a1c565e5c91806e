// Codes by time (RFC 6238 over RFC 4226: HMAC-SHA-1, 6 digits, 30 s), as authenticator apps show them. Forty lines
// over node:crypto; the two packages that do the same bring their own HMAC.
import { createHmac, timingSafeEqual } from 'node:crypto';

const STEP_MS = 30_000;
const MODULUS = 1_000_000;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Length of a secret in bytes: what RFC 4226 recommends for SHA-1. */
export const TOTP_SECRET_BYTES = 20;

/** The step a moment (ms since the epoch) lies in. */
export const totpStep = (now: number): number => Math.floor(now / STEP_MS);

/** The six digits of one step. */
export function totpCode(secret: Uint8Array, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0x0f;
  const value = (mac.readUInt32BE(offset) & 0x7fff_ffff) % MODULUS;
  return String(value).padStart(6, '0');
}

/**
 * The step `code` belongs to, if it is this moment's, the one before or the one after, and later than `lastStep`:
 * a code counts once. Null otherwise.
 */
export function matchTotp(
  code: string,
  known: { readonly secret: Uint8Array; readonly lastStep: number; readonly now: number },
): number | null {
  const given = Buffer.from(code);
  const current = totpStep(known.now);
  let matched: number | null = null;
  for (const step of [current - 1, current, current + 1]) {
    const expected = Buffer.from(totpCode(known.secret, step));
    const isEqual = given.length === expected.length && timingSafeEqual(given, expected);
    if (isEqual && step > known.lastStep) matched ??= step;
  }
  return matched;
}

/** RFC 4648 base32 without padding, as authenticator apps take it. */
export function toBase32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += BASE32[(value >>> (bits - 5)) & 31];
  }
  return bits > 0 ? text + BASE32[(value << (5 - bits)) & 31] : text;
}

/** The address an authenticator app reads from the QR code. */
export function totpUri(
  secret: Uint8Array,
  label: { readonly issuer: string; readonly name: string },
): string {
  const issuer = encodeURIComponent(label.issuer);
  const path = `${issuer}:${encodeURIComponent(label.name)}`;
  return `otpauth://totp/${path}?secret=${toBase32(secret)}&issuer=${issuer}&algorithm=SHA1&digits=6&period=30`;
}

// Byte-string helpers without Buffer: the same code runs in window, worker and Node.
import { CryptoError } from './errors.ts';

const encoder = new TextEncoder();
const HEX_PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const B64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const B64_VALUE = new Map([...B64].map((c, i) => [c.charCodeAt(0), i] as const));

/** Joins byte strings into a new array. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Compares in time that depends only on the lengths. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let diff = 0;
  for (let i = 0; i < a.length; i++) diff |= a[i]! ^ b[i]!;
  return diff === 0;
}

/** UTF-8 bytes; a lone surrogate throws `malformed` instead of silently becoming U+FFFD. */
export function utf8(s: string): Uint8Array {
  if (/\p{Surrogate}/u.test(s)) throw new CryptoError('malformed', 'lone surrogate');
  return encoder.encode(s);
}

/** Lower-case hexadecimal. */
export function toHex(b: Uint8Array): string {
  let out = '';
  for (const byte of b) out += HEX_PAIRS[byte]!;
  return out;
}

/** Strict: even length, lower-case digits only; throws `malformed`. */
export function fromHex(s: string): Uint8Array {
  if (s.length % 2 !== 0 || !/^[0-9a-f]*$/.test(s)) throw new CryptoError('malformed', 'hex');
  const out = new Uint8Array(s.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(s.slice(2 * i, 2 * i + 2), 16);
  return out;
}

/** Base64url without padding (RFC 4648 section 5). */
export function toBase64Url(b: Uint8Array): string {
  let out = '';
  for (let i = 0; i < b.length; i += 3) {
    const left = b.length - i;
    const group = (b[i]! << 16) | ((b[i + 1] ?? 0) << 8) | (b[i + 2] ?? 0);
    out += B64[group >> 18]! + B64[(group >> 12) & 63]!;
    if (left > 1) out += B64[(group >> 6) & 63]!;
    if (left > 2) out += B64[group & 63]!;
  }
  return out;
}

/** Strict: no padding, no other alphabet, unused bits zero; throws `malformed`. */
export function fromBase64Url(s: string): Uint8Array {
  if (s.length % 4 === 1) throw new CryptoError('malformed', 'base64url length');
  const out = new Uint8Array(Math.floor((s.length * 3) / 4));
  let bits = 0;
  let value = 0;
  let offset = 0;
  for (let i = 0; i < s.length; i++) {
    const digit = B64_VALUE.get(s.charCodeAt(i));
    if (digit === undefined) throw new CryptoError('malformed', 'base64url digit');
    value = ((value << 6) | digit) & 0xfff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[offset++] = (value >> bits) & 0xff;
    }
  }
  if ((value & ((1 << bits) - 1)) !== 0) throw new CryptoError('malformed', 'base64url trailing bits');
  return out;
}

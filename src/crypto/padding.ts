// The inner plaintext of every message: franking key, content length, content, zeros up to a Padmé size
// (docs/protocol.md, Content). One encoding per content: the padding length is recomputed and every pad byte checked,
// so padding can carry nothing.
import { Reader, Writer } from './codec.ts';
import { FRANKING_KEY_BYTES, MAX_CONTENT_BYTES, PADDING_FLOOR_BYTES } from './constants.ts';
import { ensure } from './errors.ts';

/**
 * Padmé: the smallest size ≥ `length` whose binary form ends in enough zeros that only O(log log length) bits of the
 * true length stay visible; never under 128 bytes, at most 12 % more than `length` above that.
 */
export function paddedLength(length: number): number {
  if (length <= PADDING_FLOOR_BYTES) return PADDING_FLOOR_BYTES;
  const exponent = 31 - Math.clz32(length);
  const kept = 32 - Math.clz32(exponent);
  const unit = 2 ** (exponent - kept);
  return Math.ceil(length / unit) * unit;
}

/** INNER = kf32 ‖ bytes[≤ 64 kB] content ‖ 0x00… ; throws `limit` for a longer content. */
export function padContent(frankKey: Uint8Array, content: Uint8Array): Uint8Array {
  const bare = new Writer().fixed(frankKey, FRANKING_KEY_BYTES).bytes(content, MAX_CONTENT_BYTES).done();
  const out = new Uint8Array(paddedLength(bare.length));
  out.set(bare);
  return out;
}

/** Reverses padContent; throws `malformed` unless these are exactly the bytes padContent makes. */
export function unpadContent(inner: Uint8Array): { frankKey: Uint8Array; content: Uint8Array } {
  const r = new Reader(inner);
  const frankKey = r.fixed(FRANKING_KEY_BYTES);
  const content = r.bytes(MAX_CONTENT_BYTES);
  ensure(inner.length === paddedLength(inner.length - r.remaining), 'malformed', 'padding length');
  let stray = 0;
  for (const byte of r.rest()) stray |= byte;
  ensure(stray === 0, 'malformed', 'padding not zero');
  return { frankKey, content };
}

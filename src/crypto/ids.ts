// Identifiers: accountId, deviceId, channelId and eventId are UUIDs outside and their 16 raw bytes inside src/crypto.
import { fromHex, toHex } from './bytes.ts';
import { CryptoError } from './errors.ts';
import type { Rng } from './rng.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** 16 raw bytes of a lower-case UUID string; throws `malformed`. */
export function uuidToBytes(uuid: string): Uint8Array {
  if (!UUID.test(uuid)) throw new CryptoError('malformed', 'uuid');
  return fromHex(uuid.replaceAll('-', ''));
}

/** Lower-case UUID string of 16 raw bytes; throws `malformed`. */
export function bytesToUuid(b: Uint8Array): string {
  if (b.length !== 16) throw new CryptoError('malformed', 'uuid length');
  const h = toHex(b);
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
}

/** The key under which a byte-string id is kept in a record or Map (lower-case hex). */
export function idKey(b: Uint8Array): string {
  return toHex(b);
}

/** A random UUID (version 4) as 16 raw bytes, for accountId and deviceId. */
export function randomId(rng: Rng): Uint8Array {
  return stampUuid(rng.bytes(16), 4);
}

/** A UUIDv7 (RFC 9562) as 16 raw bytes, for eventId; `now` in milliseconds. */
export function timeOrderedId(now: number, rng: Rng): Uint8Array {
  const b = rng.bytes(16);
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(now));
  b.set(time.subarray(2), 0);
  return stampUuid(b, 7);
}

function stampUuid(b: Uint8Array, version: number): Uint8Array {
  b[6] = (b[6]! & 0x0f) | (version << 4);
  b[8] = (b[8]! & 0x3f) | 0x80;
  return b;
}

// Identifiers the server makes: UUIDv7 (RFC 9562 §5.7), which sorts by time, and opaque random tokens.
import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.ts';

const RAND_A_MAX = 0x0fff;
let lastMs = 0;
let counter = 0;

/**
 * A UUIDv7 string. Monotonic within the process: the 12 bits of rand_a count up within one millisecond, and the
 * time runs ahead by one millisecond when they overflow or the clock steps back (RFC 9562 §6.2, method 1).
 */
export function uuidv7(clock: Clock): string {
  const now = clock.now();
  if (now > lastMs) {
    lastMs = now;
    counter = randomBytes(2).readUInt16BE(0) & (RAND_A_MAX >> 1);
  } else if (counter < RAND_A_MAX) {
    counter += 1;
  } else {
    lastMs += 1;
    counter = 0;
  }
  const bytes = randomBytes(16);
  bytes.writeUIntBE(lastMs, 0, 6);
  bytes.writeUInt16BE(0x7000 | counter, 6);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** `bytes` random bytes as base64url without padding. */
export const randomToken = (bytes = 32): string => randomBytes(bytes).toString('base64url');

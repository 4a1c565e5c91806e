// A writer and a strict reader for the few things compact live frames are made of (live-frame.ts). Ids and base64url
// stay text on both sides, so whoever uses events never sees bytes. No Buffer: it runs in the browser too.
import { INT4_MAX } from './encoding.ts';

/** The bytes are not a frame, or the value has no such bytes. */
export class FrameError extends Error {}

const HEX = '0123456789abcdef';
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const UUID_CHARACTERS = 36;
const UUID_BYTES = 16;
/** Bytes of an id that have a dash before them. */
const DASH_BEFORE = new Set([4, 6, 8, 10]);
const DASH = 45;
const VARINT_BYTES = 5;
const U48_MAX = 2 ** 48 - 1;

/** Value of each character by its code; -1 for those the alphabet lacks. */
function valuesOf(alphabet: string): Int8Array {
  const values = new Int8Array(128).fill(-1);
  for (let at = 0; at < alphabet.length; at++) values[alphabet.charCodeAt(at)] = at;
  return values;
}
const HEX_VALUES = valuesOf(HEX);
const BASE64_VALUES = valuesOf(BASE64);
const BASE64_PAIRS = Array.from({ length: 4096 }, (_, bits) => `${BASE64[bits >> 6]}${BASE64[bits & 63]}`);
const HEX_PAIRS = Array.from({ length: 256 }, (_, byte) => `${HEX[byte >> 4]}${HEX[byte & 15]}`);

const valueAt = (values: Int8Array, text: string, at: number): number => {
  const value = values[text.charCodeAt(at)] ?? -1;
  if (value < 0) throw new FrameError('a character outside the alphabet');
  return value;
};

/** Bytes held by this many characters of base64url without padding. */
const bytesHeld = (characters: number): number => Math.floor((characters * 3) / 4);

/** Every method throws FrameError for a value whose reading would not give it back exactly. */
export class FrameWriter {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;

  /** `capacity`: at least as many bytes as will be written. */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  u8(value: number): this {
    if (!(value >= 0 && value <= 0xff)) throw new FrameError('not a byte');
    this.#bytes[this.#at++] = value;
    return this;
  }

  /** 0 to 2^31 - 1 in groups of seven bits, the lowest first, 1 to 5 bytes. */
  varint(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > INT4_MAX) throw new FrameError('not a count');
    let rest = value;
    for (; rest > 0x7f; rest >>= 7) this.u8((rest & 0x7f) | 0x80);
    return this.u8(rest);
  }

  /** 6 bytes, big-endian: milliseconds since 1970 until the year 10889. */
  u48(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > U48_MAX) throw new FrameError('not a time');
    for (let shift = 40; shift >= 0; shift -= 8) this.u8(Math.floor(value / 2 ** shift) % 256);
    return this;
  }

  /** 16 bytes; lower case only. */
  uuid(text: string): this {
    if (text.length !== UUID_CHARACTERS) throw new FrameError('not an id');
    let from = 0;
    for (let byte = 0; byte < UUID_BYTES; byte++) {
      if (DASH_BEFORE.has(byte) && text.charCodeAt(from++) !== DASH) throw new FrameError('not an id');
      this.u8((valueAt(HEX_VALUES, text, from) << 4) | valueAt(HEX_VALUES, text, from + 1));
      from += 2;
    }
    return this;
  }

  /** The bytes of a base64url text, exactly `length` of them. */
  fixed(text: string, length: number): this {
    if (text.length % 4 === 1 || bytesHeld(text.length) !== length) throw new FrameError('another length');
    const whole = text.length - (text.length % 4);
    for (let from = 0; from < whole; from += 4) {
      const group =
        (valueAt(BASE64_VALUES, text, from) << 18) |
        (valueAt(BASE64_VALUES, text, from + 1) << 12) |
        (valueAt(BASE64_VALUES, text, from + 2) << 6) |
        valueAt(BASE64_VALUES, text, from + 3);
      this.#bytes[this.#at++] = group >> 16;
      this.#bytes[this.#at++] = group >> 8;
      this.#bytes[this.#at++] = group;
    }
    if (whole < text.length) this.#rest(text, whole);
    return this;
  }

  /** The last two or three characters: one or two bytes, and bits that must be zero. */
  #rest(text: string, from: number): void {
    const [first, second] = [valueAt(BASE64_VALUES, text, from), valueAt(BASE64_VALUES, text, from + 1)];
    const third = from + 2 < text.length ? valueAt(BASE64_VALUES, text, from + 2) : null;
    this.u8((first << 2) | (second >> 4));
    if (third !== null) this.u8(((second & 15) << 4) | (third >> 2));
    if ((third === null ? second & 15 : third & 3) !== 0) throw new FrameError('base64url with unused bits');
  }

  /** Length, then the bytes of a base64url text, at most `max` of them. */
  bytes(text: string, max: number): this {
    const length = bytesHeld(text.length);
    if (length > max) throw new FrameError('too long');
    return this.varint(length).fixed(text, length);
  }

  done(): Uint8Array<ArrayBuffer> {
    if (this.#at > this.#bytes.length) throw new RangeError('a frame larger than its capacity');
    return this.#bytes.subarray(0, this.#at);
  }
}

/** Every method throws FrameError where the bytes are not what the writer makes. */
export class FrameReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  u8(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new FrameError('cut off');
    this.#at += 1;
    return byte;
  }

  varint(max: number = INT4_MAX): number {
    let value = 0;
    for (let group = 0; group < VARINT_BYTES; group++) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** (7 * group);
      if (byte > 0x7f) continue;
      if (byte === 0 && group > 0) throw new FrameError('a count longer than it need be');
      if (value > max) throw new FrameError('over its bound');
      return value;
    }
    throw new FrameError('a count without an end');
  }

  u48(): number {
    let value = 0;
    for (let byte = 0; byte < 6; byte++) value = value * 256 + this.u8();
    return value;
  }

  uuid(): string {
    let text = '';
    for (let byte = 0; byte < UUID_BYTES; byte++) {
      if (DASH_BEFORE.has(byte)) text += '-';
      text += HEX_PAIRS[this.u8()] ?? '';
    }
    return text;
  }

  /** `length` bytes as base64url. */
  fixed(length: number): string {
    if (this.#bytes.length - this.#at < length) throw new FrameError('cut off');
    let text = '';
    for (const end = this.#at + length; this.#at < end;) {
      const held = Math.min(3, end - this.#at);
      const group = (this.u8() << 16) | ((held > 1 ? this.u8() : 0) << 8) | (held > 2 ? this.u8() : 0);
      text += BASE64_PAIRS[group >> 12] ?? '';
      if (held > 2) text += BASE64_PAIRS[group & 0xfff] ?? '';
      else if (held === 2) text += BASE64[(group >> 6) & 63] ?? '';
    }
    return text;
  }

  /** Length, then that many bytes as base64url, at most `max`. */
  bytes(max: number): string {
    return this.fixed(this.varint(max));
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new FrameError('bytes after the end');
  }
}

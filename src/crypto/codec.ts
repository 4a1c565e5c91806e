// canon(): the one canonical codec for everything that is signed, hashed or MACed (docs/protocol.md, Wire).
// A value has exactly one encoding and a decoder accepts exactly that one; nothing is allocated before its length is
// known to be within its cap and within the bytes that are really there.
import { concat, utf8 } from './bytes.ts';
import { CryptoError } from './errors.ts';

/** Type tags of public keys inside canon(); a key is never read without its tag. */
export const KEY_ED25519 = 0x01;
export const KEY_X25519 = 0x02;
export const KEY_MLKEM768 = 0x03;
export type KeyTag = typeof KEY_ED25519 | typeof KEY_X25519 | typeof KEY_MLKEM768;

/** Raw length in bytes of each tagged key. */
const KEY_LENGTH: Record<KeyTag, number> = { [KEY_ED25519]: 32, [KEY_X25519]: 32, [KEY_MLKEM768]: 1184 };

const MAX_U32 = 0xffffffff;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Builds one canonical byte string. Every method refuses what the Reader would refuse. */
export class Writer {
  readonly #parts: Uint8Array[] = [];

  /** One raw byte. */
  u8(v: number): this {
    if (!Number.isInteger(v) || v < 0 || v > 255) throw new CryptoError('limit', 'byte out of range');
    this.#parts.push(Uint8Array.of(v));
    return this;
  }

  /** Unsigned LEB128 in minimal form, 0 … 2^53-1. */
  varint(v: number): this {
    if (!Number.isSafeInteger(v) || v < 0) throw new CryptoError('limit', 'varint out of range');
    const out: number[] = [];
    let rest = v;
    while (rest >= 128) {
      out.push((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    out.push(rest);
    this.#parts.push(Uint8Array.from(out));
    return this;
  }

  /** A varint of at most 2^32-1. */
  u32(v: number): this {
    if (v > MAX_U32) throw new CryptoError('limit', 'u32 out of range');
    return this.varint(v);
  }

  /** Raw bytes of a length both sides know; no prefix. */
  fixed(b: Uint8Array, length: number): this {
    if (b.length !== length) throw new CryptoError('malformed', 'fixed field length');
    this.#parts.push(b.slice());
    return this;
  }

  /** varint length, then the bytes. */
  bytes(b: Uint8Array, cap: number): this {
    if (b.length > cap) throw new CryptoError('limit', 'byte string over its cap');
    this.varint(b.length);
    this.#parts.push(b.slice());
    return this;
  }

  /** As bytes(), of the UTF-8 encoding; the cap counts bytes. */
  utf8(s: string, cap: number): this {
    return this.bytes(utf8(s), cap);
  }

  /** varint count, then each item as `write` puts it. */
  array<T>(items: readonly T[], cap: number, write: (w: Writer, item: T) => void): this {
    if (items.length > cap) throw new CryptoError('limit', 'array over its cap');
    this.varint(items.length);
    for (const item of items) write(this, item);
    return this;
  }

  /** The finished string; the writer may go on and be asked again. */
  done(): Uint8Array {
    return concat(...this.#parts);
  }
}

/** Reads one canonical byte string; every failure is CryptoError('malformed') unless said otherwise. */
export class Reader {
  readonly #b: Uint8Array;
  #offset = 0;

  constructor(b: Uint8Array) {
    this.#b = b;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#b.length - this.#offset;
  }

  /** One raw byte. */
  u8(): number {
    const v = this.#b[this.#offset];
    if (v === undefined) throw new CryptoError('malformed', 'ended early');
    this.#offset++;
    return v;
  }

  /** Minimal unsigned LEB128 of at most `max` (default 2^53-1). */
  varint(max: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (byte === 0 && i > 0) throw new CryptoError('malformed', 'varint not minimal');
        if (value > max) throw new CryptoError('malformed', 'varint over its maximum');
        return value;
      }
      scale *= 128;
    }
    throw new CryptoError('malformed', 'varint too long');
  }

  /** A varint of at most 2^32-1. */
  u32(): number {
    return this.varint(MAX_U32);
  }

  /** Exactly `length` raw bytes, as a copy. */
  fixed(length: number): Uint8Array {
    if (length > this.remaining) throw new CryptoError('malformed', 'ended early');
    const out = this.#b.slice(this.#offset, this.#offset + length);
    this.#offset += length;
    return out;
  }

  /** A length-prefixed byte string of at most `cap` bytes, as a copy. */
  bytes(cap: number): Uint8Array {
    return this.fixed(this.varint(cap));
  }

  /** A length-prefixed, strictly valid UTF-8 string of at most `cap` bytes. */
  utf8(cap: number): string {
    const b = this.bytes(cap);
    try {
      return decoder.decode(b);
    } catch {
      throw new CryptoError('malformed', 'not UTF-8');
    }
  }

  /** A presence mask or flag byte; a bit outside `known` throws `unsupported`. */
  mask(known: number): number {
    const v = this.u8();
    if ((v & ~known) !== 0) throw new CryptoError('unsupported', 'unknown mask bit');
    return v;
  }

  /** A counted array of at most `cap` items; each item consumes at least one byte, so the count is bounded by the input. */
  array<T>(cap: number, read: (r: Reader) => T): T[] {
    const count = this.varint(cap);
    if (count > this.remaining) throw new CryptoError('malformed', 'array longer than its bytes');
    const out: T[] = [];
    for (let i = 0; i < count; i++) out.push(read(this));
    return out;
  }

  /** Everything not read yet, as a copy (for a nested structure that ends the string). */
  rest(): Uint8Array {
    return this.fixed(this.remaining);
  }

  /** Throws unless the whole string was read. */
  end(): void {
    if (this.remaining !== 0) throw new CryptoError('malformed', 'trailing bytes');
  }
}

/** Writes a public key with its type tag. */
export function writeKey(w: Writer, tag: KeyTag, key: Uint8Array): void {
  w.u8(tag).fixed(key, KEY_LENGTH[tag]);
}

/** Reads a public key that must carry this tag. The caller still runs the key's import check. */
export function readKey(r: Reader, tag: KeyTag): Uint8Array {
  if (r.u8() !== tag) throw new CryptoError('malformed', 'key of another type');
  return r.fixed(KEY_LENGTH[tag]);
}

/** Decodes a whole byte string with `read`, refusing trailing bytes. */
export function decodeAll<T>(b: Uint8Array, read: (r: Reader) => T): T {
  const r = new Reader(b);
  const value = read(r);
  r.end();
  return value;
}

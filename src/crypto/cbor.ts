// Strict CBOR for message content (protocol 3.11, RFC 8949 section 4.2.1): definite minimal lengths, maps with strictly
// ascending unsigned integer keys, no floats, no tags, depth ≤ 6. The checks run token by token, before the decoder
// recurses or allocates, so hostile input costs no more than its own length.
import { decode, encode, Tokenizer } from 'cborg';
import { MAX_CONTENT_BYTES, MAX_CONTENT_DEPTH } from './constants.ts';
import { CryptoError, ensure } from './errors.ts';

/** What content may be made of. Integers are safe integers. */
export type CborValue = number | string | boolean | null | Uint8Array | readonly CborValue[] | CborMap;
/** A map with small unsigned keys. */
export type CborMap = ReadonlyMap<number, CborValue>;

const options = {
  strict: true,
  useMaps: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: false,
};
const ALLOWED: ReadonlySet<string> = new Set([
  'uint',
  'negint',
  'bytes',
  'string',
  'array',
  'map',
  'true',
  'false',
  'null',
]);
// ignoreBOM keeps a leading U+FEFF, which the library's own decoder would drop
const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One open array or map; `left` counts the items still to come (a map entry is two). */
interface Frame {
  left: number;
  readonly map: boolean;
  lastKey: number;
}

/** The library's tokeniser with the rules of 3.11 enforced on every token. */
class StrictTokenizer extends Tokenizer {
  readonly #open: Frame[] = [];

  override next(): ReturnType<Tokenizer['next']> {
    const token = super.next();
    const name = token.type.name;
    ensure(ALLOWED.has(name), 'malformed', 'cbor type not allowed');
    if (token.byteValue) token.value = text.decode(token.byteValue);
    if (name === 'uint' || name === 'negint') {
      ensure(Number.isSafeInteger(token.value), 'malformed', 'cbor integer out of range');
    }
    this.#count(name, token.value);
    if (name === 'array' || name === 'map') this.#enter(name === 'map', token.value);
    return token;
  }

  /** Takes the token into account in the innermost open container. */
  #count(name: string, value: unknown): void {
    while (this.#open.length > 0 && this.#open.at(-1)!.left === 0) this.#open.pop();
    const frame = this.#open.at(-1);
    if (!frame) return;
    if (frame.map && frame.left % 2 === 0) {
      ensure(name === 'uint' && typeof value === 'number', 'malformed', 'cbor key not an unsigned integer');
      ensure(value > frame.lastKey, 'malformed', 'cbor keys not ascending');
      frame.lastKey = value;
    }
    frame.left--;
  }

  #enter(map: boolean, count: unknown): void {
    ensure(typeof count === 'number' && Number.isSafeInteger(count), 'malformed', 'cbor length');
    const left = map ? count * 2 : count;
    ensure(left <= this.data.length - this.pos(), 'malformed', 'cbor container longer than its bytes');
    this.#open.push({ left, map, lastKey: -1 });
    ensure(this.#open.length <= MAX_CONTENT_DEPTH, 'malformed', 'cbor too deep');
  }
}

/** Encodes a map; the keys come out ascending. Throws `limit` over 64 kB. */
export function encodeCbor(map: CborMap): Uint8Array {
  const bytes = Uint8Array.from(encode(map));
  ensure(bytes.length <= MAX_CONTENT_BYTES, 'limit', 'content over its cap');
  return bytes;
}

/** Decodes exactly one map of at most 64 kB; anything encodeCbor would not write throws `malformed`. */
export function decodeCbor(bytes: Uint8Array): CborMap {
  ensure(bytes.length <= MAX_CONTENT_BYTES, 'malformed', 'content over its cap');
  let value: unknown;
  try {
    const tokenizer = new StrictTokenizer(bytes, { ...options, retainStringBytes: true });
    value = decode(bytes, { ...options, tokenizer });
  } catch (error) {
    if (error instanceof CryptoError) throw error;
    // the library's messages may quote input, so only the fact is passed on
    throw new CryptoError('malformed', 'not strict cbor');
  }
  ensure(value instanceof Map, 'malformed', 'content is not a map');
  return value as CborMap;
}

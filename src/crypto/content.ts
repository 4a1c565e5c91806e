// Message content (protocol 3.11): a strict CBOR map whose keys name its parts. The types of stage 1; a map with any
// other key is a message of a newer client and is shown as such, never as raw text.
import { utf8, equalBytes } from './bytes.ts';
import { type CborMap, type CborValue, decodeCbor, encodeCbor } from './cbor.ts';
import { ID_BYTES } from './constants.ts';
import { CryptoError, ensure } from './errors.ts';
import type { EventClass } from './envelope.ts';

/** Code points in one text. */
export const MAX_TEXT_CHARACTERS = 4000;
/** UTF-8 bytes of a reaction's emoji: the longest sequences of Unicode fit, and every reaction fits one 128-byte bucket. */
export const MAX_EMOJI_BYTES = 48;

/** Content this build can write and read. Targets are 16-byte event ids; rev rises with every change by one author. */
export type KnownContent =
  | { readonly type: 'text'; readonly text: string; readonly replyTo?: Uint8Array | undefined }
  | { readonly type: 'edit'; readonly target: Uint8Array; readonly rev: number; readonly text: string }
  | {
      readonly type: 'reaction';
      readonly target: Uint8Array;
      readonly emoji: string;
      readonly op: 'add' | 'remove';
      readonly rev: number;
    }
  | { readonly type: 'redact'; readonly target: Uint8Array }
  | { readonly type: 'pin'; readonly target: Uint8Array }
  | { readonly type: 'unpin'; readonly target: Uint8Array };

/** `unknown`: well-formed content of a type this build does not know ("newer client needed"). */
export type Content = KnownContent | { readonly type: 'unknown' };

// Top-level keys (3.11)
const TEXT = 1;
const EDIT = 2;
const REACTION = 3;
const REPLY = 4;
const REDACT = 8;
const PIN = 16;

const CLASS_OF: Record<KnownContent['type'], EventClass> = {
  text: 'message',
  edit: 'edit',
  reaction: 'reaction',
  redact: 'redact',
  pin: 'pin',
  unpin: 'unpin',
};

/** CBOR bytes of the content; throws `malformed` or `limit` for values decodeContent would refuse. */
export function encodeContent(content: KnownContent): Uint8Array {
  const bytes = encodeCbor(toMap(content));
  decodeContent(bytes);
  return bytes;
}

/** Strict inverse of encodeContent; throws `malformed` for a known type with a wrong shape. */
export function decodeContent(bytes: Uint8Array): Content {
  const map = decodeCbor(bytes);
  switch ([...map.keys()].join()) {
    case `${TEXT}`:
      return { type: 'text', text: readText(map.get(TEXT)) };
    case `${TEXT},${REPLY}`:
      return {
        type: 'text',
        text: readText(map.get(TEXT)),
        replyTo: readId(readPart(map.get(REPLY), 1).get(1)),
      };
    case `${TEXT},${EDIT}`: {
      const part = readPart(map.get(EDIT), 2);
      return {
        type: 'edit',
        target: readId(part.get(1)),
        rev: readUint(part.get(2)),
        text: readText(map.get(TEXT)),
      };
    }
    case `${REACTION}`:
      return readReaction(readPart(map.get(REACTION), 4));
    case `${REDACT}`:
      return { type: 'redact', target: readId(readPart(map.get(REDACT), 1).get(1)) };
    case `${PIN}`: {
      const part = readPart(map.get(PIN), 2);
      return { type: readBit(part.get(2)) === 1 ? 'pin' : 'unpin', target: readId(part.get(1)) };
    }
    default:
      return { type: 'unknown' };
  }
}

/** The envelope class content of this type travels under. */
export function classOf(content: KnownContent): EventClass {
  return CLASS_OF[content.type];
}

/** The event the content names, as it must stand in the envelope's `ref`. */
export function targetOf(content: KnownContent): Uint8Array | undefined {
  return content.type === 'text' ? content.replyTo : content.target;
}

/**
 * Throws `mismatch` unless class and ref of the envelope say what the content says. The server acts on the envelope
 * alone, so a difference would let a sender show people one thing and have the server do another.
 */
export function checkAgreement(
  content: Content,
  header: { readonly class: EventClass; readonly ref?: Uint8Array | undefined },
): void {
  if (content.type === 'unknown') return;
  ensure(classOf(content) === header.class, 'mismatch', 'content type differs from the envelope class');
  const target = targetOf(content);
  const same = target && header.ref ? equalBytes(target, header.ref) : target === header.ref;
  ensure(same, 'mismatch', 'content target differs from the envelope');
}

function toMap(content: KnownContent): CborMap {
  switch (content.type) {
    case 'text': {
      const text = wellFormed(content.text);
      return new Map<number, CborValue>(
        content.replyTo ? [text, [REPLY, new Map([[1, content.replyTo]])]] : [text],
      );
    }
    case 'edit': {
      const part = new Map<number, CborValue>([
        [1, content.target],
        [2, content.rev],
      ]);
      return new Map<number, CborValue>([wellFormed(content.text), [EDIT, part]]);
    }
    case 'reaction':
      utf8(content.emoji);
      return single(REACTION, [
        [1, content.target],
        [2, content.emoji],
        [3, content.op === 'add' ? 1 : 0],
        [4, content.rev],
      ]);
    case 'redact':
      return single(REDACT, [[1, content.target]]);
    case 'pin':
    case 'unpin':
      return single(PIN, [
        [1, content.target],
        [2, content.type === 'pin' ? 1 : 0],
      ]);
  }
}

function single(key: number, entries: [number, CborValue][]): CborMap {
  return new Map<number, CborValue>([[key, new Map(entries)]]);
}

/** utf8() refuses lone surrogates, which the encoder would replace silently. */
function wellFormed(text: string): [number, string] {
  utf8(text);
  return [TEXT, text];
}

/** A nested map with exactly the keys 1 … size. */
function readPart(value: CborValue | undefined, size: number): CborMap {
  ensure(value instanceof Map && value.size === size && value.has(1), 'malformed', 'content part');
  for (let key = 1; key <= size; key++) ensure(value.has(key), 'malformed', 'content part key');
  return value as CborMap;
}

function readReaction(part: CborMap): Content {
  const emoji = part.get(2);
  ensure(typeof emoji === 'string' && emoji !== '', 'malformed', 'emoji');
  ensure(utf8(emoji).length <= MAX_EMOJI_BYTES, 'malformed', 'emoji over its cap');
  return {
    type: 'reaction',
    target: readId(part.get(1)),
    emoji,
    op: readBit(part.get(3)) === 1 ? 'add' : 'remove',
    rev: readUint(part.get(4)),
  };
}

function readText(value: CborValue | undefined): string {
  ensure(typeof value === 'string' && value !== '', 'malformed', 'text');
  // a string has at most its length in code points, so the costly count runs on long texts only
  ensure(
    value.length <= MAX_TEXT_CHARACTERS || [...value].length <= MAX_TEXT_CHARACTERS,
    'malformed',
    'text over its cap',
  );
  return value;
}

function readId(value: CborValue | undefined): Uint8Array {
  ensure(value instanceof Uint8Array && value.length === ID_BYTES, 'malformed', 'event id');
  return value;
}

function readUint(value: CborValue | undefined): number {
  if (typeof value !== 'number' || value < 0) throw new CryptoError('malformed', 'unsigned integer');
  return value;
}

function readBit(value: CborValue | undefined): number {
  ensure(value === 0 || value === 1, 'malformed', 'bit');
  return value;
}

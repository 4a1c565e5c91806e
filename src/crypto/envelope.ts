// The outer envelope of every channel event (docs/protocol.md, Envelope; decision P3): what the server sees and orders
// by, with the encrypted payload as its last field. EH, the hash of everything before the payload, is bound into the
// payload's associated data and signature, so nothing the server reads can be altered without the message failing.
import { decodeAll, Reader, Writer } from './codec.ts';
import {
  CHAIN_ID_BYTES,
  COMMITMENT_BYTES,
  ID_BYTES,
  MAX_BLOBS_PER_EVENT,
  MAX_ENVELOPE_BYTES,
  MAX_PAYLOAD_BYTES,
  MESSAGE_SENDER_KEY,
  WIRE_VERSION,
} from './constants.ts';
import { CryptoError, ensure } from './errors.ts';
import { idKey } from './ids.ts';
import { H } from './primitives.ts';

/** Wire numbers are the positions. */
export const EVENT_MODES = ['dm', 'group', 'control', 'webhook', 'system'] as const;
export type EventMode = (typeof EVENT_MODES)[number];

/** Wire numbers are the positions. */
export const EVENT_CLASSES = [
  'message',
  'edit',
  'reaction',
  'redact',
  'pin',
  'unpin',
  'vote',
  'pollClose',
  'timer',
] as const;
export type EventClass = (typeof EVENT_CLASSES)[number];

/** Channel epochs are int4 on the server. */
export const MAX_EPOCH = 0x7fffffff;
/** Longest lifetime of a disappearing message: 366 days. */
export const MAX_TTL_SECONDS = 366 * 86400;

/** Every field but the payload. Ids are 16 bytes, commit 32 (zeros in modes that carry no committed content). */
export interface EnvelopeHeader {
  readonly mode: EventMode;
  readonly class: EventClass;
  readonly channelId: Uint8Array;
  readonly eventId: Uint8Array;
  readonly epoch: number;
  /** The event this one answers, edits, reacts to, redacts, pins or votes on. */
  readonly ref?: Uint8Array | undefined;
  readonly threadRoot?: Uint8Array | undefined;
  readonly ttlSeconds?: number | undefined;
  readonly commit: Uint8Array;
  readonly blobIds: readonly Uint8Array[];
}

export interface Envelope extends EnvelopeHeader {
  readonly payload: Uint8Array;
}

/** What anybody without keys can read off an envelope; the server's view (through verify.ts). */
export interface EnvelopeView extends EnvelopeHeader {
  readonly v: number;
  readonly payloadLength: number;
  /** EH: SHA-256 of the envelope without its payload. */
  readonly headerHash: Uint8Array;
  /** Sender-key messages only (mode group): position in the sender's chain, and what the next message links to. */
  readonly chain?: { readonly chainId: Uint8Array; readonly iter: number; readonly link: Uint8Array };
}

const HAS_REF = 1;
const HAS_THREAD = 2;
const HAS_TTL = 4;

/** Whether an event of this class names another event: always, never, or as it likes. */
const REF_RULE: Record<EventClass, 'required' | 'optional' | 'none'> = {
  message: 'optional',
  edit: 'required',
  reaction: 'required',
  redact: 'required',
  pin: 'required',
  unpin: 'required',
  vote: 'required',
  pollClose: 'required',
  timer: 'none',
};

/** Canonical bytes of the envelope; throws `malformed` or `limit` for a value decodeEnvelope would refuse. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const w = headerWriter(envelope);
  const bytes = w.bytes(envelope.payload, MAX_PAYLOAD_BYTES).done();
  ensure(bytes.length <= MAX_ENVELOPE_BYTES, 'limit', 'envelope over its cap');
  return bytes;
}

/** Strict inverse of encodeEnvelope; throws `malformed` or `unsupported`. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  ensure(bytes.length <= MAX_ENVELOPE_BYTES, 'malformed', 'envelope over its cap');
  return decodeAll(bytes, (r) => {
    const header = readHeader(r);
    checkHeader(header, 'malformed');
    return { ...header, payload: r.bytes(MAX_PAYLOAD_BYTES) };
  });
}

/** EH = H(envelope without its payload), 32 bytes. */
export function envelopeHash(header: EnvelopeHeader): Uint8Array {
  return H(headerWriter(header).done());
}

/** What the next message of a chain links to: H(EH ‖ payload), so it covers the header the server sees as well. */
export function linkHash(headerHash: Uint8Array, payload: Uint8Array): Uint8Array {
  return H(headerHash, payload);
}

/** Reads the server-visible fields; needs no keys. Throws as decodeEnvelope, also for a group payload without a chain head. */
export function parseEnvelopeHeader(bytes: Uint8Array): EnvelopeView {
  const { payload, ...header } = decodeEnvelope(bytes);
  const headerHash = envelopeHash(header);
  const view = { ...header, v: WIRE_VERSION, payloadLength: payload.length, headerHash };
  if (header.mode !== 'group') return view;
  return { ...view, chain: { ...readChainHead(new Reader(payload)), link: linkHash(headerHash, payload) } };
}

/** Reads `0x21 ‖ flags ‖ chainId8 ‖ varint iter`, the first fields of a sender-key message. */
export function readChainHead(r: Reader): { chainId: Uint8Array; iter: number } {
  ensure(r.u8() === MESSAGE_SENDER_KEY, 'malformed', 'not a sender-key message');
  r.mask(0);
  return { chainId: r.fixed(CHAIN_ID_BYTES), iter: r.u32() };
}

function headerWriter(e: EnvelopeHeader): Writer {
  checkHeader(e, 'limit');
  const mask =
    (e.ref ? HAS_REF : 0) | (e.threadRoot ? HAS_THREAD : 0) | (e.ttlSeconds === undefined ? 0 : HAS_TTL);
  const w = new Writer()
    .u8(WIRE_VERSION)
    .u8(mask)
    .u8(EVENT_MODES.indexOf(e.mode))
    .u8(EVENT_CLASSES.indexOf(e.class))
    .fixed(e.channelId, ID_BYTES)
    .fixed(e.eventId, ID_BYTES)
    .u32(e.epoch);
  if (e.ref) w.fixed(e.ref, ID_BYTES);
  if (e.threadRoot) w.fixed(e.threadRoot, ID_BYTES);
  if (e.ttlSeconds !== undefined) w.u32(e.ttlSeconds);
  return w
    .fixed(e.commit, COMMITMENT_BYTES)
    .array(e.blobIds, MAX_BLOBS_PER_EVENT, (out, id) => out.fixed(id, ID_BYTES));
}

function readHeader(r: Reader): EnvelopeHeader {
  ensure(r.u8() === WIRE_VERSION, 'unsupported', 'envelope version');
  const mask = r.mask(HAS_REF | HAS_THREAD | HAS_TTL);
  return {
    mode: named(EVENT_MODES, r.u8()),
    class: named(EVENT_CLASSES, r.u8()),
    channelId: r.fixed(ID_BYTES),
    eventId: r.fixed(ID_BYTES),
    epoch: r.u32(),
    ...(mask & HAS_REF ? { ref: r.fixed(ID_BYTES) } : {}),
    ...(mask & HAS_THREAD ? { threadRoot: r.fixed(ID_BYTES) } : {}),
    ...(mask & HAS_TTL ? { ttlSeconds: r.u32() } : {}),
    commit: r.fixed(COMMITMENT_BYTES),
    blobIds: r.array(MAX_BLOBS_PER_EVENT, (item) => item.fixed(ID_BYTES)),
  };
}

function named<T extends string>(names: readonly T[], position: number): T {
  const name = names[position];
  if (name === undefined) throw new CryptoError('unsupported', 'unknown mode or class');
  return name;
}

/** The rules both directions share. */
function checkHeader(e: EnvelopeHeader, code: 'malformed' | 'limit'): void {
  ensure(e.epoch <= MAX_EPOCH, code, 'epoch out of range');
  ensure(isUuidV7(e.eventId), 'malformed', 'event id is not a UUIDv7');
  const rule = REF_RULE[e.class];
  ensure(
    rule === 'optional' || (rule === 'required') === (e.ref !== undefined),
    'malformed',
    'ref and class',
  );
  if (e.ttlSeconds !== undefined) {
    ensure(e.ttlSeconds >= 1 && e.ttlSeconds <= MAX_TTL_SECONDS, code, 'ttl out of range');
  }
  ensure(new Set(e.blobIds.map(idKey)).size === e.blobIds.length, 'malformed', 'blob listed twice');
}

function isUuidV7(id: Uint8Array): boolean {
  return id.length === ID_BYTES && id[6]! >> 4 === 7 && id[8]! >> 6 === 2;
}

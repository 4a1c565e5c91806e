// The compact form of `event.appended`, which every message costs each of its readers: one binary WebSocket frame
// instead of JSON (docs/events.md, "Frames"; decision 0035). A client asks for it in the socket's address. Every other
// event stays JSON, and so does one this form could not give back exactly as it was.
import type { LiveEvent, LiveEventOf } from './events.ts';
import { FrameReader, FrameWriter, FrameError } from './frame-bytes.ts';
import type { AccountId, ChannelId, DeviceId, EventId } from './ids.ts';
import type { EventClass } from './messages.ts';

type Appended = LiveEventOf<'event.appended'>;

/** `/trpc?frames=1` asks for compact frames of version 1; whoever does not know it sends JSON. */
export const FRAMES_PARAMETER = 'frames';
export const FRAMES_VERSION = 1;
/** The operation compact frames belong to: a client's first one (architecture, "The live path"). */
export const SHARED_OPERATION = 1;

/**
 * What version 1 can say, fixed for good. What a later server knows beyond it (a class, a larger envelope) it sends as JSON,
 * so that a tab that was opened before is never sent a frame it refuses. Bytes and counts are today's limits.
 */
const CLASSES: readonly EventClass[] = ['message', 'edit', 'reaction', 'redact', 'pin', 'unpin'];
const MAX_ENVELOPE_BYTES = 96 * 1024;
const MAX_CHAIN_CERT_BYTES = 512;
const MAX_MENTIONS = 50;

const APPENDED = 1;
const FRANK_TAG_BYTES = 32;
const UUID_BYTES = 16;
/** More than everything of a frame whose length is bounded. */
const FIXED_BYTES = 192;

const HAS_ORDINAL = 1;
const HAS_REF = 2;
const HAS_FRANK_TAG = 4;
const HAS_CHAIN_CERT = 8;
const ALL_FLAGS = HAS_ORDINAL | HAS_REF | HAS_FRANK_TAG | HAS_CHAIN_CERT;

function writeAppended({ event, chainCert, mentions }: Appended, envelope: string): Uint8Array<ArrayBuffer> {
  const { ordinal, refId, frankTag } = event;
  if (mentions.length > MAX_MENTIONS) throw new FrameError('too many mentions');
  const certLength = chainCert?.length ?? 0;
  const w = new FrameWriter(FIXED_BYTES + envelope.length + certLength + mentions.length * UUID_BYTES)
    .u8(FRAMES_VERSION)
    .u8(APPENDED)
    .u8(
      (ordinal === null ? 0 : HAS_ORDINAL) |
        (refId === null ? 0 : HAS_REF) |
        (frankTag === null ? 0 : HAS_FRANK_TAG) |
        (chainCert === null ? 0 : HAS_CHAIN_CERT),
    )
    .u8(CLASSES.indexOf(event.class))
    .uuid(event.channelId)
    .uuid(event.eventId)
    .varint(event.seq)
    .uuid(event.senderAccountId)
    .uuid(event.senderDeviceId)
    .varint(event.epoch)
    .u48(event.createdAt);
  if (ordinal !== null) w.varint(ordinal);
  if (refId !== null) w.uuid(refId);
  if (frankTag !== null) w.fixed(frankTag, FRANK_TAG_BYTES);
  if (chainCert !== null) w.bytes(chainCert, MAX_CHAIN_CERT_BYTES);
  w.varint(mentions.length);
  for (const accountId of mentions) w.uuid(accountId);
  return w.bytes(envelope, MAX_ENVELOPE_BYTES).done();
}

/**
 * The compact frame of `event`; null where it has none and goes as JSON: another type, a redacted event (no envelope), a
 * value beyond the bounds, an id or base64url text that is not written as we write it.
 */
export function encodeLiveFrame(event: LiveEvent): Uint8Array<ArrayBuffer> | null {
  if (event.type !== 'event.appended') return null;
  const { envelope, stub } = event.event;
  if (envelope === null || stub !== null) return null;
  try {
    return writeAppended(event, envelope);
  } catch (cause) {
    if (cause instanceof FrameError) return null;
    throw cause;
  }
}

function readAppended(r: FrameReader): Appended {
  const flags = r.u8();
  if (flags > ALL_FLAGS) throw new FrameError('unknown flags');
  const kind = CLASSES[r.u8()];
  if (kind === undefined) throw new FrameError('unknown class');
  const head = {
    channelId: r.uuid() as ChannelId,
    eventId: r.uuid() as EventId,
    seq: r.varint(),
    class: kind,
    senderAccountId: r.uuid() as AccountId,
    senderDeviceId: r.uuid() as DeviceId,
    epoch: r.varint(),
    createdAt: r.u48(),
    ordinal: flags & HAS_ORDINAL ? r.varint() : null,
    refId: flags & HAS_REF ? (r.uuid() as EventId) : null,
    frankTag: flags & HAS_FRANK_TAG ? r.fixed(FRANK_TAG_BYTES) : null,
  };
  const chainCert = flags & HAS_CHAIN_CERT ? r.bytes(MAX_CHAIN_CERT_BYTES) : null;
  const mentions: AccountId[] = [];
  for (let left = r.varint(MAX_MENTIONS); left > 0; left--) mentions.push(r.uuid() as AccountId);
  const envelope = r.bytes(MAX_ENVELOPE_BYTES);
  r.end();
  return { type: 'event.appended', event: { ...head, envelope, stub: null }, chainCert, mentions };
}

/** The event of a compact frame, whole or not at all. Throws FrameError for anything encodeLiveFrame does not make. */
export function decodeLiveFrame(bytes: Uint8Array): LiveEvent {
  const r = new FrameReader(bytes);
  if (r.u8() !== FRAMES_VERSION) throw new FrameError('unknown version');
  if (r.u8() !== APPENDED) throw new FrameError('unknown kind');
  return readAppended(r);
}

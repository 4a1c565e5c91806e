// From rows of the log to events on the wire.
import { createHmac } from 'node:crypto';
import type { ChannelId, AccountId, DeviceId, EventId } from '#shared/ids.ts';
import type { ChannelEvent, EventClass } from '#shared/messages.ts';

export interface EventRow {
  readonly channelId: string;
  readonly seq: number;
  readonly eventId: string;
  readonly class: string;
  readonly ordinal: number | null;
  readonly senderAccountId: string;
  readonly senderDeviceId: string;
  readonly refId: string | null;
  readonly epoch: number;
  readonly envelope: Uint8Array | null;
  readonly chainId: Uint8Array | null;
  readonly iter: number | null;
  readonly linkHash: Uint8Array | null;
  readonly commitment: Uint8Array | null;
  readonly createdAt: Date;
}

/** The columns of EventRow for raw queries on "ChannelEvent" e. */
export const eventColumns = `e."channelId", e.seq, e."eventId", e.class, e.ordinal, e."senderAccountId",
  e."senderDeviceId", e."refId", e.epoch, e.envelope, e."chainId", e.iter, e."linkHash", e.commitment, e."createdAt"`;

export const toBase64Url = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
export const fromBase64Url = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64url'));

const FRANK_LABEL = Buffer.from('cl1/frank-tag');
const COMMITMENT_BYTES = 32;
const UUID_BYTES = 16;
const TIME_BYTES = 8;
const FRANKED_BYTES = FRANK_LABEL.length + COMMITMENT_BYTES + 4 * UUID_BYTES + TIME_BYTES;

/**
 * Franking tag, 32 bytes (protocol §3.14): HMAC-SHA256 of the server's franking key over
 * "cl1/frank-tag" ‖ C (32) ‖ channelId ‖ eventId ‖ sender account ‖ sender device (16 each) ‖ server time (u64, ms).
 * A pure function of what is stored, so it is computed when read and stored nowhere.
 */
export function frankTag(
  key: Uint8Array,
  event: Pick<EventRow, 'channelId' | 'eventId' | 'senderAccountId' | 'senderDeviceId' | 'createdAt'> & {
    readonly commitment: Uint8Array;
  },
): string {
  // Written into one buffer: each call into the hash costs more than what it hashes.
  const franked = Buffer.alloc(FRANKED_BYTES);
  let at = FRANK_LABEL.copy(franked);
  franked.set(event.commitment, at);
  at += COMMITMENT_BYTES;
  for (const id of [event.channelId, event.eventId, event.senderAccountId, event.senderDeviceId])
    at += franked.write(id.replaceAll('-', ''), at, 'hex');
  franked.writeBigUInt64BE(BigInt(event.createdAt.getTime()), at);
  return createHmac('sha256', key).update(franked).digest('base64url');
}

/** One row as delivered; a redacted or expired one carries its stub instead of an envelope. */
export function toChannelEvent(row: EventRow, frankingKey: Uint8Array): ChannelEvent {
  const { commitment } = row;
  return {
    channelId: row.channelId as ChannelId,
    seq: row.seq,
    eventId: row.eventId as EventId,
    class: row.class as EventClass,
    ordinal: row.ordinal,
    senderAccountId: row.senderAccountId as AccountId,
    senderDeviceId: row.senderDeviceId as DeviceId,
    refId: row.refId as EventId | null,
    epoch: row.epoch,
    envelope: row.envelope && toBase64Url(row.envelope),
    stub: row.envelope
      ? null
      : {
          chainId: row.chainId && toBase64Url(row.chainId),
          iter: row.iter,
          linkHash: row.linkHash && toBase64Url(row.linkHash),
        },
    frankTag: commitment && frankTag(frankingKey, { ...row, commitment }),
    createdAt: row.createdAt.getTime(),
  };
}

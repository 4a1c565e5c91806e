// The channel log: sending, paging, gap fill, cursors. The server sees envelopes, never content.
import * as z from 'zod/mini';
import { base64UrlBytes, countSchema } from './encoding.ts';
import {
  accountIdSchema,
  channelIdSchema,
  deviceRefSchema,
  eventIdSchema,
  type AccountId,
  type ChannelId,
  type DeviceId,
  type EventId,
} from './ids.ts';
import { limits } from './limits.ts';
import { outgoingPacketSchema } from './mailbox.ts';

/** Classes the server can tell apart (protocol P3); later issues add vote, pollClose, timer. */
export const eventClasses = ['message', 'edit', 'reaction', 'redact', 'pin', 'unpin'] as const;
export type EventClass = (typeof eventClasses)[number];

/** What is left of a redacted or expired event, so that hash links still verify (protocol P6). */
export interface EventStub {
  /** 8-byte chain id, base64url; null for DM bodies. */
  readonly chainId: string | null;
  readonly iter: number | null;
  /** What the chain's next message links to (32 bytes, base64url); null for DM bodies. */
  readonly linkHash: string | null;
}

/** One event of a channel's log as delivered. */
export interface ChannelEvent {
  readonly channelId: ChannelId;
  readonly seq: number;
  readonly eventId: EventId;
  readonly class: EventClass;
  /** Rises by one with every class-message event outside threads; null for the others. */
  readonly ordinal: number | null;
  readonly senderAccountId: AccountId;
  readonly senderDeviceId: DeviceId;
  readonly refId: EventId | null;
  readonly epoch: number;
  /** base64url; null once redacted or expired. */
  readonly envelope: string | null;
  readonly stub: EventStub | null;
  /** Server's franking tag, base64url (protocol 3.14). */
  readonly frankTag: string | null;
  readonly createdAt: number;
}

/** Mentions stand outside the envelope so that the server can count and notify. */
export const notifySchema = z.object({
  accountIds: z.array(accountIdSchema).check(z.maxLength(limits.mentionsPerMessage)),
});

export const sendMessageInput = z.object({
  /** Canonical envelope; channelId, eventId, class, epoch and ref are read from it. */
  envelope: base64UrlBytes(64, limits.envelopeBytes),
  packets: z.array(outgoingPacketSchema).check(z.maxLength(limits.packetsPerSend)),
  /** The chain certificate, with the first message of a sender chain. */
  chainCert: z.optional(base64UrlBytes(64, limits.chainCertBytes)),
  notify: z.optional(notifySchema),
  /** 1:1 DMs: the devices this message has key packets for; refused with `stale_devices` when they changed. */
  dmDevices: z.optional(z.array(deviceRefSchema).check(z.maxLength(limits.devicesPerAccount * 2))),
});

export interface SendAck {
  readonly eventId: EventId;
  readonly seq: number;
  readonly ordinal: number | null;
  readonly createdAt: number;
  readonly frankTag: string;
  /** Current value of `ChannelReaders.devicesVersion`; when it rose, new devices get chain packets after. */
  readonly devicesVersion: number;
}

/** Pages class `message` by ordinal, newest first when `before` is absent. */
export const pageMessagesInput = z.object({
  channelId: channelIdSchema,
  /** Exclusive upper bound (ordinal). */
  before: z.optional(countSchema(1)),
  limit: z.int().check(z.gte(1), z.lte(limits.pageMessages)),
});
export interface MessagePage {
  /** Class message, rising by seq. */
  readonly messages: readonly ChannelEvent[];
  /** Edits (newest per message), redactions, pins, reactions of those messages, rising by seq. */
  readonly related: readonly ChannelEvent[];
  /** Messages with more related events than were sent: page them with `messages.related`. */
  readonly truncated: readonly EventId[];
  /** Certificates of every chain named by these events: chainId → certificate, base64url. */
  readonly chainCerts: Readonly<Record<string, string>>;
  readonly hasMore: boolean;
  /** Newest seq of the channel at the time of reading. */
  readonly headSeq: number;
}

export const relatedMessagesInput = z.object({
  channelId: channelIdSchema,
  eventId: eventIdSchema,
  after: countSchema(0),
});
export interface RelatedPage {
  readonly events: readonly ChannelEvent[];
  readonly chainCerts: Readonly<Record<string, string>>;
  readonly hasMore: boolean;
}

/** Gap fill by seq, contiguous by contract: answers every seq in [fromSeq, toSeq]. */
export const gapInput = z.object({
  channelId: channelIdSchema,
  fromSeq: countSchema(1),
  toSeq: countSchema(1),
});
export interface GapPage {
  readonly events: readonly ChannelEvent[];
  readonly chainCerts: Readonly<Record<string, string>>;
  readonly fromSeq: number;
  /** May be lower than asked for (at most `limits.gapEvents` events). */
  readonly toSeq: number;
}

export const chainCertsInput = z.object({
  channelId: channelIdSchema,
  chainIds: z.array(base64UrlBytes(8, 8)).check(z.minLength(1), z.maxLength(limits.chainCertsPerCall)),
});

export const moveCursorInput = z.object({ channelId: channelIdSchema, seq: countSchema(0) });
export const typingInput = z.object({ channelId: channelIdSchema });

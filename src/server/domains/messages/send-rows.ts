// What the send statement works on: a send, its verdict, and the columns it goes to the database in.

/** One send, decoded and pre-checked. Bytes are raw, ids are UUID strings. */
export interface SendRow {
  readonly channelId: string;
  readonly eventId: string;
  readonly class: string;
  readonly accountId: string;
  readonly deviceId: string;
  readonly refId: string | null;
  readonly epoch: number;
  readonly envelope: Uint8Array;
  /** SHA-256 of `envelope`. */
  readonly envelopeHash: Uint8Array;
  readonly chainId: Uint8Array | null;
  readonly iter: number | null;
  readonly linkHash: Uint8Array | null;
  readonly commitment: Uint8Array;
  /** How long the payload is kept, as signed in the envelope; null: as long as the channel. */
  readonly ttlSeconds?: number | null;
  /** Holds manageMessages here: may redact others, is exempt from slow mode. */
  readonly isModerator: boolean;
  /** The community's version the send was allowed at, when that was remembered from an earlier send; else null. */
  readonly allowedAt?: number | null;
  /** DMs: the devicesVersion the packets were made for; null where additions never refuse a send. */
  readonly devicesVersion: number | null;
  readonly chainCert: Uint8Array | null;
  readonly mentions: readonly string[];
  readonly packets: readonly {
    readonly accountId: string;
    readonly deviceId: string;
    readonly bytes: Uint8Array;
  }[];
}

export type Verdict =
  | 'stored'
  | 'repeat'
  | 'again' // must be judged in a later statement: collides with a row of the same batch
  | 'conflict'
  | 'not_found'
  | 'not_author'
  | 'archived'
  | 'stale_grant' // remembered permission: something has changed since, decide again
  | 'stale_epoch'
  | 'stale_devices'
  | 'slow_mode'
  | 'failed'; // this row could not be stored; the reason is in the log

export interface SendVerdict {
  readonly verdict: Verdict;
  readonly seq: number | null;
  readonly ordinal: number | null;
  readonly createdAt: Date | null;
  readonly epoch: number | null;
  readonly devicesVersion: number | null;
  /** Set when every member of this community reads the channel. */
  readonly audienceCommunityId: string | null;
  readonly waitMs: number;
  /** Packets stored: index into the row's `packets`, and the seq in the device's mailbox. */
  readonly posted: readonly { readonly packet: number; readonly seq: number }[];
}

/** A row with its place in the batch, and whether an earlier row has the same event, or the same sender and channel. */
export interface Placed {
  readonly row: SendRow;
  readonly idx: number;
  readonly sameEvent: boolean;
  readonly sameSender: boolean;
}

export function place(rows: readonly SendRow[]): Placed[] {
  const seen = new Set<string>();
  const isRepeat = (key: string): boolean => seen.size === seen.add(key).size;
  return rows.map((row, idx) => ({
    row,
    idx,
    sameEvent: isRepeat(`event ${row.channelId} ${row.eventId}`),
    sameSender: isRepeat(`sender ${row.channelId} ${row.accountId}`),
  }));
}

/** What the statement reads of each row: name, element type of the array parameter, value. */
export const columns: readonly (readonly [name: string, type: string, pick: (placed: Placed) => unknown])[] =
  [
    ['idx', 'int4', ({ idx }) => idx],
    ['channel', 'uuid', ({ row }) => row.channelId],
    ['event', 'uuid', ({ row }) => row.eventId],
    ['class', 'text', ({ row }) => row.class],
    ['account', 'uuid', ({ row }) => row.accountId],
    ['device', 'uuid', ({ row }) => row.deviceId],
    ['ref', 'uuid', ({ row }) => row.refId],
    ['epoch', 'int4', ({ row }) => row.epoch],
    ['envelope', 'bytea', ({ row }) => row.envelope],
    ['hash', 'bytea', ({ row }) => row.envelopeHash],
    ['chain', 'bytea', ({ row }) => row.chainId],
    ['iter', 'int4', ({ row }) => row.iter],
    ['link', 'bytea', ({ row }) => row.linkHash],
    ['commitment', 'bytea', ({ row }) => row.commitment],
    ['ttl', 'int4', ({ row }) => row.ttlSeconds ?? null],
    ['moderator', 'bool', ({ row }) => row.isModerator],
    ['allowed', 'int4', ({ row }) => row.allowedAt ?? null],
    ['expected', 'int4', ({ row }) => row.devicesVersion],
    ['same_event', 'bool', ({ sameEvent }) => sameEvent],
    ['same_sender', 'bool', ({ sameSender }) => sameSender],
  ];

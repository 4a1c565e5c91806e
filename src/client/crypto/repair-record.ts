// The record kept per peer device whose packets could not be decrypted, or which asked (protocol 3.6).
import type { ResendRequest } from '#crypto/index.ts';
import type { DeviceRef, EventId } from '#shared/ids.ts';

export interface RepairRecord {
  readonly device: DeviceRef;
  /** A failure the peer has not been asked about. */
  readonly wanted: ResendRequest | null;
  /** When the peer was asked within the last hour, ms. */
  readonly asked: readonly number[];
  /** When it was asked last; 0: never. */
  readonly askedAt: number;
  /** Mailbox position of the peer's last answer: what failed before it is answered. */
  readonly answeredAtSeq: number;
  /** When the peer's requests were answered, ms. */
  readonly answers: readonly number[];
  /** The peer asked: it is answered from this time on. */
  readonly answerAt: number | null;
  /** The session for the answer is open. */
  readonly isOpened: boolean;
  /** A session with it is to replace all there are: prekeys were asked of the server, or are to be. */
  readonly opening: 'wanted' | 'claimed' | null;
  /** Time the peer signed its newest control packet at, ms. */
  readonly seenAt: number;
  readonly isWedged: boolean;
  /** Its newest direct messages without a key, and up to which time of the server it was asked about them. */
  readonly missing: readonly { readonly eventId: EventId; readonly at: number }[];
  readonly missingAskedTo: number;
}

export const newRepair = (device: DeviceRef): RepairRecord => ({
  device,
  wanted: null,
  asked: [],
  askedAt: 0,
  answeredAtSeq: 0,
  answers: [],
  answerAt: null,
  isOpened: false,
  opening: null,
  seenAt: 0,
  isWedged: false,
  missing: [],
  missingAskedTo: 0,
});

/** The session that replaces all others is open: what waited for it goes on. */
export const withOpened = (record: RepairRecord, now: number): RepairRecord => ({
  ...record,
  opening: null,
  isOpened: record.answerAt !== null,
  answerAt: record.answerAt === null ? null : Math.min(record.answerAt, now),
});

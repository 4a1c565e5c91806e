// What a device remembers of a channel's order, so that the server cannot run time or epochs backwards (P7, A66).
import type { AccountId } from '#shared/ids.ts';
import { MAX_EPOCHS, MAX_REMOVED } from './engine-limits.ts';
import type { ChannelRecord, ReadersRecord } from './records.ts';

export const EMPTY_CHANNEL: ChannelRecord = { maxEpoch: 0, epochs: [], headSeq: 0, headAt: 0, covered: null };

/** Highest epoch seen at any lower seq. */
export function minEpochAt(channel: ChannelRecord, seq: number): number {
  let epoch = 0;
  for (const boundary of channel.epochs) if (boundary.fromSeq < seq) epoch = Math.max(epoch, boundary.epoch);
  return epoch;
}

/** Highest seq that was shown or opened. */
export const shownUpTo = (channel: ChannelRecord | undefined): number =>
  Math.max(channel?.headSeq ?? 0, channel?.covered?.to ?? 0);

/** Server time the event may not be older than: that of the newest event seen, when it comes after it. */
export function minCreatedAt(channel: ChannelRecord, seq: number): number {
  return seq > channel.headSeq ? channel.headAt : 0;
}

/** Notes an opened event. */
export function noteEvent(
  channel: ChannelRecord,
  event: { readonly seq: number; readonly epoch: number; readonly createdAt: number },
): ChannelRecord {
  const { seq, epoch, createdAt } = event;
  const known = channel.epochs.find((boundary) => boundary.epoch === epoch);
  const earlier = known && known.fromSeq <= seq;
  const others = channel.epochs.filter((boundary) => boundary !== known);
  const epochs = earlier
    ? channel.epochs
    : [...others, { epoch, fromSeq: seq }].sort((a, b) => a.epoch - b.epoch).slice(-MAX_EPOCHS);
  const isHead = seq > channel.headSeq;
  return {
    ...channel,
    maxEpoch: Math.max(channel.maxEpoch, epoch),
    epochs,
    headSeq: isHead ? seq : channel.headSeq,
    headAt: isHead ? createdAt : channel.headAt,
  };
}

/** Notes which events were shown, in rising order of seq: every one of them, opened or not. */
export function noteShown(channel: ChannelRecord, seqs: readonly number[]): ChannelRecord {
  let { covered } = channel;
  for (const seq of seqs) {
    if (covered && seq >= covered.from - 1 && seq <= covered.to + 1) {
      covered = { from: Math.min(covered.from, seq), to: Math.max(covered.to, seq) };
    } else if (!covered || seq > covered.to) {
      covered = { from: seq, to: seq };
    }
  }
  return covered === channel.covered ? channel : { ...channel, covered };
}

/** Whether everything between two events was shown: only then is what their sender links to missing. */
export function isCovered(channel: ChannelRecord, fromSeq: number, toSeq: number): boolean {
  const { covered } = channel;
  return covered !== null && covered.from <= fromSeq && toSeq <= covered.to;
}

/**
 * Takes the readers the server names at `epoch`. Who is no longer among them may not write from that epoch on, or from
 * the next one where a removal came without an epoch of its own; an older list changes nothing. Between two lists that
 * lack somebody they may have come back, written and left, so the newest one counts: what they wrote in between is older
 * than its epoch, and is refused by that where it comes after the epoch's first event.
 */
export function noteReaders(
  known: ReadersRecord | undefined,
  seen: { readonly epoch: number; readonly readers: readonly AccountId[] },
): ReadersRecord {
  const { epoch, readers } = seen;
  if (!known) return { epoch, readers, removed: {} };
  if (epoch < known.epoch) return known;
  const present = new Set(readers);
  const since = epoch > known.epoch ? epoch : epoch + 1;
  const isSame = epoch === known.epoch && readers.length === known.readers.length;
  if (isSame && known.readers.every((id) => present.has(id))) return known;
  const gone = known.readers.filter((id) => !present.has(id)).map((id) => [id, since] as const);
  const earlier = Object.entries(known.removed)
    .filter(([id]) => !present.has(id as AccountId))
    .map(([id, before]) => [id, Math.max(before, epoch)] as const);
  const removed = Object.fromEntries([...earlier, ...gone].slice(-MAX_REMOVED));
  return { epoch, readers, removed };
}

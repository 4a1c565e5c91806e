// What a device remembers of a channel's order, so that the server cannot run time or epochs backwards (P7, A66).
import type { ChannelRecord } from './records.ts';
import { MAX_EPOCHS } from './engine-limits.ts';

export const EMPTY_CHANNEL: ChannelRecord = { maxEpoch: 0, epochs: [], headSeq: 0, headAt: 0 };

/** Highest epoch seen at any lower seq. */
export function minEpochAt(channel: ChannelRecord, seq: number): number {
  let epoch = 0;
  for (const boundary of channel.epochs) if (boundary.fromSeq < seq) epoch = Math.max(epoch, boundary.epoch);
  return epoch;
}

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
    maxEpoch: Math.max(channel.maxEpoch, epoch),
    epochs,
    headSeq: isHead ? seq : channel.headSeq,
    headAt: isHead ? createdAt : channel.headAt,
  };
}

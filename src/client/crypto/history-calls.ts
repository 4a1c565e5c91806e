// The part of the crypto worker's interface about how long, and for whom, what is written is kept (protocol 3.10).
import type { HistoryPolicy } from '#shared/channels.ts';
import type { ChannelId } from '#shared/ids.ts';

/** A channel's history policy became another one: after which event, and when this browser saw it. */
export interface PolicyChange {
  readonly at: number;
  readonly afterSeq: number;
  readonly from: HistoryPolicy;
  readonly to: HistoryPolicy;
}

export interface HistoryCalls {
  /** Deletes the keys and messages whose time is over; when the next of them goes, ms, or null. */
  fade(input: { now: number }): Promise<{ readonly next: number | null }>;
  /** What the server names as each channel's history policy now; answers the changes this browser saw, oldest first. */
  notePolicies(input: {
    channels: readonly { channelId: ChannelId; policy: HistoryPolicy; afterSeq: number }[];
    now: number;
  }): Promise<readonly { readonly channelId: ChannelId; readonly changes: readonly PolicyChange[] }[]>;
}

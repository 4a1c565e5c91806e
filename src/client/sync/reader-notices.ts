// Lines in the timeline made by this client from its own keys: who can read from here on (protocol P15).
import { SvelteMap } from 'svelte/reactivity';
import type { AccountId, ChannelId } from '#shared/ids.ts';

export interface ReaderNotice {
  readonly at: number;
  readonly afterSeq: number;
  readonly accountId: AccountId;
  readonly kind: 'joined' | 'left';
}

/** Where a channel stood when its readers changed. */
type Place = Pick<ReaderNotice, 'at' | 'afterSeq'>;

export class ReaderNotices {
  readonly #lines = new SvelteMap<ChannelId, readonly ReaderNotice[]>();

  /** Lines of one channel, in the order they were noted. */
  get(channelId: ChannelId): readonly ReaderNotice[] | undefined {
    return this.#lines.get(channelId);
  }

  note(channelId: ChannelId, change: { joined: AccountId[]; left: AccountId[] }, place: Place): void {
    const line =
      (kind: ReaderNotice['kind']) =>
      (accountId: AccountId): ReaderNotice => ({ ...place, accountId, kind });
    const lines = [...change.joined.map(line('joined')), ...change.left.map(line('left'))];
    this.#lines.set(channelId, [...(this.#lines.get(channelId) ?? []), ...lines]);
  }
}

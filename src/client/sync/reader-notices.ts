// Lines in the timeline made by this client from what it saw itself (protocol P15): who can read from here on, as its
// keys went out, and how long and for whom what is written from here on is kept.
import { SvelteMap } from 'svelte/reactivity';
import type { CryptoApi, PolicyChange } from '#client/crypto/protocol.ts';
import type { HistoryPolicy } from '#shared/channels.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import type { Structure } from './structure.svelte.ts';

export interface ReaderNotice {
  readonly at: number;
  readonly afterSeq: number;
  readonly accountId: AccountId;
  readonly kind: 'joined' | 'left';
}

/** The workspace, as far as notices need it. */
export interface NoticesHost {
  readonly crypto: Pick<CryptoApi, 'notePolicies'>;
  readonly structure: Structure;
  now(): number;
}

/** Where a channel stood when its readers changed. */
type Place = Pick<ReaderNotice, 'at' | 'afterSeq'>;

/** The channel's history policy is another one from here on. */
export interface PolicyNotice {
  readonly at: number;
  readonly afterSeq: number;
  readonly kind: 'policy';
  readonly from: HistoryPolicy;
  readonly to: HistoryPolicy;
}

export type Notice = ReaderNotice | PolicyNotice;

export class ReaderNotices {
  readonly #host: NoticesHost;
  readonly #lines = new SvelteMap<ChannelId, readonly ReaderNotice[]>();
  readonly #policies = new SvelteMap<ChannelId, readonly PolicyNotice[]>();

  constructor(host: NoticesHost) {
    this.#host = host;
  }

  apply({ type }: LiveEvent): void {
    if (type === 'community.joined' || type === 'channel.changed') void this.look();
  }

  /** Looks whether the server names another history policy somewhere than before, also than before this start. */
  async look(): Promise<void> {
    const { crypto, structure } = this.#host;
    const channels = [...structure.communities.values()].flatMap((community) =>
      community.channels.map(({ channelId, historyPolicy: policy }) => {
        return { channelId, policy, afterSeq: structure.head(channelId).lastSeq };
      }),
    );
    const seen = await crypto.notePolicies({ channels, now: this.#host.now() }).catch(() => []);
    for (const { channelId, changes } of seen) this.#tell(channelId, changes);
  }

  /** Lines of one channel. */
  get(channelId: ChannelId): readonly Notice[] {
    return [...(this.#lines.get(channelId) ?? []), ...(this.#policies.get(channelId) ?? [])];
  }

  /** All changes this browser saw; those that are told already stay as they are. */
  #tell(channelId: ChannelId, changes: readonly PolicyChange[]): void {
    const told = this.#policies.get(channelId) ?? [];
    const lines = changes.map((change): PolicyNotice => {
      const same = told.find((line) => line.at === change.at && line.to === change.to);
      return same ?? { ...change, kind: 'policy' };
    });
    this.#policies.set(channelId, lines);
  }

  note(channelId: ChannelId, change: { joined: AccountId[]; left: AccountId[] }, place: Place): void {
    const line =
      (kind: ReaderNotice['kind']) =>
      (accountId: AccountId): ReaderNotice => ({ ...place, accountId, kind });
    const lines = [...change.joined.map(line('joined')), ...change.left.map(line('left'))];
    this.#lines.set(channelId, [...(this.#lines.get(channelId) ?? []), ...lines]);
  }
}

// State + events = state: communities, direct conversations and channel heads. Loaded by the bootstrap, moved on by
// live events; a jump in a community's version makes it be fetched again.
import { SvelteMap } from 'svelte/reactivity';
import type { ChannelSummary, DmSummary } from '#shared/channels.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { LeaveReason, LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';
import type { Bootstrap, ChannelHead } from '#shared/live.ts';
import type { OwnAccount } from '#shared/users.ts';
import { reduceStructure } from './structure-reducer.ts';

export interface Head {
  readonly lastSeq: number;
  readonly lastOrdinal: number;
  readonly epoch: number;
  readonly readSeq: number;
  readonly readOrdinal: number;
  readonly mentions: number;
  readonly lastMessageAt: number;
  readonly devicesVersion: number;
}

const newHead: Head = {
  lastSeq: 0,
  lastOrdinal: 0,
  epoch: 1,
  readSeq: 0,
  readOrdinal: 0,
  mentions: 0,
  lastMessageAt: 0,
  devicesVersion: 1,
};

/** A channel this young at its first sight began while we watched: its log is known from the start. */
const YOUNG_MS = 60_000;

const headOf = (given: ChannelHead): Head => {
  const [, lastSeq, lastOrdinal, epoch, readSeq, readOrdinal, mentions, lastMessageAt, devicesVersion] =
    given;
  return { lastSeq, lastOrdinal, epoch, readSeq, readOrdinal, mentions, lastMessageAt, devicesVersion };
};

/** Both know part of it: the log and the cursor only ever move on. */
function laterOf(a: Head, b: Head): Head {
  const later: { -readonly [Field in keyof Head]: number } = { ...a };
  for (const field of Object.keys(a) as (keyof Head)[]) later[field] = Math.max(a[field], b[field]);
  return later;
}

/** A community that was ours until a moment ago, so that the person can be told what became of it. */
export interface Departure {
  readonly name: string;
  readonly reason: LeaveReason;
}

export class Structure {
  readonly departed = new SvelteMap<CommunityId, Departure>();
  readonly communities = new SvelteMap<CommunityId, CommunityStructure>();
  readonly dms = new SvelteMap<ChannelId, DmSummary>();
  readonly heads = new SvelteMap<ChannelId, Head>();
  /**
   * Communities whose version came by an event. One change may be several events of one version, and a connection may
   * break between them: such a version is not claimed to be known.
   */
  readonly #moved = new Set<CommunityId>();
  /** Channels whose log is known from the server or from its beginning. */
  readonly #headed = new Set<ChannelId>();
  #account = $state.raw<OwnAccount | null>(null);
  #isLoaded = $state(false);

  /** The signed-in person; null until the first bootstrap. */
  get account(): OwnAccount | null {
    return this.#account;
  }

  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** Versions held whole, for `live.bootstrap`. */
  known(): [CommunityId, number][] {
    const whole = [...this.communities.values()].filter((c) => !this.#moved.has(c.communityId));
    return whole.map((c) => [c.communityId, c.version]);
  }

  load(bootstrap: Bootstrap): void {
    this.#account = bootstrap.account;
    const present = new Set(bootstrap.communities.map((c) => c.communityId));
    for (const [id, { name }] of [...this.communities]) {
      if (present.has(id)) continue;
      this.departed.set(id, { name, reason: 'left' });
      this.communities.delete(id);
    }
    for (const { communityId, structure } of bootstrap.communities) {
      if (!structure) continue;
      this.communities.set(communityId, structure);
      this.#moved.delete(communityId);
    }
    const dmIds = new Set(bootstrap.dms.map((dm) => dm.channel.channelId));
    for (const id of [...this.dms.keys()]) if (!dmIds.has(id)) this.dms.delete(id);
    for (const dm of bootstrap.dms) this.dms.set(dm.channel.channelId, dm);
    const headed = new Set(bootstrap.heads.map(([channelId]) => channelId));
    for (const id of [...this.heads.keys()]) if (!headed.has(id)) this.heads.delete(id);
    this.#headed.clear();
    for (const head of bootstrap.heads) {
      this.#headed.add(head[0]);
      this.heads.set(head[0], headOf(head));
    }
    this.#isLoaded = true;
  }

  /** Channels that were there before they became ours to see: where their log stands is not known. */
  unheaded(now: number): ChannelId[] {
    const channels = [...this.communities.values()].flatMap((community) => community.channels);
    const unknown = channels.filter(({ channelId }) => !this.#headed.has(channelId));
    for (const { channelId, createdAt } of unknown)
      if (createdAt > now - YOUNG_MS) this.#headed.add(channelId);
    return unknown.map(({ channelId }) => channelId).filter((id) => !this.#headed.has(id));
  }

  /** Where the logs of the channels `asked` for stand; one that is not among `heads` is not ours to read. */
  learnHeads(asked: readonly ChannelId[], heads: Bootstrap['heads']): void {
    const given = new Map(heads.map((head) => [head[0], headOf(head)]));
    for (const channelId of asked) {
      this.#headed.add(channelId);
      const head = given.get(channelId);
      if (head) this.heads.set(channelId, laterOf(head, this.head(channelId)));
    }
  }

  /** Takes a community as it was read; one that is known in a newer version stays as it is. */
  replaceCommunity(community: CommunityStructure): void {
    if ((this.communities.get(community.communityId)?.version ?? 0) > community.version) return;
    this.communities.set(community.communityId, community);
    this.#moved.delete(community.communityId);
  }

  /** Applies an event; answers a community that must be fetched again because its version jumped. */
  apply(event: LiveEvent): CommunityId | null {
    switch (event.type) {
      case 'event.appended':
        this.#appended(event);
        return null;
      case 'cursor.moved': {
        const { channelId, readSeq, readOrdinal, mentions } = event;
        // Only what moves it on: an older one said again must not clear mentions that came since.
        if (readSeq <= this.head(channelId).readSeq) return null;
        this.#patch(channelId, { readSeq, readOrdinal, mentions });
        return null;
      }
      case 'channel.rekeyed': {
        const { channelId } = event;
        const known = this.head(channelId);
        this.#patch(channelId, {
          epoch: Math.max(known.epoch, event.epoch),
          devicesVersion: Math.max(known.devicesVersion, event.devicesVersion),
        });
        return null;
      }
      case 'account.updated':
        if (event.account.version >= (this.#account?.version ?? 0)) this.#account = event.account;
        return null;
      case 'dm.opened':
        this.dms.set(event.dm.channel.channelId, event.dm);
        return null;
      case 'community.joined':
        this.departed.delete(event.community.communityId);
        this.replaceCommunity(event.community);
        return null;
      case 'community.left': {
        const { communityId, reason } = event;
        const name = this.communities.get(communityId)?.name;
        if (name !== undefined) this.departed.set(communityId, { name, reason });
        this.#forget(communityId);
        return null;
      }
      default:
        return this.#structural(event);
    }
  }

  #structural(event: LiveEvent): CommunityId | null {
    if (!('communityId' in event)) return null;
    const community = this.communities.get(event.communityId);
    const me = this.#account?.accountId;
    if (!community || !me) return null;
    const next = reduceStructure(community, event, me);
    if (next === 'stale') return event.communityId;
    if (next === 'left') this.#forget(event.communityId);
    else if (next !== community) {
      this.communities.set(event.communityId, next);
      if (next.version !== community.version) this.#moved.add(event.communityId);
    }
    if (event.type === 'channel.deleted') this.#forgetHead(event.channelId);
    return null;
  }

  #appended({ event, mentions }: Extract<LiveEvent, { type: 'event.appended' }>): void {
    const head = this.heads.get(event.channelId) ?? newHead;
    if (event.seq <= head.lastSeq) return;
    const isMessage = event.class === 'message';
    const isOwn = event.senderAccountId === this.#account?.accountId;
    const isMention = this.#account !== null && mentions.includes(this.#account.accountId);
    const lastOrdinal = Math.max(head.lastOrdinal, event.ordinal ?? 0);
    this.heads.set(event.channelId, {
      ...head,
      lastSeq: event.seq,
      lastOrdinal,
      lastMessageAt: isMessage ? event.createdAt : head.lastMessageAt,
      ...(isOwn && isMessage ? { readSeq: event.seq, readOrdinal: lastOrdinal, mentions: 0 } : {}),
      ...(isMention && !isOwn ? { mentions: head.mentions + 1 } : {}),
    });
  }

  #patch(channelId: ChannelId, change: Partial<Head>): void {
    this.heads.set(channelId, { ...(this.heads.get(channelId) ?? newHead), ...change });
  }

  #forget(communityId: CommunityId): void {
    for (const channel of this.communities.get(communityId)?.channels ?? [])
      this.#forgetHead(channel.channelId);
    this.communities.delete(communityId);
  }

  #forgetHead(channelId: ChannelId): void {
    this.heads.delete(channelId);
    this.#headed.delete(channelId);
  }

  head(channelId: ChannelId): Head {
    return this.heads.get(channelId) ?? newHead;
  }

  unread(channelId: ChannelId): number {
    const { lastOrdinal, readOrdinal } = this.head(channelId);
    return Math.max(0, lastOrdinal - readOrdinal);
  }

  channel(channelId: ChannelId): ChannelSummary | null {
    const dm = this.dms.get(channelId);
    if (dm) return dm.channel;
    for (const community of this.communities.values()) {
      const found = community.channels.find((c) => c.channelId === channelId);
      if (found) return found;
    }
    return null;
  }

  communityOf(channelId: ChannelId): CommunityStructure | null {
    const communityId = this.channel(channelId)?.communityId;
    return communityId ? (this.communities.get(communityId) ?? null) : null;
  }

  /** The two accounts of a direct conversation, pinned for ever; null for community channels. */
  membersOf(channelId: ChannelId): readonly AccountId[] | null {
    return this.dms.get(channelId)?.members.map((m) => m.accountId) ?? null;
  }
}

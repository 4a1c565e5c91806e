// One device of the law "old state + events = fresh state": the client's own Structure and a plain copy of the logs,
// behind a connection that delivers late, says things twice, breaks anywhere and comes back.
import type { Structure } from '#client/sync/structure.svelte.ts';
import { topicsOf } from '#server/domains/audience/audience.service.ts';
import type { Deps } from '#server/deps.ts';
import { topicOf, topics } from '#server/topics.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import type { Person } from './people.ts';
import type { Recorded } from './recorded-events.ts';
import { normalised } from './structure-reducer.ts';

type LogRow = Pick<ChannelEvent, 'seq' | 'eventId' | 'class' | 'refId' | 'ordinal'> & {
  readonly isEmpty: boolean;
};

const rowOf = ({ seq, eventId, class: kind, refId, ordinal, envelope }: ChannelEvent): LogRow => ({
  seq,
  eventId,
  class: kind,
  refId,
  ordinal,
  isEmpty: envelope === null,
});

/** What a redaction does to the log that holds its target. */
const wiped = (log: readonly LogRow[], target: string | null): LogRow[] =>
  log.map((row) =>
    row.eventId === target || (row.refId === target && (row.class === 'edit' || row.class === 'reaction'))
      ? { ...row, isEmpty: true }
      : row,
  );

export class ModelDevice {
  readonly person: Person;
  readonly #newStructure: () => Structure;
  #structure: Structure;
  #logs = new Map<ChannelId, LogRow[]>();
  #topics = new Set<string>();
  #inbox: LiveEvent[] = [];
  #state: 'offline' | 'loading' | 'online' = 'offline';
  /** Events that came before the bootstrap was here. */
  #early: LiveEvent[] = [];
  #stale = new Set<CommunityId>();
  #gaps = new Set<ChannelId>();
  /**
   * Channels whose head a bootstrap brought. One that becomes visible while connected has none until the next
   * reconnect: no event says how much of it is unread.
   */
  #headed = new Set<ChannelId>();

  constructor(person: Person, newStructure: () => Structure) {
    this.person = person;
    this.#newStructure = newStructure;
    this.#structure = newStructure();
  }

  get isConnected(): boolean {
    return this.#state !== 'offline';
  }

  /** The subscription opens: from here on events are queued for it. */
  async connect(deps: Deps): Promise<void> {
    const { accountId } = this.person;
    const { communityIds, channelIds } = await topicsOf(deps.db, accountId);
    const joined = [...communityIds.map(topics.community), ...channelIds.map(topics.channel)];
    this.#topics = new Set([topics.account(accountId), topics.everyone, ...joined]);
    this.#state = 'loading';
    this.#early = [];
  }

  /** The bootstrap arrives, at some moment after the subscription. */
  async load(): Promise<void> {
    if (this.#state !== 'loading') return;
    this.#structure.load(await this.person.api.live.bootstrap({ known: this.#structure.known() }));
    this.#state = 'online';
    this.#headed = new Set(this.#structure.heads.keys());
    for (const event of this.#early.splice(0)) this.#apply(event);
    for (const [channelId, head] of this.#structure.heads) {
      if ((this.#logs.get(channelId)?.length ?? 0) < head.lastSeq) this.#gaps.add(channelId);
    }
  }

  /** What the server says in one go, in its order. */
  publish(entries: readonly Recorded[]): void {
    if (this.#state === 'offline') return;
    for (const entry of entries) {
      if (entry.call !== 'publish') this.#changeTopics(entry.call, entry.args);
      else if (this.#topics.has(topicOf(entry.audience))) this.#inbox.push(entry.event);
    }
  }

  /** Delivers up to `count` events, each perhaps twice. */
  deliver(count: number, isTwice: () => boolean): void {
    for (const event of this.#inbox.splice(0, count)) {
      this.#hear(event);
      if (isTwice()) this.#hear(event);
    }
  }

  /** The connection breaks: what was under way is lost. */
  cut(): void {
    this.#state = 'offline';
    this.#inbox = [];
    this.#topics.clear();
  }

  /** A reload of the page: everything but the server's is gone. */
  reload(): void {
    this.cut();
    this.#structure = this.#newStructure();
    this.#logs.clear();
    this.#stale.clear();
  }

  /** Fetches what was found missing. */
  async catchUp(): Promise<void> {
    if (this.#state !== 'online') return;
    for (const communityId of this.#stale) {
      this.#stale.delete(communityId);
      const community = await this.person.api.communities.get({ communityId }).catch(() => null);
      if (community) this.#structure.replaceCommunity(community);
    }
    for (const channelId of this.#gaps) {
      this.#gaps.delete(channelId);
      const page = await this.#read(channelId, (this.#logs.get(channelId)?.length ?? 0) + 1);
      for (const event of page) this.#append(event);
    }
  }

  /** Brings the device to rest: connected, everything delivered, everything missing fetched. */
  async settle(deps: Deps): Promise<void> {
    if (this.#state === 'offline') await this.connect(deps);
    await this.load();
    this.deliver(Infinity, () => false);
    while (this.#stale.size > 0 || this.#gaps.size > 0) await this.catchUp();
    // Opens every conversation: its log is read on from what is held.
    for (const { channels } of this.#structure.communities.values())
      for (const { channelId } of channels) this.#gaps.add(channelId);
    await this.catchUp();
  }

  /** What the device holds, and what a fresh one would load: to be equal after `settle`. */
  async compare(): Promise<{ held: unknown; fresh: unknown }> {
    const fresh = this.#newStructure();
    fresh.load(await this.person.api.live.bootstrap({ known: [] }));
    const logs = new Map<ChannelId, LogRow[]>();
    for (const channelId of fresh.heads.keys())
      logs.set(channelId, (await this.#read(channelId, 1)).map(rowOf));
    const held = new Map([...logs.keys()].map((id) => [id, this.#logs.get(id) ?? []]));
    const headed = this.#headed;
    return {
      held: stateOf({ structure: this.#structure, logs: held, headed }),
      fresh: stateOf({ structure: fresh, logs, headed }),
    };
  }

  #hear(event: LiveEvent): void {
    if (this.#state === 'loading') this.#early.push(event);
    else this.#apply(event);
  }

  #apply(event: LiveEvent): void {
    const stale = this.#structure.apply(event);
    if (stale) this.#stale.add(stale);
    for (const id of this.#headed) if (!this.#structure.heads.has(id)) this.#headed.delete(id);
    if (event.type === 'event.appended') this.#append(event.event);
  }

  #append(event: ChannelEvent): void {
    const log = this.#logs.get(event.channelId) ?? [];
    if (event.seq <= log.length) return;
    if (event.seq > log.length + 1) return void this.#gaps.add(event.channelId);
    const next = event.class === 'redact' ? wiped(log, event.refId) : log;
    this.#logs.set(event.channelId, [...next, rowOf(event)]);
  }

  async #read(channelId: ChannelId, fromSeq: number): Promise<readonly ChannelEvent[]> {
    const input = { channelId, fromSeq, toSeq: fromSeq + 499 };
    const page = await this.person.api.messages.gap(input).catch(() => ({ events: [] }));
    return page.events;
  }

  #changeTopics(call: Exclude<Recorded['call'], 'publish'>, args: readonly unknown[]): void {
    const { accountId } = this.person;
    const [first, second] = args as [string, never];
    if (call === 'joinCommunity' && first === accountId) this.#topics.add(topics.community(second));
    if (call === 'leaveCommunity' && first === accountId) this.#topics.delete(topics.community(second));
    if (call === 'dissolveCommunity') this.#topics.delete(topics.community(first));
    if (call === 'dissolveChannel') this.#topics.delete(topics.channel(first));
    if (call !== 'changeReaders') return;
    const { joined, left } = second as { joined: readonly AccountId[]; left: readonly AccountId[] };
    if (left.includes(accountId)) this.#topics.delete(topics.channel(first));
    if (joined.includes(accountId)) this.#topics.add(topics.channel(first));
  }
}

/** A channel's epoch rises without a new version of its community: the client reads it from the head alone. */
const withoutEpochs = (community: CommunityStructure): object => ({
  ...community,
  channels: community.channels.map((channel) => ({ ...channel, epoch: null })),
});

interface Held {
  readonly structure: Structure;
  readonly logs: ReadonlyMap<ChannelId, readonly LogRow[]>;
  readonly headed: ReadonlySet<ChannelId>;
}

function stateOf({ structure, logs, headed }: Held): unknown {
  const byKey = <T>(map: Iterable<readonly [string, T]>): object => Object.fromEntries([...map].sort());
  return {
    communities: byKey([...structure.communities].map(([id, held]) => [id, withoutEpochs(normalised(held))])),
    dms: [...structure.dms.keys()].sort(),
    heads: byKey([...structure.heads].filter(([id]) => headed.has(id))),
    logs: byKey([...logs]),
  };
}

// A hub on paper: replays what services told the LivePublisher, in order, to the accounts a test watches. It knows
// who hears what only from the calls, so a wrong order or a missing call shows up as a wrong state.
import { expect } from 'vitest';
import { topicOf, topics } from '#server/topics.ts';
import type { Deps } from '#server/deps.ts';
import { topicsOf } from '#server/domains/audience/audience.service.ts';
import { dmsOf } from '#server/domains/channels/dms.service.ts';
import { communitiesOf, communityStructure } from '#server/domains/communities/communities.service.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';
import type { Recorded, RecordedEvents } from './recorded-events.ts';
import { normalised, reduceStructure, type Reduced } from './structure-reducer.ts';

interface Watched {
  readonly accountId: AccountId;
  readonly topics: Set<string>;
  readonly states: Map<CommunityId, Reduced>;
  readonly dms: Set<ChannelId>;
  readonly heard: LiveEvent[];
}

async function freshTopics(deps: Deps, accountId: AccountId): Promise<Set<string>> {
  const { communityIds, channelIds } = await topicsOf(deps.db, accountId);
  return new Set([
    topics.account(accountId),
    ...communityIds.map(topics.community),
    ...channelIds.map(topics.channel),
  ]);
}

function communityOf(watched: Watched, event: LiveEvent): CommunityId | null {
  if ('communityId' in event) return event.communityId;
  if (event.type === 'community.joined') return event.community.communityId;
  if (event.type !== 'channel.rekeyed') return null;
  for (const [communityId, state] of watched.states) {
    if (typeof state === 'string') continue;
    if (state.channels.some((channel) => channel.channelId === event.channelId)) return communityId;
  }
  return null;
}

function hear(watched: Watched, event: LiveEvent): void {
  watched.heard.push(event);
  if (event.type === 'dm.opened') watched.dms.add(event.dm.channel.channelId);
  const communityId = communityOf(watched, event);
  if (communityId === null) return;
  const state = watched.states.get(communityId) ?? 'left';
  watched.states.set(communityId, reduceStructure(state, event, watched.accountId));
}

export interface AudienceReplay {
  /** Begins to follow somebody from the state they would load now. */
  watch(accountId: AccountId): Promise<void>;
  /** Delivers what was recorded since and holds every state and topic set against a fresh load. */
  settle(): Promise<void>;
  /** What somebody heard since they are watched. */
  heard(accountId: AccountId): readonly LiveEvent[];
  /** Versions were jumped this often: states fetched again. */
  readonly refetches: number;
}

type TopicChange = Exclude<Recorded, { call: 'publish' }>;

function changeTopics(watched: Watched, { call, args }: TopicChange): void {
  const [first, second] = args as [string, never];
  const isSelf = watched.accountId === first;
  if (call === 'joinCommunity' && isSelf) watched.topics.add(topics.community(second));
  if (call === 'leaveCommunity' && isSelf) watched.topics.delete(topics.community(second));
  if (call === 'dissolveCommunity') watched.topics.delete(topics.community(first));
  if (call === 'dissolveChannel') watched.topics.delete(topics.channel(first));
  if (call !== 'changeReaders') return;
  const { joined, left } = second as { joined: readonly AccountId[]; left: readonly AccountId[] };
  if (left.includes(watched.accountId)) watched.topics.delete(topics.channel(first));
  if (joined.includes(watched.accountId)) watched.topics.add(topics.channel(first));
}

function deliver(watched: Watched, entry: Recorded): void {
  if (entry.call !== 'publish') changeTopics(watched, entry);
  else if (watched.topics.has(topicOf(entry.audience))) hear(watched, entry.event);
}

/** Holds one person's state against a fresh load; returns how many communities had to be fetched again. */
async function check(deps: Deps, watched: Watched): Promise<number> {
  const { accountId } = watched;
  let refetched = 0;
  const memberships = await communitiesOf(deps.db, accountId);
  const current = [...watched.states].filter(([, state]) => state !== 'left').map(([id]) => id);
  expect(current.sort()).toEqual(memberships.map((m) => m.communityId).sort());
  for (const communityId of current) {
    const fresh = await communityStructure(deps.db, accountId, communityId);
    const state = watched.states.get(communityId);
    if (!fresh || state === undefined || state === 'left') throw new Error('the community is gone');
    if (state !== 'stale') {
      expect(normalised(state)).toEqual(normalised(fresh));
      continue;
    }
    refetched += 1;
    watched.states.set(communityId, fresh);
  }
  expect([...watched.topics].sort()).toEqual([...(await freshTopics(deps, accountId))].sort());
  const dms = (await dmsOf(deps.db, accountId)).map((dm) => dm.channel.channelId);
  expect([...watched.dms].sort()).toEqual(dms.sort());
  return refetched;
}

async function startWatching(deps: Deps, accountId: AccountId): Promise<Watched> {
  const states = new Map<CommunityId, Reduced>();
  for (const { communityId } of await communitiesOf(deps.db, accountId)) {
    const structure = await communityStructure(deps.db, accountId, communityId);
    if (structure) states.set(communityId, structure);
  }
  const dms = new Set((await dmsOf(deps.db, accountId)).map((dm) => dm.channel.channelId));
  return { accountId, topics: await freshTopics(deps, accountId), states, dms, heard: [] };
}

/** Follows accounts through `events`, from now on; call `settle` after every service call. */
export function audienceReplay(deps: Deps, events: RecordedEvents): AudienceReplay {
  const people = new Map<AccountId, Watched>();
  let done = events.calls.length;
  let refetches = 0;
  return {
    async watch(accountId) {
      people.set(accountId, await startWatching(deps, accountId));
    },
    async settle() {
      const entries = events.calls.slice(done);
      done = events.calls.length;
      for (const entry of entries) for (const watched of people.values()) deliver(watched, entry);
      for (const watched of people.values()) refetches += await check(deps, watched);
    },
    heard: (accountId) => people.get(accountId)?.heard ?? [],
    get refetches() {
      return refetches;
    },
  };
}

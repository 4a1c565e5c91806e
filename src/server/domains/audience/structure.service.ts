// The frame of every structural change: one lock and one version per community, one rule for who hears what.
//
// All events of one change carry the same version, and everybody in the community hears at least one of them:
// clients apply an event whose version is theirs or the next, drop older ones and refetch on a jump. A change too
// wide to spell out (a role's view bit) jumps on purpose.
import type { Deps } from '#server/deps.ts';
import type { Queryable } from '#server/platform/db.ts';
import type { Tx } from '#server/platform/transaction.ts';
import type { ChannelSummary, GroupSummary } from '#shared/channels.ts';
import { notFound } from '#shared/errors.ts';
import type { Audience, LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId, GroupId } from '#shared/ids.ts';
import type { OverrideSummary } from '#shared/roles.ts';
import { listGroupViewers, type GroupViewer } from './audience.queries.ts';
import { communityAudience, type AudienceChange } from './audience.service.ts';
import {
  channelSummaryOf,
  listChannels,
  listGroups,
  listOverrides,
  lockCommunityRow,
  raiseCommunityVersion,
  type ChannelRow,
  type CommunityRow,
} from './communities.queries.ts';

export {
  channelSummaryOf,
  communityOfChannel,
  communityOfGroup,
  communityOfRole,
  listChannels,
} from './communities.queries.ts';
export type { CommunityRow } from './communities.queries.ts';

/** Takes the community's lock, which makes its changes happen one after the other. Throws `not_found`. */
export async function lockCommunity(tx: Tx, communityId: CommunityId | null): Promise<CommunityRow> {
  const row = communityId === null ? null : await lockCommunityRow(tx, communityId);
  if (!row) throw notFound();
  return row;
}

/** The next version (`by` 2 makes every client refetch), with members come or gone counted. */
export async function raiseVersion(
  tx: Tx,
  communityId: CommunityId,
  by: { readonly versions?: 1 | 2; readonly members?: -1 | 0 | 1 } = {},
): Promise<CommunityRow> {
  const { versions = 1, members = 0 } = by;
  const row = await raiseCommunityVersion(tx, communityId, { versions, members });
  if (!row) throw notFound();
  return row;
}

/** Tells the whole community its name, description and owner: also how a change few may see carries its version. */
export function publishCommunity(deps: Deps, row: CommunityRow): void {
  const { communityId, version, name, description, ownerId } = row;
  deps.live.publish(
    { to: 'community', communityId },
    { type: 'community.updated', communityId, version, name, description, ownerId },
  );
}

const accountsOf = (accountIds: Iterable<AccountId>): Audience[] =>
  [...accountIds].map((accountId) => ({ to: 'account', accountId }));

/** Who sees a group: the community when all do, else one audience for each account. */
export async function groupAudiences(
  q: Queryable,
  community: CommunityRow,
  groupId: GroupId,
): Promise<{ readonly accountIds: ReadonlySet<AccountId>; readonly audiences: readonly Audience[] }> {
  const { communityId } = community;
  const viewers = await listGroupViewers(q, communityId, { groupIds: [groupId], accountId: null });
  const accountIds = new Set(viewers.map((viewer) => viewer.accountId));
  const isEverybody = accountIds.size >= community.memberCount;
  return { accountIds, audiences: isEverybody ? [{ to: 'community', communityId }] : accountsOf(accountIds) };
}

/** The groups one member sees, of these. */
export async function groupsSeenBy(
  q: Queryable,
  communityId: CommunityId,
  who: { readonly accountId: AccountId; readonly groupIds: readonly GroupId[] },
): Promise<Set<GroupId>> {
  return new Set((await listGroupViewers(q, communityId, who)).map((viewer) => viewer.groupId));
}

/** Events that put groups with their overrides before somebody who did not see them. */
export async function groupEvents(
  q: Queryable,
  at: { readonly communityId: CommunityId; readonly version: number },
  groupIds: readonly GroupId[],
): Promise<LiveEvent[]> {
  if (groupIds.length === 0) return [];
  const groups = await listGroups(q, groupIds);
  const overrides = await listOverrides(q, { groupIds, channelIds: [] });
  return [...groups.map((group) => groupChanged(at, group)), ...overrides.map((o) => overrideChanged(at, o))];
}

type At = { readonly communityId: CommunityId; readonly version: number };
export const groupChanged = ({ communityId, version }: At, group: GroupSummary): LiveEvent => ({
  type: 'group.changed',
  communityId,
  version,
  group,
});
export const channelChanged = ({ communityId, version }: At, channel: ChannelSummary): LiveEvent => ({
  type: 'channel.changed',
  communityId,
  version,
  channel,
});
export const overrideChanged = ({ communityId, version }: At, override: OverrideSummary): LiveEvent => ({
  type: 'override.changed',
  communityId,
  version,
  override,
});

/** What a newcomer to a channel is shown: its group, the overrides of both, the channel. */
function arrivalEvents(
  at: At,
  row: ChannelRow,
  shown: { groups: readonly GroupSummary[]; overrides: readonly OverrideSummary[] },
): LiveEvent[] {
  return [
    ...shown.groups.filter((group) => group.groupId === row.groupId).map((group) => groupChanged(at, group)),
    channelChanged(at, channelSummaryOf(row)),
    ...shown.overrides
      .filter((o) => o.channelId === row.channelId || (o.groupId !== null && o.groupId === row.groupId))
      .map((o) => overrideChanged(at, o)),
  ];
}

const arrivalAudiences = (change: AudienceChange): Audience[] => {
  const { audience, was, communityId } = change;
  const opened = audience === 'community' && was === 'restricted' && communityId !== null;
  return opened ? [{ to: 'community', communityId }] : accountsOf(change.joined);
};

function departureEvents(at: At, row: ChannelRow, stillSee: readonly GroupViewer[]) {
  const { communityId, version } = at;
  return (accountId: AccountId): LiveEvent[] => {
    const gone: LiveEvent = { type: 'channel.deleted', communityId, version, channelId: row.channelId };
    const { groupId } = row;
    const seesGroup = stillSee.some((v) => v.accountId === accountId && v.groupId === groupId);
    return groupId === null || seesGroup
      ? [gone]
      : [gone, { type: 'group.deleted', communityId, version, groupId }];
  };
}

async function departures(tx: Tx, community: CommunityRow, changes: readonly AudienceChange[]) {
  const rows = await listChannels(
    tx,
    changes.map((change) => change.channelId),
  );
  const groupIds = [...new Set(rows.flatMap((row) => row.groupId ?? []))];
  const left = new Set(changes.flatMap((change) => change.left));
  const viewers =
    left.size === 0 ? [] : await listGroupViewers(tx, community.communityId, { groupIds, accountId: null });
  return { rows, groupIds, stillSee: viewers.filter((viewer) => left.has(viewer.accountId)) };
}

/**
 * After `recompute`: who gained a channel is shown it, who lost one is told so. Call it after the version was
 * raised; sockets were changed before.
 */
export async function announce(
  tx: Tx,
  deps: Deps,
  what: { readonly community: CommunityRow; readonly changes: readonly AudienceChange[] },
): Promise<void> {
  const { community } = what;
  const changes = what.changes.filter((change) => change.joined.length + change.left.length > 0);
  if (changes.length === 0) return;
  const { rows, groupIds, stillSee } = await departures(tx, community, changes);
  const channelIds: ChannelId[] = rows.map((row) => row.channelId);
  const shown = {
    groups: await listGroups(tx, groupIds),
    overrides: await listOverrides(tx, { groupIds, channelIds }),
  };
  tx.afterCommit(() => {
    for (const change of changes) {
      const row = rows.find((r) => r.channelId === change.channelId);
      if (!row) continue;
      const eventsFor = departureEvents(community, row, stillSee);
      for (const accountId of change.left) {
        for (const event of eventsFor(accountId)) deps.live.publish({ to: 'account', accountId }, event);
      }
      const arrival = arrivalEvents(community, row, shown);
      if (change.joined.length === 0) continue;
      for (const audience of arrivalAudiences(change)) {
        for (const event of arrival) deps.live.publish(audience, event);
      }
    }
  });
}

/** Where a channel's own changes are heard now. */
export async function channelAudience(q: Queryable, channelId: ChannelId): Promise<Audience> {
  const [row] = await listChannels(q, [channelId]);
  if (!row) throw notFound();
  return communityAudience(row);
}

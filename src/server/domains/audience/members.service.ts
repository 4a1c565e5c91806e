// Somebody enters or leaves a community: their sockets, the readers of its channels, the epochs.
import type { Deps } from '#server/deps.ts';
import type { Tx } from '#server/platform/transaction.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';
import type { OverrideSummary } from '#shared/roles.ts';
import { channelsRead, lockModes } from './audience.queries.ts';
import { addReaders, bumpEpoch, recompute } from './audience.service.ts';

interface Who {
  readonly communityId: CommunityId;
  readonly accountId: AccountId;
}

/**
 * The member's row exists already and the caller holds the community's lock. Refuses with `limit_reached` when a
 * channel would have more readers than it can have.
 */
export async function admitReader(tx: Tx, deps: Deps, who: Who): Promise<void> {
  const modes = await lockModes(tx, who.communityId, {});
  tx.afterCommit(() => deps.live.joinCommunity(who.accountId, who.communityId));
  const open = modes.filter((mode) => mode.audience === 'community');
  await addReaders(
    tx,
    deps,
    open.map((mode) => mode.channelId),
  );
  await recompute(tx, deps, who);
}

/**
 * Takes every channel of the community from somebody, before their member row goes: sockets leave first, then the
 * epoch of each channel they read rises and its readers hear so.
 */
export async function expelReader(tx: Tx, deps: Deps, who: Who): Promise<void> {
  const { communityId, accountId } = who;
  await lockModes(tx, communityId, {});
  const channels = await channelsRead(tx, accountId, communityId);
  const restricted = channels.filter((channel) => channel.audience === 'restricted');
  await tx.query(
    'audience.expel',
    'DELETE FROM "ChannelReader" WHERE "accountId" = $1::uuid AND "channelId" = ANY($2::uuid[])',
    [accountId, restricted.map((channel) => channel.channelId)],
  );
  tx.afterCommit(() => {
    deps.live.leaveCommunity(accountId, communityId);
    for (const { channelId } of restricted)
      deps.live.changeReaders(channelId, { joined: [], left: [accountId] });
  });
  await bumpEpoch(tx, deps, { channelIds: channels.map((channel) => channel.channelId) });
}

/**
 * What was granted to a person by name ends with their membership; what was denied by name stays, so that leaving
 * and coming back undoes nothing. Returns the overrides as they are now (allow = deny = 0: gone).
 */
export async function endGrants(tx: Tx, who: Who): Promise<OverrideSummary[]> {
  const rows = await tx.query<OverrideSummary>(
    'audience.end-grants',
    `UPDATE "Override" o SET allow = 0
      WHERE o."accountId" = $2::uuid AND o.allow <> 0 AND (
        o."groupId" IN (SELECT g.id FROM "Group" g WHERE g."communityId" = $1::uuid)
        OR o."channelId" IN (SELECT c.id FROM "Channel" c WHERE c."communityId" = $1::uuid))
     RETURNING o."groupId", o."channelId", o."roleId", o."accountId", o.allow, o.deny`,
    [who.communityId, who.accountId],
  );
  await tx.query(
    'audience.sweep-overrides',
    'DELETE FROM "Override" WHERE "accountId" = $1::uuid AND allow = 0 AND deny = 0',
    [who.accountId],
  );
  return rows;
}

/** As `endGrants`, with what was denied by name as well: nobody comes back under this id. */
export async function endOverrides(tx: Tx, who: Who): Promise<OverrideSummary[]> {
  return tx.query<OverrideSummary>(
    'audience.end-overrides',
    `DELETE FROM "Override" o
      WHERE o."accountId" = $2::uuid AND (
        o."groupId" IN (SELECT g.id FROM "Group" g WHERE g."communityId" = $1::uuid)
        OR o."channelId" IN (SELECT c.id FROM "Channel" c WHERE c."communityId" = $1::uuid))
     RETURNING o."groupId", o."channelId", o."roleId", o."accountId", 0 AS allow, 0 AS deny`,
    [who.communityId, who.accountId],
  );
}

/**
 * Takes every channel that is left (direct messages, once the communities are left) from an account: sockets first,
 * then the epochs rise. Returns the channels.
 */
export async function forgetReader(tx: Tx, deps: Deps, accountId: AccountId): Promise<ChannelId[]> {
  const rows = await tx.query<{ channelId: ChannelId }>(
    'audience.forget',
    'DELETE FROM "ChannelReader" WHERE "accountId" = $1::uuid RETURNING "channelId"',
    [accountId],
  );
  const channelIds = rows.map((row) => row.channelId);
  tx.afterCommit(() => {
    for (const channelId of channelIds) deps.live.changeReaders(channelId, { joined: [], left: [accountId] });
  });
  await bumpEpoch(tx, deps, { channelIds });
  return channelIds;
}

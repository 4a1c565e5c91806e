// Overrides at a group or a channel: the only way a place becomes private, or opens again.
import { requireAction, type LoadedFacts } from '#server/access.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { uuidv7 } from '#server/platform/ids.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { Audience, LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId, GroupId, RoleId } from '#shared/ids.ts';
import { permission } from '#shared/permissions.ts';
import { recompute, type AudienceChange } from '../audience/audience.service.ts';
import {
  announce,
  channelAudience,
  communityOfChannel,
  groupAudiences,
  groupEvents,
  lockCommunity,
  overrideChanged,
  publishCommunity,
  raiseVersion,
  type CommunityRow,
} from '../audience/structure.service.ts';
import { findOverride, writeOverride, type OverrideKey } from './roles.queries.ts';

interface OverrideInput {
  readonly communityId: CommunityId;
  readonly groupId?: GroupId | undefined;
  readonly channelId?: ChannelId | undefined;
  readonly roleId?: RoleId | undefined;
  readonly accountId?: AccountId | undefined;
  readonly allow: number;
  readonly deny: number;
}

const keyOf = (input: OverrideInput): OverrideKey => ({
  groupId: input.groupId ?? null,
  channelId: input.channelId ?? null,
  roleId: input.roleId ?? null,
  accountId: input.accountId ?? null,
});

/** Where the override is seen: by the group's viewers, or by the channel's readers. */
async function audiencesOf(
  tx: Tx,
  community: CommunityRow,
  key: OverrideKey,
): Promise<{ accountIds: ReadonlySet<AccountId>; audiences: readonly Audience[] }> {
  if (key.groupId) return groupAudiences(tx, community, key.groupId);
  if (!key.channelId) throw notFound();
  return { accountIds: new Set(), audiences: [await channelAudience(tx, key.channelId)] };
}

/** Those who see the group now and did not, and those who no longer do. */
async function publishGroupViewers(
  tx: Tx,
  deps: Deps,
  what: {
    community: CommunityRow;
    groupId: GroupId;
    before: ReadonlySet<AccountId>;
    after: ReadonlySet<AccountId>;
  },
): Promise<void> {
  const { community, groupId, before, after } = what;
  const { communityId, version } = community;
  const arrival = await groupEvents(tx, community, [groupId]);
  const departure: LiveEvent = { type: 'group.deleted', communityId, version, groupId };
  tx.afterCommit(() => {
    for (const accountId of before) {
      if (!after.has(accountId)) deps.live.publish({ to: 'account', accountId }, departure);
    }
    for (const accountId of after) {
      if (before.has(accountId)) continue;
      for (const event of arrival) deps.live.publish({ to: 'account', accountId }, event);
    }
  });
}

async function publishOverride(
  tx: Tx,
  deps: Deps,
  what: {
    community: CommunityRow;
    key: OverrideKey;
    value: { allow: number; deny: number };
    changes: readonly AudienceChange[];
    before: ReadonlySet<AccountId>;
  },
): Promise<void> {
  const { community, key, value, changes, before } = what;
  const { accountIds: after, audiences } = await audiencesOf(tx, community, key);
  const event = overrideChanged(community, { ...key, ...value });
  tx.afterCommit(() => {
    publishCommunity(deps, community);
    for (const audience of audiences) deps.live.publish(audience, event);
  });
  await announce(tx, deps, { community, changes });
  const { groupId } = key;
  if (groupId) await publishGroupViewers(tx, deps, { community, groupId, before, after });
}

const seesPlace = (facts: LoadedFacts): boolean =>
  ((facts.channel?.bits ?? facts.group?.bits ?? 0) & permission.view) !== 0;

/** One who sees a place and decides about it keeps seeing it: nobody locks themselves out by a slip. */
async function requireStillSeen(tx: Tx, actor: Actor, input: OverrideInput): Promise<void> {
  const { communityId, groupId, channelId } = input;
  const refs = { communityId, ...(groupId && { groupId }), ...(channelId && { channelId }) };
  const facts = await requireAction(tx, actor, 'community.view', refs);
  if (!seesPlace(facts)) throw new AppError({ code: 'conflict', what: 'own_view' });
}

/**
 * Sets or (allow = deny = 0) removes one override. Nobody changes bits they lack there, and nobody takes their own
 * view away: `conflict{own_view}`. Throws `limit_reached` when a channel would get too many readers.
 */
export function setOverride(deps: Deps, actor: Actor, input: OverrideInput): Promise<void> {
  const { communityId, groupId, channelId, roleId, accountId, allow, deny } = input;
  const key = keyOf(input);
  return transaction(deps.db, async (tx) => {
    const locked = await lockCommunity(tx, communityId);
    if (channelId && (await communityOfChannel(tx, channelId)) !== communityId) throw notFound();
    const old = await findOverride(tx, key);
    const changedBits = (old.allow ^ allow) | (old.deny ^ deny);
    const facts = await requireAction(tx, actor, 'override.set', {
      communityId,
      ...(groupId && { groupId }),
      ...(channelId && { channelId }),
      ...(roleId && { roleId, grant: { bits: 0 } }),
      ...(accountId && { targetAccountId: accountId }),
      changedBits,
    });
    if (changedBits === 0) return;
    const before = groupId ? (await groupAudiences(tx, locked, groupId)).accountIds : new Set<AccountId>();
    await writeOverride(tx, key, { id: uuidv7(deps.clock), allow, deny });
    const isReshaped = (changedBits & permission.view) !== 0;
    const changes = isReshaped ? await recompute(tx, deps, { communityId, groupId, channelId }) : [];
    if (isReshaped && seesPlace(facts)) await requireStillSeen(tx, actor, input);
    const community = await raiseVersion(tx, communityId);
    await publishOverride(tx, deps, { community, key, value: { allow, deny }, changes, before });
  });
}

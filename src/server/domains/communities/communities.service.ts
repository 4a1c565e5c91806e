// Communities: made whole in one transaction, shown as each member may see them, deleted with all that is theirs.
import { requireAction } from '#server/access.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { requireDiskRoom } from '#server/disk-room.ts';
import { uuidv7 } from '#server/platform/ids.ts';
import type { Queryable } from '#server/platform/db.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { rolePresets } from '#shared/permissions.ts';
import { lockCommunity, publishCommunity, raiseVersion } from '../audience/structure.service.ts';
import { countCommunities, listCommunities, listMemberIds } from './communities.queries.ts';
import { communityStructure } from './structure.service.ts';

export { communityStructure };

/** Every community of the account with its version, in the order they were joined. */
export const communitiesOf = (
  q: Queryable,
  accountId: AccountId,
): Promise<{ communityId: CommunityId; version: number }[]> => listCommunities(q, accountId);

/** Refuses when the account is in as many communities as it may be. Locks the account's row. */
export async function requireCommunityRoom(tx: Tx, accountId: AccountId): Promise<void> {
  const max = limits.communitiesPerAccount;
  const count = await countCommunities(tx, accountId);
  if (count === null) throw new AppError({ code: 'unauthenticated' });
  if (count < max) return;
  throw new AppError({ code: 'limit_reached', limit: 'communitiesPerAccount', max });
}

/** The structure somebody who is a member is certain to have. */
async function requireStructure(
  q: Queryable,
  accountId: AccountId,
  communityId: CommunityId,
): Promise<CommunityStructure> {
  const structure = await communityStructure(q, accountId, communityId);
  if (!structure) throw notFound();
  return structure;
}

/** A community starts with its preset roles, the group General and the channel #general. */
async function insertCommunity(
  tx: Tx,
  deps: Deps,
  made: { communityId: CommunityId; ownerId: AccountId; name: string },
): Promise<void> {
  const { communityId, ownerId, name } = made;
  const now = new Date(deps.clock.now());
  await tx.prisma.community.create({
    data: { id: communityId, name, ownerId, memberCount: 1, createdAt: now },
  });
  await tx.prisma.member.create({ data: { communityId, accountId: ownerId, joinedAt: now } });
  const presets = [rolePresets.member, rolePresets.moderator, rolePresets.admin];
  await tx.prisma.role.createMany({
    data: presets.map((preset, position) => ({ ...preset, id: uuidv7(deps.clock), communityId, position })),
  });
  const groupId = uuidv7(deps.clock);
  await tx.prisma.group.create({ data: { id: groupId, communityId, name: 'General', position: 0 } });
  await tx.prisma.channel.create({
    data: {
      id: uuidv7(deps.clock),
      communityId,
      groupId,
      kind: 'text',
      name: 'general',
      audience: 'community',
      createdAt: now,
    },
  });
}

export { findCommunities } from './communities.queries.ts';

export function createCommunity(
  deps: Deps,
  actor: Actor,
  input: { readonly name: string },
): Promise<CommunityStructure> {
  const { accountId } = actor;
  return transaction(deps.db, async (tx) => {
    await requireAction(tx, actor, 'community.create', {});
    requireDiskRoom(deps);
    await requireCommunityRoom(tx, accountId);
    const communityId = uuidv7(deps.clock) as CommunityId;
    await insertCommunity(tx, deps, { communityId, ownerId: accountId, name: input.name });
    const community = await requireStructure(tx, accountId, communityId);
    tx.afterCommit(() => {
      deps.live.joinCommunity(accountId, communityId);
      deps.live.publish({ to: 'account', accountId }, { type: 'community.joined', community });
    });
    return community;
  });
}

export async function getCommunity(
  deps: Deps,
  actor: Actor,
  input: { readonly communityId: CommunityId },
): Promise<CommunityStructure> {
  await requireAction(deps.db, actor, 'community.view', input);
  return requireStructure(deps.db, actor.accountId, input.communityId);
}

export function updateCommunity(
  deps: Deps,
  actor: Actor,
  input: { readonly communityId: CommunityId; readonly name?: string; readonly description?: string },
): Promise<void> {
  const { communityId, name, description } = input;
  return transaction(deps.db, async (tx) => {
    await lockCommunity(tx, communityId);
    await requireAction(tx, actor, 'community.update', { communityId });
    await tx.prisma.community.update({
      where: { id: communityId },
      data: { ...(name !== undefined && { name }), ...(description !== undefined && { description }) },
    });
    const row = await raiseVersion(tx, communityId);
    tx.afterCommit(() => publishCommunity(deps, row));
  });
}

/** Deletes the community with its channels and their logs; every member is told. The caller holds its lock. */
export async function dissolveCommunity(tx: Tx, deps: Deps, communityId: CommunityId): Promise<void> {
  const members = await listMemberIds(tx, communityId);
  const channels = await tx.query<{ id: ChannelId }>(
    'communities.delete-channels',
    `WITH locked AS MATERIALIZED (
       SELECT id FROM "Channel" WHERE "communityId" = $1::uuid ORDER BY id FOR UPDATE)
     DELETE FROM "Channel" c USING locked WHERE c.id = locked.id RETURNING c.id`,
    [communityId],
  );
  await tx.prisma.group.deleteMany({ where: { communityId } });
  await tx.prisma.community.delete({ where: { id: communityId } });
  tx.afterCommit(() => {
    deps.live.dissolveCommunity(communityId);
    for (const { id } of channels) deps.live.dissolveChannel(id);
    for (const accountId of members) {
      deps.live.publish(
        { to: 'account', accountId },
        { type: 'community.left', communityId, reason: 'deleted' },
      );
    }
  });
}

export function deleteCommunity(
  deps: Deps,
  actor: Actor,
  input: { readonly communityId: CommunityId },
): Promise<void> {
  const { communityId } = input;
  return transaction(deps.db, async (tx) => {
    await lockCommunity(tx, communityId);
    await requireAction(tx, actor, 'community.delete', { communityId });
    await dissolveCommunity(tx, deps, communityId);
  });
}

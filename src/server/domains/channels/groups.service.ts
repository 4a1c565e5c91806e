// Groups: ordered containers of channels. Who sees a group hears of it; everybody hears that a version passed.
import { requireAction } from '#server/access.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { requireDiskRoom } from '#server/disk-room.ts';
import { uuidv7 } from '#server/platform/ids.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import type { GroupSummary } from '#shared/channels.ts';
import { AppError } from '#shared/errors.ts';
import type { Audience, LiveEvent } from '#shared/events.ts';
import type { CommunityId, GroupId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import {
  communityOfGroup,
  groupAudiences,
  groupChanged,
  lockCommunity,
  publishCommunity,
  raiseVersion,
  type CommunityRow,
} from '../audience/structure.service.ts';
import { countChannelsIn, listGroupsInOrder, writeOrder } from './channels.queries.ts';

/** Tells of changed groups, each to those who see it. */
async function publishGroups(
  tx: Tx,
  deps: Deps,
  what: { community: CommunityRow; groups: readonly GroupSummary[] },
): Promise<void> {
  const { community, groups } = what;
  const told: { audiences: readonly Audience[]; event: LiveEvent }[] = [];
  for (const group of groups) {
    const { audiences } = await groupAudiences(tx, community, group.groupId);
    told.push({ audiences, event: groupChanged(community, group) });
  }
  tx.afterCommit(() => {
    publishCommunity(deps, community);
    for (const { audiences, event } of told) {
      for (const audience of audiences) deps.live.publish(audience, event);
    }
  });
}

export function createGroup(
  deps: Deps,
  actor: Actor,
  input: { readonly communityId: CommunityId; readonly name: string },
): Promise<GroupSummary> {
  const { communityId, name } = input;
  return transaction(deps.db, async (tx) => {
    await lockCommunity(tx, communityId);
    await requireAction(tx, actor, 'channel.manage', { communityId });
    requireDiskRoom(deps);
    const position = (await listGroupsInOrder(tx, communityId)).length;
    if (position >= limits.groupsPerCommunity) {
      throw new AppError({
        code: 'limit_reached',
        limit: 'groupsPerCommunity',
        max: limits.groupsPerCommunity,
      });
    }
    const groupId = uuidv7(deps.clock) as GroupId;
    await tx.prisma.group.create({ data: { id: groupId, communityId, name, position } });
    const community = await raiseVersion(tx, communityId);
    const group: GroupSummary = { groupId, name, position };
    await publishGroups(tx, deps, { community, groups: [group] });
    return group;
  });
}

/** `position` is the wanted index among the community's groups; the others make room. */
export function updateGroup(
  deps: Deps,
  actor: Actor,
  input: {
    readonly groupId: GroupId;
    readonly name?: string | undefined;
    readonly position?: number | undefined;
  },
): Promise<void> {
  const { groupId, name, position } = input;
  return transaction(deps.db, async (tx) => {
    const { communityId } = await lockCommunity(tx, await communityOfGroup(tx, groupId));
    await requireAction(tx, actor, 'channel.manage', { communityId, groupId });
    if (name !== undefined) await tx.prisma.group.update({ where: { id: groupId }, data: { name } });
    const changed = new Set([groupId]);
    if (position !== undefined) {
      const groups = await listGroupsInOrder(tx, communityId);
      const order = groups.map((group) => group.groupId).filter((id) => id !== groupId);
      order.splice(position, 0, groupId);
      for (const id of await writeOrder(tx, 'Group', order)) changed.add(id);
    }
    const community = await raiseVersion(tx, communityId);
    const groups = (await listGroupsInOrder(tx, communityId)).filter((group) => changed.has(group.groupId));
    await publishGroups(tx, deps, { community, groups });
  });
}

/** Only an empty group goes: channels are deleted one by one, on purpose. Throws `conflict{group_not_empty}`. */
export function deleteGroup(deps: Deps, actor: Actor, input: { readonly groupId: GroupId }): Promise<void> {
  const { groupId } = input;
  return transaction(deps.db, async (tx) => {
    const locked = await lockCommunity(tx, await communityOfGroup(tx, groupId));
    const { communityId } = locked;
    await requireAction(tx, actor, 'channel.manage', { communityId, groupId });
    if ((await countChannelsIn(tx, groupId)) > 0) {
      throw new AppError({ code: 'conflict', what: 'group_not_empty' });
    }
    const { audiences } = await groupAudiences(tx, locked, groupId);
    await tx.prisma.group.delete({ where: { id: groupId } });
    const order = (await listGroupsInOrder(tx, communityId)).map((group) => group.groupId);
    const moved = new Set(await writeOrder(tx, 'Group', order));
    const community = await raiseVersion(tx, communityId);
    const { version } = community;
    tx.afterCommit(() => {
      const event: LiveEvent = { type: 'group.deleted', communityId, version, groupId };
      for (const audience of audiences) deps.live.publish(audience, event);
    });
    const groups = (await listGroupsInOrder(tx, communityId)).filter((group) => moved.has(group.groupId));
    await publishGroups(tx, deps, { community, groups });
  });
}

// A community as one member sees it: only channels they read, only groups they see, only overrides of those.
import type { Queryable } from '#server/platform/db.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { AccountId, CommunityId, GroupId } from '#shared/ids.ts';
import { permission, resolveBits, type OverrideSet } from '#shared/permissions.ts';
import type { OverrideSummary } from '#shared/roles.ts';
import { findStructure, type StructureRow } from './structure.queries.ts';

/** The overrides of one place that speak of this member. */
function setAt(row: StructureRow, accountId: AccountId, here: readonly OverrideSummary[]): OverrideSet {
  const everyoneId = row.roles.find((role) => role.position === 0)?.roleId;
  const everyone = here.find((o) => o.roleId === everyoneId);
  const member = here.find((o) => o.accountId === accountId);
  return {
    ...(everyone && { everyone }),
    roles: here.filter((o) => o.roleId !== null && row.roleIds.includes(o.roleId)),
    ...(member && { member }),
  };
}

function seesGroup(row: StructureRow, accountId: AccountId, groupId: GroupId): boolean {
  if (row.ownerId === accountId || row.channels.some((channel) => channel.groupId === groupId)) return true;
  const bits = resolveBits({
    isOwner: false,
    everyone: row.roles.find((role) => role.position === 0)?.bits ?? 0,
    roles: row.roles.filter((role) => row.roleIds.includes(role.roleId)).map((role) => role.bits),
    levels: [
      setAt(
        row,
        accountId,
        row.overrides.filter((o) => o.groupId === groupId),
      ),
    ],
  });
  return (bits & permission.view) !== 0;
}

/** The structure one member may see; null when they are no member. */
export async function communityStructure(
  q: Queryable,
  accountId: AccountId,
  communityId: CommunityId,
): Promise<CommunityStructure | null> {
  const row = await findStructure(q, accountId, communityId);
  if (!row) return null;
  const { nickname, roleIds, joinedAt, groups: allGroups, overrides: allOverrides, ...rest } = row;
  const groups = allGroups.filter(({ groupId }) => seesGroup(row, accountId, groupId));
  const places = new Set<string>([
    ...groups.map((group) => group.groupId),
    ...row.channels.map((channel) => channel.channelId),
  ]);
  const overrides = allOverrides.filter((o) => places.has(o.groupId ?? o.channelId ?? ''));
  return { ...rest, groups, overrides, own: { nickname, roleIds, joinedAt: joinedAt.getTime() } };
}

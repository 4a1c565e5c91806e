// One statement that loads a community as one member may see it before filtering.
import type { Queryable } from '#server/platform/db.ts';
import type { ChannelSummary, GroupSummary } from '#shared/channels.ts';
import type { AccountId, CommunityId, RoleId } from '#shared/ids.ts';
import type { OverrideSummary, RoleSummary } from '#shared/roles.ts';

export interface StructureRow {
  readonly communityId: CommunityId;
  readonly version: number;
  readonly name: string;
  readonly description: string;
  readonly ownerId: AccountId;
  readonly memberCount: number;
  readonly nickname: string | null;
  readonly joinedAt: Date;
  readonly roleIds: readonly RoleId[];
  readonly groups: readonly GroupSummary[];
  readonly channels: readonly ChannelSummary[];
  readonly roles: readonly RoleSummary[];
  readonly overrides: readonly OverrideSummary[];
}

const list = (fields: string, from: string): string =>
  `(SELECT coalesce(json_agg(json_build_object(${fields}) ORDER BY o1, o2), '[]'::json) FROM (${from}) s)`;

const structureSql = `
SELECT k.id AS "communityId", k.version, k.name, k.description, k."ownerId", k."memberCount", m.nickname, m."joinedAt",
  ARRAY(SELECT x."roleId" FROM "MemberRole" x JOIN "Role" r ON r.id = x."roleId"
         WHERE x."communityId" = k.id AND x."accountId" = m."accountId" ORDER BY r.position DESC) AS "roleIds",
  ${list(
    `'groupId', s.id, 'name', s.name, 'position', s.position`,
    `SELECT g.*, g.position AS o1, g.id AS o2 FROM "Group" g WHERE g."communityId" = k.id`,
  )} AS groups,
  ${list(
    `'channelId', s.id, 'communityId', s."communityId", 'groupId', s."groupId", 'kind', s.kind, 'name', s.name,
     'topic', s.topic, 'position', s.position, 'isReadOnly', s."isReadOnly", 'isArchived', s."archivedAt" IS NOT NULL,
     'slowModeMs', s."slowModeMs", 'epoch', s.epoch,
     'historyPolicy', CASE WHEN s."isEphemeral" THEN 'ephemeral' WHEN s."historySharedAt" IS NOT NULL AND s."historySharedUntil" IS NULL
       THEN 'shared' ELSE 'since_join' END,
     'createdAt', (extract(epoch FROM s."createdAt") * 1000)::bigint`,
    `SELECT c.*, c.position AS o1, c.id AS o2 FROM "Channel" c
       JOIN channel_reader v ON v."channelId" = c.id AND v."accountId" = m."accountId"
      WHERE c."communityId" = k.id`,
  )} AS channels,
  ${list(
    `'roleId', s.id, 'name', s.name, 'colour', s.colour, 'position', s.position, 'bits', s.bits`,
    `SELECT r.*, -r.position AS o1, r.id AS o2 FROM "Role" r WHERE r."communityId" = k.id`,
  )} AS roles,
  ${list(
    `'groupId', s."groupId", 'channelId', s."channelId", 'roleId', s."roleId", 'accountId', s."accountId",
     'allow', s.allow, 'deny', s.deny`,
    `SELECT o.*, 0 AS o1, o.id AS o2 FROM "Override" o
       LEFT JOIN "Group" g ON g.id = o."groupId" LEFT JOIN "Channel" c ON c.id = o."channelId"
      WHERE g."communityId" = k.id OR c."communityId" = k.id`,
  )} AS overrides
  FROM "Community" k JOIN "Member" m ON m."communityId" = k.id
 WHERE m."accountId" = $1::uuid AND k.id = $2::uuid`;

/** Channels are those the member reads; groups, roles and overrides are all there are. Null for non-members. */
export async function findStructure(
  q: Queryable,
  accountId: AccountId,
  communityId: CommunityId,
): Promise<StructureRow | null> {
  const rows = await q.query<StructureRow>('communities.structure', structureSql, [accountId, communityId]);
  return rows[0] ?? null;
}

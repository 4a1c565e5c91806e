// Roles keep dense positions: 0 is everyone, then 1…n from lowest to highest.
import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, ChannelId, CommunityId, GroupId, RoleId } from '#shared/ids.ts';
import { permission } from '#shared/permissions.ts';
import type { RoleSummary } from '#shared/roles.ts';

const roleColumns = 'r.id AS "roleId", r.name, r.colour, r.position, r.bits';

/** Lowest first: the everyone role leads. */
export function listRoles(q: Queryable, communityId: CommunityId): Promise<RoleSummary[]> {
  const sql = `SELECT ${roleColumns} FROM "Role" r WHERE r."communityId" = $1::uuid ORDER BY r.position, r.id`;
  return q.query<RoleSummary>('roles.list', sql, [communityId]);
}

/** Writes the order of the roles above everyone, lowest first; returns those whose position changed. */
export function writePositions(
  q: Queryable,
  communityId: CommunityId,
  order: readonly RoleId[],
): Promise<RoleSummary[]> {
  return q.query<RoleSummary>(
    'roles.write-positions',
    `UPDATE "Role" r SET position = u.position FROM unnest($2::uuid[]) WITH ORDINALITY AS u(id, position)
      WHERE r.id = u.id AND r."communityId" = $1::uuid AND r.position <> u.position
     RETURNING ${roleColumns}`,
    [communityId, order],
  );
}

/** Whether the role decides who reads what: by its own view bit or by an override about it. */
export async function touchesView(q: Queryable, roleId: RoleId): Promise<boolean> {
  const [row] = await q.query<{ touches: boolean }>(
    'roles.touches-view',
    `SELECT EXISTS (SELECT 1 FROM "Role" r WHERE r.id = $1::uuid AND (r.bits & ${permission.view}) <> 0)
         OR EXISTS (SELECT 1 FROM "Override" o
                     WHERE o."roleId" = $1::uuid AND ((o.allow | o.deny) & ${permission.view}) <> 0) AS touches`,
    [roleId],
  );
  return row?.touches === true;
}

export interface MemberRoles {
  readonly nickname: string | null;
  readonly roleIds: readonly RoleId[];
}

/** Highest role first. */
export async function findMemberRoles(
  q: Queryable,
  communityId: CommunityId,
  accountId: AccountId,
): Promise<MemberRoles | null> {
  const rows = await q.query<MemberRoles>(
    'roles.of-member',
    `SELECT m.nickname, ARRAY(
         SELECT x."roleId" FROM "MemberRole" x JOIN "Role" r ON r.id = x."roleId"
          WHERE x."communityId" = m."communityId" AND x."accountId" = m."accountId"
          ORDER BY r.position DESC) AS "roleIds"
       FROM "Member" m WHERE m."communityId" = $1::uuid AND m."accountId" = $2::uuid`,
    [communityId, accountId],
  );
  return rows[0] ?? null;
}

export async function listGroupIds(q: Queryable, communityId: CommunityId): Promise<GroupId[]> {
  const sql = 'SELECT id FROM "Group" WHERE "communityId" = $1::uuid';
  const rows = await q.query<{ id: GroupId }>('roles.groups', sql, [communityId]);
  return rows.map((row) => row.id);
}

/** One place and one subject of an override. */
export interface OverrideKey {
  readonly groupId: GroupId | null;
  readonly channelId: ChannelId | null;
  readonly roleId: RoleId | null;
  readonly accountId: AccountId | null;
}
const keyMatches = `"groupId" IS NOT DISTINCT FROM $1::uuid AND "channelId" IS NOT DISTINCT FROM $2::uuid
  AND "roleId" IS NOT DISTINCT FROM $3::uuid AND "accountId" IS NOT DISTINCT FROM $4::uuid`;
const keyParams = (key: OverrideKey): unknown[] => [key.groupId, key.channelId, key.roleId, key.accountId];

export async function findOverride(
  q: Queryable,
  key: OverrideKey,
): Promise<{ readonly allow: number; readonly deny: number }> {
  const sql = `SELECT allow, deny FROM "Override" WHERE ${keyMatches}`;
  const rows = await q.query<{ allow: number; deny: number }>('roles.override', sql, keyParams(key));
  return rows[0] ?? { allow: 0, deny: 0 };
}

/** Writes one override; allow = deny = 0 removes it. */
export async function writeOverride(
  q: Queryable,
  key: OverrideKey,
  value: { readonly id: string; readonly allow: number; readonly deny: number },
): Promise<void> {
  if (value.allow === 0 && value.deny === 0) {
    await q.query('roles.drop-override', `DELETE FROM "Override" WHERE ${keyMatches}`, keyParams(key));
    return;
  }
  await q.query(
    'roles.write-override',
    `INSERT INTO "Override" ("groupId", "channelId", "roleId", "accountId", id, allow, deny)
     VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::uuid, $6::int, $7::int)
     ON CONFLICT ("groupId", "channelId", "roleId", "accountId")
       DO UPDATE SET allow = excluded.allow, deny = excluded.deny`,
    [...keyParams(key), value.id, value.allow, value.deny],
  );
}

// Rows of communities, members and bans.
import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, CommunityId, RoleId } from '#shared/ids.ts';

export interface MemberRow {
  readonly accountId: AccountId;
  readonly nickname: string | null;
  readonly joinedAt: Date;
  readonly roleIds: readonly RoleId[];
}
const memberColumns = `m."accountId", m.nickname, m."joinedAt",
  ARRAY(SELECT x."roleId" FROM "MemberRole" x JOIN "Role" r ON r.id = x."roleId"
         WHERE x."communityId" = m."communityId" AND x."accountId" = m."accountId"
         ORDER BY r.position DESC) AS "roleIds"`;

export async function findMember(
  q: Queryable,
  communityId: CommunityId,
  accountId: AccountId,
): Promise<MemberRow | null> {
  const sql = `SELECT ${memberColumns} FROM "Member" m
    WHERE m."communityId" = $1::uuid AND m."accountId" = $2::uuid`;
  return (await q.query<MemberRow>('communities.member', sql, [communityId, accountId]))[0] ?? null;
}

/** Keyset page by (joinedAt, accountId). */
export function pageMembers(
  q: Queryable,
  communityId: CommunityId,
  page: { readonly after: { joinedAt: Date; accountId: AccountId } | null; readonly limit: number },
): Promise<MemberRow[]> {
  return q.query<MemberRow>(
    'communities.members',
    `SELECT ${memberColumns} FROM "Member" m
      WHERE m."communityId" = $1::uuid
        AND ($2::timestamptz IS NULL OR (m."joinedAt", m."accountId") > ($2::timestamptz, $3::uuid))
      ORDER BY m."joinedAt", m."accountId" LIMIT $4::int`,
    [communityId, page.after?.joinedAt ?? null, page.after?.accountId ?? null, page.limit],
  );
}

export async function listMemberIds(q: Queryable, communityId: CommunityId): Promise<AccountId[]> {
  const sql = 'SELECT "accountId" FROM "Member" WHERE "communityId" = $1::uuid ORDER BY "accountId"';
  const rows = await q.query<{ accountId: AccountId }>('communities.member-ids', sql, [communityId]);
  return rows.map((row) => row.accountId);
}

/** Every community of the account with its version. */
export function listCommunities(
  q: Queryable,
  accountId: AccountId,
): Promise<{ communityId: CommunityId; version: number }[]> {
  const sql = `SELECT k.id AS "communityId", k.version FROM "Member" m JOIN "Community" k ON k.id = m."communityId"
    WHERE m."accountId" = $1::uuid ORDER BY m."joinedAt", k.id`;
  return q.query('communities.of-account', sql, [accountId]);
}

export interface NamedCommunity {
  readonly communityId: CommunityId;
  readonly name: string;
  readonly ownerId: AccountId;
}

/** The community of this id, or all of this very name. */
export function findCommunities(q: Queryable, idOrName: string): Promise<NamedCommunity[]> {
  const sql = `SELECT k.id AS "communityId", k.name, k."ownerId" FROM "Community" k
    WHERE k.id::text = lower($1::text) OR k.name = $1::text ORDER BY k.id LIMIT 10`;
  return q.query('communities.find', sql, [idOrName]);
}

/**
 * Locks the account's row, so that what it joins is counted one join after the other. Null when it was deleted
 * meanwhile.
 */
export async function countCommunities(q: Queryable, accountId: AccountId): Promise<number | null> {
  const alive = await q.query(
    'communities.lock-account',
    'SELECT id FROM "Account" WHERE id = $1::uuid AND "deletedAt" IS NULL FOR NO KEY UPDATE',
    [accountId],
  );
  if (alive.length === 0) return null;
  const sql = 'SELECT count(*)::int AS count FROM "Member" WHERE "accountId" = $1::uuid';
  const [row] = await q.query<{ count: number }>('communities.count', sql, [accountId]);
  return row?.count ?? 0;
}

export interface BanRow {
  readonly accountId: AccountId;
  readonly reason: string;
  readonly bannedBy: AccountId;
  readonly createdAt: Date;
}

/** Newest first. */
export function listBans(q: Queryable, communityId: CommunityId): Promise<BanRow[]> {
  const sql = `SELECT b."accountId", b.reason, b."bannedById" AS "bannedBy", b."createdAt" FROM "Ban" b
    WHERE b."communityId" = $1::uuid ORDER BY b."createdAt" DESC, b."accountId" LIMIT 1000`;
  return q.query<BanRow>('communities.bans', sql, [communityId]);
}

export async function isBanned(
  q: Queryable,
  communityId: CommunityId,
  accountId: AccountId,
): Promise<boolean> {
  const ban = await q.prisma.ban.findUnique({
    where: { communityId_accountId: { communityId, accountId } },
    select: { accountId: true },
  });
  return ban !== null;
}

/** Ends the invites somebody made: who was removed does not come back by an own link. */
export async function revokeInvitesOf(
  q: Queryable,
  who: { readonly communityId: CommunityId; readonly accountId: AccountId; readonly now: Date },
): Promise<void> {
  await q.prisma.invite.updateMany({
    where: { communityId: who.communityId, createdById: who.accountId, revokedAt: null },
    data: { revokedAt: who.now },
  });
}

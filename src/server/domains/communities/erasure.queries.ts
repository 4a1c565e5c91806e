// What ties an account to communities, for taking it out of all of them.
import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, CommunityId } from '#shared/ids.ts';

export interface Tie {
  readonly communityId: CommunityId;
  readonly name: string;
  readonly isMember: boolean;
  readonly isOwner: boolean;
  /** Who the community goes to when its owner goes: null when nobody else is in it. Only for owners. */
  readonly successorId: AccountId | null;
}

/**
 * Every community the account is in, owns, or is named in by an override, in order of id. The successor of an owner is
 * the member of the highest role, of those who joined first; somebody suspended only when nobody else is left.
 */
export function listTies(q: Queryable, accountId: AccountId): Promise<Tie[]> {
  return q.query<Tie>(
    'erasure.ties',
    `SELECT k.id AS "communityId", k.name, m."accountId" IS NOT NULL AS "isMember",
            k."ownerId" = $1::uuid AS "isOwner",
            CASE WHEN k."ownerId" = $1::uuid THEN next."accountId" END AS "successorId"
       FROM "Community" k
       LEFT JOIN "Member" m ON m."communityId" = k.id AND m."accountId" = $1::uuid
       LEFT JOIN LATERAL (
         SELECT o."accountId" FROM "Member" o JOIN "Account" a ON a.id = o."accountId"
          WHERE o."communityId" = k.id AND o."accountId" <> $1::uuid AND k."ownerId" = $1::uuid
          ORDER BY a."suspendedAt" IS NOT NULL,
            (SELECT max(r.position) FROM "MemberRole" x JOIN "Role" r ON r.id = x."roleId"
              WHERE x."communityId" = k.id AND x."accountId" = o."accountId") DESC NULLS LAST,
            o."joinedAt", o."accountId" LIMIT 1) next ON true
      WHERE m."accountId" IS NOT NULL OR k."ownerId" = $1::uuid
         OR k.id IN (SELECT g."communityId" FROM "Override" o JOIN "Group" g ON g.id = o."groupId"
                      WHERE o."accountId" = $1::uuid)
         OR k.id IN (SELECT c."communityId" FROM "Override" o JOIN "Channel" c ON c.id = o."channelId"
                      WHERE o."accountId" = $1::uuid)
      ORDER BY k.id`,
    [accountId],
  );
}

export async function setOwner(q: Queryable, communityId: CommunityId, ownerId: AccountId): Promise<void> {
  await q.prisma.community.update({ where: { id: communityId }, data: { ownerId } });
}

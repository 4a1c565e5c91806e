// Invite rows. The code is the secret: it never reaches a log.
import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, CommunityId } from '#shared/ids.ts';
import type { InvitePreview, InviteSummary } from '#shared/invites.ts';

const isLive = `i."revokedAt" IS NULL AND (i."expiresAt" IS NULL OR i."expiresAt" > $2::timestamptz)
  AND (i."maxUses" IS NULL OR i.uses < i."maxUses")`;

export async function communityOfInvite(q: Queryable, code: string): Promise<CommunityId | null> {
  const sql = 'SELECT "communityId" FROM "Invite" WHERE code = $1::text';
  const [row] = await q.query<{ communityId: CommunityId }>('invites.community', sql, [code]);
  return row?.communityId ?? null;
}

/** Counts one use, unless the invite is revoked, expired or used up. True when it was counted. */
export async function takeUse(q: Queryable, code: string, now: Date): Promise<boolean> {
  const sql = `UPDATE "Invite" i SET uses = i.uses + 1 WHERE i.code = $1::text AND ${isLive} RETURNING i.code`;
  return (await q.query('invites.take-use', sql, [code, now])).length === 1;
}

export interface PreviewRow extends Omit<InvitePreview, 'inviterGenesis'> {
  /** Entry 0 of the inviter's account log. */
  readonly genesis: Uint8Array | null;
}

export async function findPreview(q: Queryable, code: string, now: Date): Promise<PreviewRow | null> {
  const rows = await q.query<PreviewRow>(
    'invites.preview',
    `SELECT k.id AS "communityId", k.name AS "communityName", k.description, k."memberCount",
            coalesce(a."displayName", '') AS "inviterName", a.id AS "inviterId", e.bytes AS genesis
       FROM "Invite" i JOIN "Community" k ON k.id = i."communityId"
       LEFT JOIN "Account" a ON a.id = i."createdById" AND a."deletedAt" IS NULL
       LEFT JOIN "AccountLogEntry" e ON e."accountId" = a.id AND e.seq = 0
      WHERE i.code = $1::text AND ${isLive}`,
    [code, now],
  );
  return rows[0] ?? null;
}

export async function countLiveInvites(q: Queryable, communityId: CommunityId, now: Date): Promise<number> {
  const sql = `SELECT count(*)::int AS count FROM "Invite" i WHERE i."communityId" = $1::uuid AND ${isLive}`;
  const [row] = await q.query<{ count: number }>('invites.count', sql, [communityId, now]);
  return row?.count ?? 0;
}

type InviteRow = Omit<InviteSummary, 'expiresAt' | 'createdAt'> & {
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
};

/** Invites that still work, newest first; only those of `createdBy` when given. */
export async function listLiveInvites(
  q: Queryable,
  communityId: CommunityId,
  which: { readonly now: Date; readonly createdBy: AccountId | null },
): Promise<InviteSummary[]> {
  const rows = await q.query<InviteRow>(
    'invites.list',
    `SELECT i.code, i."communityId", coalesce(a."displayName", '') AS "createdByName", i.uses, i."maxUses",
            i."expiresAt", i."createdAt"
       FROM "Invite" i LEFT JOIN "Account" a ON a.id = i."createdById"
      WHERE i."communityId" = $1::uuid AND ($3::uuid IS NULL OR i."createdById" = $3::uuid) AND ${isLive}
      ORDER BY i."createdAt" DESC, i.code`,
    [communityId, which.now, which.createdBy],
  );
  return rows.map((row) => ({
    ...row,
    expiresAt: row.expiresAt?.getTime() ?? null,
    createdAt: row.createdAt.getTime(),
  }));
}

/** Whether every member reads some channel, and whether one more reader fits there. */
export async function hasReaderRoom(q: Queryable, communityId: CommunityId, max: number): Promise<boolean> {
  const [row] = await q.query<{ isFull: boolean }>(
    'invites.reader-room',
    `SELECT k."memberCount" >= $2::int AND EXISTS (
              SELECT 1 FROM "Channel" c WHERE c."communityId" = k.id AND c.audience = 'community') AS "isFull"
       FROM "Community" k WHERE k.id = $1::uuid`,
    [communityId, max],
  );
  return row?.isFull !== true;
}

// Direct conversations: one channel per pair, found by its key.
import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';

/** The pair's key: both ids in order, the same whoever asks. */
export const dmKeyOf = (a: AccountId, b: AccountId): string => [a, b].sort().join(':');

export async function findDm(q: Queryable, dmKey: string): Promise<ChannelId | null> {
  const sql = 'SELECT id FROM "Channel" WHERE "dmKey" = $1::text';
  return (await q.query<{ id: ChannelId }>('dms.find', sql, [dmKey]))[0]?.id ?? null;
}

/** Whether the account lives and shares a community with the asker. It cannot be deleted before this is over. */
export async function sharesCommunity(q: Queryable, asker: AccountId, other: AccountId): Promise<boolean> {
  const rows = await q.query(
    'dms.shares-community',
    `SELECT 1 FROM "Account" a WHERE a.id = $2::uuid AND a."deletedAt" IS NULL AND EXISTS (
       SELECT 1 FROM "Member" x JOIN "Member" y ON y."communityId" = x."communityId"
        WHERE x."accountId" = $1::uuid AND y."accountId" = a.id) FOR SHARE OF a`,
    [asker, other],
  );
  return rows.length > 0;
}

/** Makes the conversation unless the pair has one; true when it was made now. Waits for a rival who makes it too. */
export async function insertDm(
  q: Queryable,
  made: { channelId: ChannelId; dmKey: string; accountIds: readonly [AccountId, AccountId]; now: Date },
): Promise<boolean> {
  const rows = await q.query(
    'dms.insert',
    `INSERT INTO "Channel" (id, kind, "dmKey", audience, "createdAt")
     VALUES ($1::uuid, 'dm', $2::text, 'restricted', $3::timestamptz)
     ON CONFLICT ("dmKey") DO NOTHING RETURNING id`,
    [made.channelId, made.dmKey, made.now],
  );
  if (rows.length === 0) return false;
  await q.query(
    'dms.insert-readers',
    `INSERT INTO "ChannelReader" ("channelId", "accountId", "sinceAt")
     SELECT $1::uuid, u, $3::timestamptz FROM unnest($2::uuid[]) AS u`,
    [made.channelId, made.accountIds, made.now],
  );
  return true;
}

export interface DmPair {
  readonly channelId: ChannelId;
  readonly accountIds: readonly AccountId[];
}

/** Ends the direct conversations for writing; what was said stays. Answers who is left in each. */
export function closeDmRows(
  q: Queryable,
  who: { readonly accountId: AccountId; readonly channelIds: readonly ChannelId[]; readonly now: Date },
): Promise<{ channelId: ChannelId; accountId: AccountId }[]> {
  return q.query(
    'dms.close',
    `UPDATE "Channel" c SET "archivedAt" = COALESCE(c."archivedAt", $3::timestamptz)
       FROM channel_reader o
      WHERE c.id = ANY($2::uuid[]) AND o."channelId" = c.id AND o."accountId" <> $1::uuid
     RETURNING c.id AS "channelId", o."accountId"`,
    [who.accountId, who.channelIds, who.now],
  );
}

/**
 * Every direct conversation of the account, liveliest first, or one of them. The pair is the key's: who deleted the
 * account reads no more, and the conversation stays the one of these two.
 */
export function listDms(
  q: Queryable,
  accountId: AccountId,
  which: { readonly channelId: ChannelId | null; readonly limit: number },
): Promise<DmPair[]> {
  return q.query<DmPair>(
    'dms.list',
    `SELECT c.id AS "channelId",
            string_to_array(c."dmKey", ':')::uuid[] AS "accountIds"
       FROM channel_reader v JOIN "Channel" c ON c.id = v."channelId"
      WHERE v."accountId" = $1::uuid AND c.kind = 'dm' AND ($2::uuid IS NULL OR c.id = $2::uuid)
      ORDER BY coalesce(c."lastMessageAt", c."createdAt") DESC, c.id LIMIT $3::int`,
    [accountId, which.channelId, which.limit],
  );
}

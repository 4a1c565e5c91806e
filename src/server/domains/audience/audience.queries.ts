// Set-based statements over who reads what. The view bit of many people in many places is resolved in SQL here;
// a property test holds it against `resolveBits` of the shared policy.
import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, ChannelId, CommunityId, GroupId } from '#shared/ids.ts';
import { permission } from '#shared/permissions.ts';

export type AudienceKind = 'community' | 'restricted';

const view = permission.view;

/**
 * Members $1 (community), all or one ($2), in account order after $3, at most $4, each with the view bit they hold
 * before overrides. Owners hold every bit that no override denies.
 */
const basePeople = `
  base AS (
    SELECT m."accountId", m."joinedAt", e.id AS everyone, k."ownerId" = m."accountId" AS "isOwner",
           k."ownerId" = m."accountId" OR (e.bits & ${view}) <> 0 OR EXISTS (
             SELECT 1 FROM "MemberRole" x JOIN "Role" r ON r.id = x."roleId"
              WHERE x."communityId" = $1::uuid AND x."accountId" = m."accountId" AND (r.bits & ${view}) <> 0) AS sees
      FROM "Member" m
      JOIN "Community" k ON k.id = m."communityId"
      JOIN "Role" e ON e."communityId" = k.id AND e.position = 0
     WHERE m."communityId" = $1::uuid
       AND ($2::uuid IS NULL OR m."accountId" = $2::uuid)
       AND ($3::uuid IS NULL OR m."accountId" > $3::uuid)
     ORDER BY m."accountId" LIMIT $4::int)`;

const opinion = (layer: string): string => `bool_or((o.allow & ${view}) <> 0) FILTER (WHERE ${layer})`;
/**
 * One bit through `perm = (perm & ~deny) | allow`, layer after layer: the last layer with an opinion decides, and
 * within a layer allow wins. Only overrides with an opinion about the view bit are joined.
 */
const resolvedView = `coalesce(
  ${opinion('o."channelId" IS NOT NULL AND o."accountId" IS NOT NULL')},
  ${opinion('o."channelId" IS NOT NULL AND o."roleId" <> b.everyone')},
  ${opinion('o."channelId" IS NOT NULL AND o."roleId" = b.everyone')},
  ${opinion('o."groupId" IS NOT NULL AND o."accountId" IS NOT NULL')},
  ${opinion('o."groupId" IS NOT NULL AND o."roleId" <> b.everyone')},
  ${opinion('o."groupId" IS NOT NULL AND o."roleId" = b.everyone')},
  b.sees)`;
const applies = `
  ((o.allow | o.deny) & ${view}) <> 0 AND (o."accountId" = b."accountId" OR o."roleId" = b.everyone OR EXISTS (
    SELECT 1 FROM "MemberRole" x WHERE x."roleId" = o."roleId" AND x."accountId" = b."accountId"))`;

export interface ChannelMode {
  readonly channelId: ChannelId;
  readonly audience: AudienceKind;
  /** What the roles and overrides ask for now. */
  readonly wanted: AudienceKind;
}

/** Which channels of a community are meant; all of them when neither is given. */
export interface ChannelScope {
  readonly groupId?: GroupId | undefined;
  readonly channelId?: ChannelId | undefined;
}

/** Locks the channels of a scope in id order, as every writer of epochs does, and says what they ask for. */
export function lockModes(
  q: Queryable,
  communityId: CommunityId,
  scope: ChannelScope,
): Promise<ChannelMode[]> {
  return q.query<ChannelMode>(
    'audience.modes',
    `SELECT c.id AS "channelId", c.audience,
            CASE WHEN (e.bits & ${view}) <> 0 AND NOT EXISTS (
                   SELECT 1 FROM "Override" o
                    WHERE (o."channelId" = c.id OR o."groupId" = c."groupId") AND (o.deny & ${view}) <> 0)
                 THEN 'community' ELSE 'restricted' END AS wanted
       FROM "Channel" c JOIN "Role" e ON e."communityId" = c."communityId" AND e.position = 0
      WHERE c."communityId" = $1::uuid AND ($2::uuid IS NULL OR c."groupId" = $2::uuid)
        AND ($3::uuid IS NULL OR c.id = $3::uuid)
      ORDER BY c.id FOR NO KEY UPDATE OF c`,
    [communityId, scope.groupId ?? null, scope.channelId ?? null],
  );
}

/** People of one slice: everybody or one member, in account order. */
export interface Slice {
  readonly accountId: AccountId | null;
  readonly after: AccountId | null;
  readonly limit: number;
}

export interface ReaderChange {
  readonly channelId: ChannelId;
  readonly accountId: AccountId;
  /** `kept`: read the channel before as a community member, now by a row. */
  readonly change: 'joined' | 'left' | 'kept';
}

/**
 * Brings the reader rows of restricted channels in line for one slice of members, by one statement. A channel still
 * marked `community` is turning restricted: who keeps reading keeps the time they could read from.
 */
export function diffReaders(
  q: Queryable,
  communityId: CommunityId,
  what: { readonly channelIds: readonly ChannelId[]; readonly slice: Slice; readonly now: Date },
): Promise<ReaderChange[]> {
  const { slice } = what;
  return q.query<ReaderChange>(
    'audience.diff',
    `WITH ${basePeople},
     place AS (
       SELECT c.id, c."groupId", c.audience, c."createdAt" FROM "Channel" c WHERE c.id = ANY($5::uuid[])),
     viewer AS (
       SELECT p.id AS "channelId", b."accountId", p.audience, GREATEST(b."joinedAt", p."createdAt") AS "sinceAt"
         FROM base b CROSS JOIN place p
         LEFT JOIN "Override" o ON (o."channelId" = p.id OR o."groupId" = p."groupId") AND ${applies}
        GROUP BY p.id, p.audience, p."createdAt", b."accountId", b."joinedAt", b.everyone, b.sees
       HAVING ${resolvedView}),
     gone AS (
       DELETE FROM "ChannelReader" r USING base b
        WHERE r."accountId" = b."accountId" AND r."channelId" = ANY($5::uuid[]) AND NOT EXISTS (
          SELECT 1 FROM viewer v WHERE v."channelId" = r."channelId" AND v."accountId" = r."accountId")
       RETURNING r."channelId", r."accountId"),
     come AS (
       INSERT INTO "ChannelReader" ("channelId", "accountId", "sinceAt")
       SELECT v."channelId", v."accountId", CASE v.audience WHEN 'community' THEN v."sinceAt" ELSE $6::timestamptz END
         FROM viewer v
       ON CONFLICT DO NOTHING
       RETURNING "channelId", "accountId")
     SELECT "channelId", "accountId", 'left' AS change FROM gone
      UNION ALL
     SELECT come."channelId", come."accountId", CASE p.audience WHEN 'community' THEN 'kept' ELSE 'joined' END
       FROM come JOIN place p ON p.id = come."channelId"
      UNION ALL
     SELECT p.id, b."accountId", 'left' FROM place p CROSS JOIN base b
      WHERE p.audience = 'community' AND NOT EXISTS (
        SELECT 1 FROM viewer v WHERE v."channelId" = p.id AND v."accountId" = b."accountId")`,
    [communityId, slice.accountId, slice.after, slice.limit, what.channelIds, what.now],
  );
}

/** Greatest account of a slice, to continue after; null when the slice was the last. */
export async function sliceEnd(
  q: Queryable,
  communityId: CommunityId,
  slice: Slice,
): Promise<AccountId | null> {
  const [row] = await q.query<{ accountId: AccountId }>(
    'audience.slice-end',
    `SELECT "accountId" FROM "Member" WHERE "communityId" = $1::uuid AND ($2::uuid IS NULL OR "accountId" > $2::uuid)
      ORDER BY "accountId" OFFSET $3::int LIMIT 1`,
    [communityId, slice.after, slice.limit - 1],
  );
  return row?.accountId ?? null;
}

/**
 * Opens restricted channels to every member: rows go, and newcomers start at the head (what was written before
 * they could read is not theirs to count as unread). Returns who had to be let in.
 */
export async function openToMembers(q: Queryable, channelIds: readonly ChannelId[]): Promise<ReaderChange[]> {
  const joined = await q.query<ReaderChange>(
    'audience.open',
    `WITH newcomer AS (
       SELECT c.id AS "channelId", m."accountId", c."lastSeq", c."lastOrdinal"
         FROM "Channel" c JOIN "Member" m ON m."communityId" = c."communityId"
        WHERE c.id = ANY($1::uuid[]) AND NOT EXISTS (
          SELECT 1 FROM "ChannelReader" r WHERE r."channelId" = c.id AND r."accountId" = m."accountId")),
     based AS (
       INSERT INTO "ChannelCursor" ("accountId", "channelId", "readSeq", "readOrdinal")
       SELECT "accountId", "channelId", "lastSeq", "lastOrdinal" FROM newcomer WHERE "lastSeq" > 0
       ON CONFLICT ("accountId", "channelId") DO UPDATE
         SET "readSeq" = GREATEST("ChannelCursor"."readSeq", excluded."readSeq"),
             "readOrdinal" = GREATEST("ChannelCursor"."readOrdinal", excluded."readOrdinal"))
     SELECT "channelId", "accountId", 'joined' AS change FROM newcomer`,
    [channelIds],
  );
  await q.query('audience.clear', 'DELETE FROM "ChannelReader" WHERE "channelId" = ANY($1::uuid[])', [
    channelIds,
  ]);
  return joined;
}

export interface ChannelKeys {
  readonly channelId: ChannelId;
  readonly communityId: CommunityId | null;
  readonly audience: AudienceKind;
  readonly epoch: number;
  readonly devicesVersion: number;
}
const keyColumns = `c.id AS "channelId", c."communityId", c.audience, c.epoch, c."devicesVersion"`;

/**
 * Writes what changed about channels' audiences, locking them in id order: devicesVersion rises in all of them,
 * the epoch where somebody or some device went (`lost`).
 */
export function rekeyChannels(
  q: Queryable,
  changes: readonly {
    readonly channelId: ChannelId;
    readonly lost: boolean;
    readonly audience?: AudienceKind;
  }[],
): Promise<ChannelKeys[]> {
  return q.query<ChannelKeys>(
    'audience.rekey',
    `WITH locked AS MATERIALIZED (
       SELECT id FROM "Channel" WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE)
     UPDATE "Channel" c
        SET epoch = c.epoch + CASE WHEN u.lost THEN 1 ELSE 0 END, "devicesVersion" = c."devicesVersion" + 1,
            audience = coalesce(u.audience, c.audience)
       FROM unnest($1::uuid[], $2::bool[], $3::text[]) AS u(id, lost, audience)
       JOIN locked ON locked.id = u.id
      WHERE c.id = u.id
     RETURNING ${keyColumns}`,
    [changes.map((c) => c.channelId), changes.map((c) => c.lost), changes.map((c) => c.audience ?? null)],
  );
}

/** Changes only the kind of audience: the readers stayed the same. */
export async function setAudience(
  q: Queryable,
  channelIds: readonly ChannelId[],
  audience: AudienceKind,
): Promise<void> {
  const sql = 'UPDATE "Channel" SET audience = $2::text WHERE id = ANY($1::uuid[])';
  await q.query('audience.set-kind', sql, [channelIds, audience]);
}

/** The first of these channels, if any, with more than `max` readers. */
export async function findOverfull(
  q: Queryable,
  channelIds: readonly ChannelId[],
  max: number,
): Promise<ChannelId | null> {
  const [row] = await q.query<{ channelId: ChannelId }>(
    'audience.overfull',
    `SELECT "channelId" FROM channel_reader WHERE "channelId" = ANY($1::uuid[])
      GROUP BY "channelId" HAVING count(*) > $2::int LIMIT 1`,
    [channelIds, max],
  );
  return row?.channelId ?? null;
}

export async function listReaders(q: Queryable, channelId: ChannelId): Promise<AccountId[]> {
  const sql = 'SELECT "accountId" FROM channel_reader WHERE "channelId" = $1::uuid ORDER BY "accountId"';
  const rows = await q.query<{ accountId: AccountId }>('audience.readers', sql, [channelId]);
  return rows.map((row) => row.accountId);
}

/** Every channel the account reads, in a community or everywhere (direct messages too). */
export function channelsRead(
  q: Queryable,
  accountId: AccountId,
  communityId: CommunityId | null = null,
): Promise<ChannelKeys[]> {
  return q.query<ChannelKeys>(
    'audience.channels-read',
    `SELECT ${keyColumns} FROM channel_reader v JOIN "Channel" c ON c.id = v."channelId"
      WHERE v."accountId" = $1::uuid AND ($2::uuid IS NULL OR c."communityId" = $2::uuid) ORDER BY c.id`,
    [accountId, communityId],
  );
}

export interface GroupViewer {
  readonly groupId: GroupId;
  readonly accountId: AccountId;
}

/** Who sees which of these groups: by the view bit there, by a channel read inside, or as the community's owner. */
export function listGroupViewers(
  q: Queryable,
  communityId: CommunityId,
  what: { readonly groupIds: readonly GroupId[]; readonly accountId: AccountId | null },
): Promise<GroupViewer[]> {
  return q.query<GroupViewer>(
    'audience.group-viewers',
    `WITH ${basePeople}
     SELECT g.id AS "groupId", b."accountId"
       FROM base b CROSS JOIN unnest($5::uuid[]) AS g(id)
       LEFT JOIN "Override" o ON o."groupId" = g.id AND ${applies}
      GROUP BY g.id, b."accountId", b.everyone, b.sees, b."isOwner"
     HAVING b."isOwner" OR ${resolvedView}
      UNION
     SELECT c."groupId", v."accountId" FROM "Channel" c JOIN channel_reader v ON v."channelId" = c.id
      WHERE c."groupId" = ANY($5::uuid[]) AND ($2::uuid IS NULL OR v."accountId" = $2::uuid)`,
    [communityId, what.accountId, null, 2_147_483_647, what.groupIds],
  );
}

import type { Queryable } from '#server/platform/db.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';
import type { InstanceRole } from '#shared/permissions.ts';
import type { PresenceChoice } from '#shared/users.ts';

export interface AccountRow {
  readonly id: AccountId;
  readonly username: string | null;
  readonly displayName: string;
  readonly bio: string;
  readonly pronouns: string;
  readonly instanceRole: InstanceRole;
  readonly presence: PresenceChoice;
  readonly version: number;
  readonly deletedAt: Date | null;
}

const accountColumns = `a.id, a.username, a."displayName", a.bio, a.pronouns, a."instanceRole", a.presence,
  a.version, a."deletedAt"`;

export async function findAccount(q: Queryable, accountId: AccountId): Promise<AccountRow | null> {
  const sql = `SELECT ${accountColumns} FROM "Account" a WHERE a.id = $1`;
  const rows = await q.query<AccountRow>('users.account', sql, [accountId]);
  return rows[0] ?? null;
}

export function listAccounts(q: Queryable, accountIds: readonly AccountId[]): Promise<AccountRow[]> {
  const sql = `SELECT ${accountColumns} FROM "Account" a WHERE a.id = ANY($1::uuid[]) ORDER BY a.id`;
  return q.query<AccountRow>('users.accounts', sql, [accountIds]);
}

export interface ProfileChange {
  readonly displayName?: string | undefined;
  readonly bio?: string | undefined;
  readonly pronouns?: string | undefined;
}

export async function changeProfile(
  q: Queryable,
  accountId: AccountId,
  change: ProfileChange,
): Promise<AccountRow | null> {
  const rows = await q.query<AccountRow>(
    'users.change-profile',
    `UPDATE "Account" a SET "displayName" = COALESCE($2, a."displayName"), bio = COALESCE($3, a.bio),
       pronouns = COALESCE($4, a.pronouns), version = a.version + 1
     WHERE a.id = $1 RETURNING ${accountColumns}`,
    [accountId, change.displayName ?? null, change.bio ?? null, change.pronouns ?? null],
  );
  return rows[0] ?? null;
}

/** Throws a unique violation when the name is taken. */
export async function changeUsername(
  q: Queryable,
  accountId: AccountId,
  username: string,
): Promise<AccountRow | null> {
  const rows = await q.query<AccountRow>(
    'users.change-username',
    `UPDATE "Account" a SET username = $2, version = a.version + 1 WHERE a.id = $1 RETURNING ${accountColumns}`,
    [accountId, username],
  );
  return rows[0] ?? null;
}

/** Leaves the tombstone: an id that log, certificates and messages point to, and nothing about the person. */
export async function buryAccountRow(
  q: Queryable,
  accountId: AccountId,
  now: Date,
): Promise<AccountRow | null> {
  const rows = await q.query<AccountRow>(
    'users.bury',
    `UPDATE "Account" a SET username = NULL, "displayName" = '', bio = '', pronouns = '', "instanceRole" = 'member',
       presence = 'invisible', version = a.version + 1, "deletedAt" = $2::timestamptz
     WHERE a.id = $1 RETURNING ${accountColumns}`,
    [accountId, now],
  );
  return rows[0] ?? null;
}

const sharing = `a.id = $1::uuid
  OR EXISTS (SELECT 1 FROM "Member" own JOIN "Member" other ON other."communityId" = own."communityId"
    WHERE own."accountId" = $1::uuid AND other."accountId" = a.id)
  OR EXISTS (SELECT 1 FROM channel_reader own JOIN channel_reader other ON other."channelId" = own."channelId"
    WHERE own."accountId" = $1::uuid AND other."accountId" = a.id)`;

/** Of `others`, itself and the people it shares a community or a conversation with. */
export async function visibleAccounts(
  q: Queryable,
  accountId: AccountId,
  others: readonly AccountId[],
): Promise<AccountId[]> {
  const rows = await q.query<{ id: AccountId }>(
    'users.visible',
    `SELECT a.id FROM "Account" a WHERE a.id = ANY($2::uuid[]) AND (${sharing}) ORDER BY a.id`,
    [accountId, others],
  );
  return rows.map((row) => row.id);
}

/**
 * As `visibleAccounts`, and past authors of channels it reads and the other side of its direct conversations: who
 * left, or deleted the account, must stay verifiable for those who read what they wrote.
 */
export async function knownAccounts(
  q: Queryable,
  accountId: AccountId,
  others: readonly AccountId[],
): Promise<AccountId[]> {
  const rows = await q.query<{ id: AccountId }>(
    'users.known',
    `SELECT a.id FROM "Account" a WHERE a.id = ANY($2::uuid[]) AND (${sharing}
       OR EXISTS (SELECT 1 FROM "ChainCert" c JOIN channel_reader own ON own."channelId" = c."channelId"
         WHERE c."accountId" = a.id AND own."accountId" = $1::uuid)
       OR EXISTS (SELECT 1 FROM "Channel" d JOIN channel_reader own ON own."channelId" = d.id
         WHERE own."accountId" = $1::uuid
           AND d."dmKey" IN (a.id || ':' || $1::uuid, $1::uuid || ':' || a.id))) ORDER BY a.id`,
    [accountId, others],
  );
  return rows.map((row) => row.id);
}

/** Of `others`, itself and those who now read a channel `accountId` reads: who keys may travel between. */
export async function sharingChannel(
  q: Queryable,
  accountId: AccountId,
  others: readonly AccountId[],
): Promise<Set<AccountId>> {
  const rows = await q.query<{ id: AccountId }>(
    'users.sharing-channel',
    `SELECT a.id FROM unnest($2::uuid[]) AS a(id) WHERE a.id = $1::uuid OR EXISTS (
       SELECT 1 FROM channel_reader own JOIN channel_reader other ON other."channelId" = own."channelId"
       WHERE own."accountId" = $1::uuid AND other."accountId" = a.id)`,
    [accountId, others],
  );
  return new Set(rows.map((row) => row.id));
}

/** Where a profile is seen: the account's communities and its direct messages. */
export async function profileScopes(
  q: Queryable,
  accountId: AccountId,
): Promise<{ communities: CommunityId[]; dms: ChannelId[] }> {
  const communities = await q.query<{ id: CommunityId }>(
    'users.communities',
    'SELECT "communityId" AS id FROM "Member" WHERE "accountId" = $1',
    [accountId],
  );
  const dms = await q.query<{ id: ChannelId }>(
    'users.dms',
    `SELECT r."channelId" AS id FROM channel_reader r JOIN "Channel" c ON c.id = r."channelId"
     WHERE r."accountId" = $1 AND c."communityId" IS NULL`,
    [accountId],
  );
  return { communities: communities.map((row) => row.id), dms: dms.map((row) => row.id) };
}

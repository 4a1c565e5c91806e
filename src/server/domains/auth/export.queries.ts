// Everything the server holds about one account, part by part. Left out: the vault (what opens the account, behind a
// door of its own), the sealed entries of the backup and the hashes of its secrets, which say nothing to anybody.
import type { Queryable } from '#server/platform/db.ts';
import type { ExportPart } from '#shared/account.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';

/** A row as the database has it, under a key that pages it. */
export type StoredRow = Readonly<Record<string, unknown>> & { readonly key: string };

const mine = '(SELECT id FROM "Device" WHERE "accountId" = $1::uuid)';

/** One select per part: `$1` is the account, `key` is unique in the part. */
const selects: Readonly<Record<Exclude<ExportPart, 'events'>, string>> = {
  account: `SELECT a.id::text AS key, a.id, a.username, a."displayName", a.bio, a.pronouns, a."instanceRole",
      a.presence, a."createdAt", a."suspendedAt", c."kdfMemoryKiB", c."kdfPasses", length(c.vault) AS "vaultBytes",
      (SELECT t."enabledAt" FROM "Totp" t WHERE t."accountId" = a.id) AS "twoStepSince",
      (SELECT count(*)::int4 FROM "BackupCode" b WHERE b."accountId" = a.id) AS "backupCodesLeft"
    FROM "Account" a LEFT JOIN "Credential" c ON c."accountId" = a.id WHERE a.id = $1::uuid`,
  sessions: `SELECT s.id::text AS key, s.id, s."deviceId", s."userAgent", s.address, s."createdAt", s."lastUsedAt",
      s."expiresAt", s."revokedAt" FROM "Session" s WHERE s."accountId" = $1::uuid`,
  passkeys: `SELECT p.id::text AS key, p.id, p.name, p."credentialId", p."publicKey", p."createdAt", p."lastUsedAt"
    FROM "Passkey" p WHERE p."accountId" = $1::uuid`,
  devices: `SELECT d.id::text AS key, d.id, d.label, d."addedSeq", d."createdAt", d."lastSeenAt", d."revokedAt",
      (SELECT count(*)::int4 FROM "OneTimeKey" k WHERE k."deviceId" = d.id AND k."claimedAt" IS NULL) AS "prekeysLeft"
    FROM "Device" d WHERE d."accountId" = $1::uuid`,
  log: `SELECT lpad(e.seq::text, 10, '0') AS key, e.seq, e.bytes, e."createdAt", NULL::timestamptz AS "replacedAt"
    FROM "AccountLogEntry" e WHERE e."accountId" = $1::uuid
    UNION ALL SELECT 'former:' || lpad(f.era::text, 4, '0') || ':' || lpad(f.seq::text, 10, '0'), f.seq, f.bytes,
      f."createdAt", f."endedAt" FROM "FormerLogEntry" f WHERE f."accountId" = $1::uuid`,
  backup: `SELECT b."accountId"::text AS key, b.version, b.count, b.bytes, b."updatedAt"
    FROM "Backup" b WHERE b."accountId" = $1::uuid`,
  communities: `SELECT k.id::text AS key, k.id AS "communityId", k.name, k."ownerId" = $1::uuid AS "isOwner",
      m.nickname, m."joinedAt", (SELECT string_agg(r.name, ', ' ORDER BY r.position DESC) FROM "MemberRole" x
        JOIN "Role" r ON r.id = x."roleId" WHERE x."communityId" = k.id AND x."accountId" = $1::uuid) AS roles
    FROM "Member" m JOIN "Community" k ON k.id = m."communityId" WHERE m."accountId" = $1::uuid`,
  permissions: `SELECT o.id::text AS key, o."groupId", o."channelId", o.allow, o.deny
    FROM "Override" o WHERE o."accountId" = $1::uuid`,
  bans: `SELECT b."communityId"::text AS key, b."communityId", b.reason, b."createdAt"
    FROM "Ban" b WHERE b."accountId" = $1::uuid`,
  bansByMe: `SELECT b."communityId" || ':' || b."accountId" AS key, b."communityId", b."accountId", b.reason,
      b."createdAt" FROM "Ban" b WHERE b."bannedById" = $1::uuid`,
  invites: `SELECT i.code AS key, i.code, i."communityId", i."maxUses", i.uses, i."createdAt", i."expiresAt",
      i."revokedAt" FROM "Invite" i WHERE i."createdById" = $1::uuid`,
  channels: `SELECT c.id::text AS key, c.id AS "channelId", c.kind, c.name, c."communityId", r."sinceAt" AS "readsSince",
      u."readSeq", u.mentions, u."lastSentAt", replace(replace(c."dmKey", $1::text, ''), ':', '') AS "with"
    FROM "Channel" c LEFT JOIN channel_reader r ON r."channelId" = c.id AND r."accountId" = $1::uuid
    LEFT JOIN "ChannelCursor" u ON u."channelId" = c.id AND u."accountId" = $1::uuid
    WHERE r."accountId" IS NOT NULL OR u."accountId" IS NOT NULL`,
  chains: `SELECT c."channelId" || ':' || encode(c."chainId", 'hex') AS key, c."channelId", c."chainId", c."deviceId",
      c."createdAt" FROM "ChainCert" c WHERE c."accountId" = $1::uuid`,
  keyClaims: `SELECT lpad(p.id::text, 20, '0') AS key, p."claimerAccountId" = $1::uuid AS "isByMe", p."deviceId",
      p."claimedAt" FROM "PrekeyClaim" p WHERE p."claimerAccountId" = $1::uuid OR p."deviceId" IN ${mine}`,
  mailbox: `SELECT lpad(p.seq::text, 20, '0') AS key, p."deviceId", p."senderAccountId", p."senderDeviceId",
      length(p.bytes) AS bytes, p."createdAt"
    FROM "MailboxPacket" p WHERE p."senderAccountId" = $1::uuid OR p."deviceId" IN ${mine}`,
};

export interface PageOf {
  readonly accountId: AccountId;
  readonly after: string | null;
  readonly limit: number;
}

/** One page of a part, in order of its key. */
export function pageOfPart(
  q: Queryable,
  part: Exclude<ExportPart, 'events'>,
  page: PageOf,
): Promise<StoredRow[]> {
  const sql = `SELECT * FROM (${selects[part]}) p WHERE $2::text IS NULL OR p.key COLLATE "C" > $2::text
    ORDER BY p.key COLLATE "C" LIMIT $3::int4`;
  return q.query<StoredRow>(`export.${part}`, sql, [page.accountId, page.after, page.limit]);
}

/** The first two channels, from one on, in which the account may have written: the one to look at, and the next. */
export function channelsFrom(
  q: Queryable,
  accountId: AccountId,
  from: ChannelId | null,
): Promise<{ channelId: ChannelId; lastSeq: number }[]> {
  return q.query(
    'export.channels-from',
    `SELECT c.id AS "channelId", c."lastSeq" FROM "Channel" c
      WHERE ($2::uuid IS NULL OR c.id >= $2::uuid) AND c.id IN (
        SELECT "channelId" FROM "ChannelCursor" WHERE "accountId" = $1::uuid
        UNION SELECT "channelId" FROM channel_reader WHERE "accountId" = $1::uuid
        UNION SELECT "channelId" FROM "ChainCert" WHERE "accountId" = $1::uuid)
      ORDER BY c.id LIMIT 2`,
    [accountId, from],
  );
}

/** What the account wrote in a stretch of one channel's log: everything but what is sealed. */
export function ownEvents(
  q: Queryable,
  accountId: AccountId,
  stretch: { readonly channelId: ChannelId; readonly after: number; readonly upTo: number },
): Promise<StoredRow[]> {
  return q.query<StoredRow>(
    'export.events',
    `SELECT e.seq::text AS key, e."channelId", e.seq, e."eventId", e.class, e."senderDeviceId", e."refId", e.epoch,
        length(e.envelope) AS bytes, e."createdAt", e."redactedAt"
       FROM "ChannelEvent" e
      WHERE e."channelId" = $2::uuid AND e.seq > $3::int4 AND e.seq <= $4::int4 AND e."senderAccountId" = $1::uuid
      ORDER BY e.seq`,
    [accountId, stretch.channelId, stretch.after, stretch.upTo],
  );
}

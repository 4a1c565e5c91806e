// What is erased with an account, relation by relation. What stays, and why:
// - Account (a tombstone), AccountLogEntry and FormerLogEntry, Device (id, key, place in the log), ChainCert: what others read of the
//   account must go on verifying;
// - ChannelEvent: the log has no holes, and conversations belong to everybody in them;
// - MailboxPacket to others: keys they need for what was written to them, gone once fetched or after 60 days;
// - Ban.bannedById: an id that names nobody.
// Memberships, roles, overrides, readers and owned communities are ended before, by the domains they belong to.
import type { Queryable } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';

const own = '(SELECT id FROM "Device" WHERE "accountId" = $1::uuid)';

/** Named statements with the account's id as their only parameter, in order. */
const erasures: readonly (readonly [name: string, sql: string])[] = [
  ['prekeys', `DELETE FROM "PrekeySet" WHERE "deviceId" IN ${own}`], // one-time units go with their set
  ['claims', `DELETE FROM "PrekeyClaim" WHERE "claimerAccountId" = $1::uuid OR "deviceId" IN ${own}`],
  ['mailbox', `DELETE FROM "MailboxPacket" WHERE "deviceId" IN ${own}`],
  [
    'spent',
    'DELETE FROM "SpentRefresh" WHERE "sessionId" IN (SELECT id FROM "Session" WHERE "accountId" = $1::uuid)',
  ],
  ['sessions', 'DELETE FROM "Session" WHERE "accountId" = $1::uuid'],
  ['credential', 'DELETE FROM "Credential" WHERE "accountId" = $1::uuid'], // the vault is in it
  ['totp', 'DELETE FROM "Totp" WHERE "accountId" = $1::uuid'],
  ['backup-codes', 'DELETE FROM "BackupCode" WHERE "accountId" = $1::uuid'],
  ['passkeys', 'DELETE FROM "Passkey" WHERE "accountId" = $1::uuid'],
  ['password-reset', 'DELETE FROM "PasswordReset" WHERE "accountId" = $1::uuid'],
  [
    'leases',
    'DELETE FROM "DeviceLease" WHERE "deviceId" IN (SELECT id FROM "Device" WHERE "accountId" = $1::uuid)',
  ],
  ['links', 'DELETE FROM "LinkMailbox" WHERE "accountId" = $1::uuid'],
  ['backup', 'DELETE FROM "Backup" WHERE "accountId" = $1::uuid'], // its entries go with it
  ['cursors', 'DELETE FROM "ChannelCursor" WHERE "accountId" = $1::uuid'],
  ['invites', 'DELETE FROM "Invite" WHERE "createdById" = $1::uuid'],
  ['bans', 'DELETE FROM "Ban" WHERE "accountId" = $1::uuid'],
];

export async function eraseRows(q: Queryable, accountId: AccountId, now: Date): Promise<void> {
  for (const [name, sql] of erasures) await q.query(`erasure.${name}`, sql, [accountId]);
  await q.query(
    'erasure.devices',
    `UPDATE "Device" SET label = '', "revokedAt" = COALESCE("revokedAt", $2::timestamptz),
       "lastSeenAt" = "createdAt" WHERE "accountId" = $1::uuid`,
    [accountId, now],
  );
}

/** Locks the account's row; null when it is a tombstone already. */
export async function lockAccount(
  q: Queryable,
  accountId: AccountId,
): Promise<{ readonly username: string; readonly instanceRole: string } | null> {
  const rows = await q.query<{ username: string; instanceRole: string }>(
    'erasure.lock-account',
    'SELECT username, "instanceRole" FROM "Account" WHERE id = $1::uuid AND "deletedAt" IS NULL FOR UPDATE',
    [accountId],
  );
  return rows[0] ?? null;
}

/** Whether the account looks after an instance that others live on. */
export async function isNeededOwner(q: Queryable, accountId: AccountId): Promise<boolean> {
  const rows = await q.query(
    'erasure.needed-owner',
    `SELECT 1 FROM "Account" a WHERE a.id = $1::uuid AND a."instanceRole" = 'owner'
       AND NOT EXISTS (SELECT 1 FROM "Account" o WHERE o."instanceRole" = 'owner' AND o.id <> a.id AND o."deletedAt" IS NULL)
       AND EXISTS (SELECT 1 FROM "Account" o WHERE o.id <> a.id AND o."deletedAt" IS NULL)`,
    [accountId],
  );
  return rows.length > 0;
}

/** The instance has no owner any more: the next set-up makes one. */
export async function releaseOwnership(q: Queryable, accountId: AccountId): Promise<void> {
  await q.query(
    'erasure.release-ownership',
    `DELETE FROM "InstanceSetting" WHERE key = 'owner' AND value = to_jsonb($1::text)`,
    [accountId],
  );
}

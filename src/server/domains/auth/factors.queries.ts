import type { Queryable } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';

/** What can follow the password of an account, in one reading. */
export interface FactorRow {
  readonly username: string;
  readonly secretHash: string;
  readonly sealedSecret: Uint8Array | null;
  readonly lastStep: number;
  readonly enabledAt: Date | null;
  readonly backupCodes: number;
  readonly passkeys: number;
}

/** Null for an account that is gone. */
export async function findFactors(q: Queryable, accountId: AccountId): Promise<FactorRow | null> {
  const rows = await q.query<FactorRow>(
    'factors.find',
    `SELECT a.username, c."secretHash", t."sealedSecret", coalesce(t."lastStep", 0) AS "lastStep", t."enabledAt",
       (SELECT count(*)::int4 FROM "BackupCode" b WHERE b."accountId" = a.id) AS "backupCodes",
       (SELECT count(*)::int4 FROM "Passkey" p WHERE p."accountId" = a.id) AS passkeys
     FROM "Account" a JOIN "Credential" c ON c."accountId" = a.id LEFT JOIN "Totp" t ON t."accountId" = a.id
     WHERE a.id = $1`,
    [accountId],
  );
  return rows[0] ?? null;
}

/** Keeps a secret nobody has confirmed; false when codes are asked for already. */
export async function offerTotp(
  q: Queryable,
  accountId: AccountId,
  sealedSecret: Uint8Array,
): Promise<boolean> {
  const rows = await q.query<{ accountId: AccountId }>(
    'factors.offer-totp',
    `INSERT INTO "Totp" ("accountId", "sealedSecret") VALUES ($1, $2)
     ON CONFLICT ("accountId") DO UPDATE SET "sealedSecret" = EXCLUDED."sealedSecret", "lastStep" = 0
       WHERE "Totp"."enabledAt" IS NULL
     RETURNING "accountId"`,
    [accountId, sealedSecret],
  );
  return rows.length === 1;
}

/** Notes the step of a code that counted; false when one of that step or later counted before. */
export async function advanceStep(q: Queryable, accountId: AccountId, step: number): Promise<boolean> {
  const rows = await q.query<{ accountId: AccountId }>(
    'factors.advance-step',
    `UPDATE "Totp" SET "lastStep" = $2::int4 WHERE "accountId" = $1 AND "lastStep" < $2::int4
     RETURNING "accountId"`,
    [accountId, step],
  );
  return rows.length === 1;
}

/** From now on log-in asks for codes; false when it did already. */
export async function enableTotpRow(q: Queryable, accountId: AccountId, now: Date): Promise<boolean> {
  const rows = await q.query<{ accountId: AccountId }>(
    'factors.enable-totp',
    `UPDATE "Totp" SET "enabledAt" = $2::timestamptz WHERE "accountId" = $1 AND "enabledAt" IS NULL
     RETURNING "accountId"`,
    [accountId, now],
  );
  return rows.length === 1;
}

/** Forgets the secret and every backup code. */
export async function deleteTotp(q: Queryable, accountId: AccountId): Promise<void> {
  await q.query('factors.delete-totp', 'DELETE FROM "Totp" WHERE "accountId" = $1', [accountId]);
  await q.query('factors.delete-backup', 'DELETE FROM "BackupCode" WHERE "accountId" = $1', [accountId]);
}

/** Puts these hashes in the place of all backup codes there were. */
export async function replaceBackupCodes(
  q: Queryable,
  accountId: AccountId,
  hashes: readonly Uint8Array[],
): Promise<void> {
  await q.query('factors.delete-backup', 'DELETE FROM "BackupCode" WHERE "accountId" = $1', [accountId]);
  for (const hash of hashes) {
    const sql = 'INSERT INTO "BackupCode" ("accountId", hash) VALUES ($1, $2)';
    await q.query('factors.insert-backup', sql, [accountId, hash]);
  }
}

/** Takes a backup code off the list; false when it is not on it. */
export async function takeBackupCode(q: Queryable, accountId: AccountId, hash: Uint8Array): Promise<boolean> {
  const rows = await q.query<{ accountId: AccountId }>(
    'factors.take-backup',
    'DELETE FROM "BackupCode" WHERE "accountId" = $1 AND hash = $2 RETURNING "accountId"',
    [accountId, hash],
  );
  return rows.length === 1;
}

/** Notes a ticket as used and forgets those that expired; false when it was used before. */
export async function spendTicket(
  q: Queryable,
  spent: { readonly hash: Uint8Array; readonly now: Date; readonly expiresAt: Date },
): Promise<boolean> {
  await q.query('tickets.expire', 'DELETE FROM "SpentTicket" WHERE "expiresAt" < $1::timestamptz', [
    spent.now,
  ]);
  const rows = await q.query<{ one: number }>(
    'tickets.spend',
    `INSERT INTO "SpentTicket" (hash, "expiresAt") VALUES ($1, $2::timestamptz)
     ON CONFLICT DO NOTHING RETURNING 1::int4 AS one`,
    [spent.hash, spent.expiresAt],
  );
  return rows.length === 1;
}

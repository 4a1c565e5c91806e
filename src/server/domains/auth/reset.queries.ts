import type { Queryable } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';

/** Keeps the hash of a code; one made before it opens nothing from then on. */
export async function storeReset(
  q: Queryable,
  reset: {
    readonly accountId: AccountId;
    readonly codeHash: Uint8Array;
    readonly createdAt: Date;
    readonly expiresAt: Date;
  },
): Promise<void> {
  await q.query(
    'auth.store-reset',
    `INSERT INTO "PasswordReset" ("accountId", "codeHash", "createdAt", "expiresAt")
     VALUES ($1::uuid, $2::bytea, $3::timestamptz, $4::timestamptz)
     ON CONFLICT ("accountId") DO UPDATE SET "codeHash" = excluded."codeHash", "createdAt" = excluded."createdAt",
       "expiresAt" = excluded."expiresAt"`,
    [reset.accountId, reset.codeHash, reset.createdAt, reset.expiresAt],
  );
}

/** Spends a code: whose it was, or null for one that is none or too old. */
export async function spendReset(q: Queryable, codeHash: Uint8Array, now: Date): Promise<AccountId | null> {
  const rows = await q.query<{ accountId: AccountId }>(
    'auth.spend-reset',
    'DELETE FROM "PasswordReset" WHERE "codeHash" = $1::bytea AND "expiresAt" > $2::timestamptz RETURNING "accountId"',
    [codeHash, now],
  );
  return rows[0]?.accountId ?? null;
}

/** A code made before opens nothing any more. */
export async function dropReset(q: Queryable, accountId: AccountId): Promise<void> {
  await q.query('auth.drop-reset', 'DELETE FROM "PasswordReset" WHERE "accountId" = $1::uuid', [accountId]);
}

/** Codes on show for linking, made under the identity there was. */
export async function dropLinks(q: Queryable, accountId: AccountId): Promise<void> {
  await q.query('auth.drop-links', 'DELETE FROM "LinkMailbox" WHERE "accountId" = $1::uuid', [accountId]);
}

import type { Queryable } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';

export interface PasskeyRow {
  readonly id: string;
  readonly accountId: AccountId;
  readonly publicKey: Uint8Array;
  readonly signCount: number;
  readonly isSuspended: boolean;
}

/** The passkey with this credential id, of an account that still exists. */
export async function findPasskey(q: Queryable, credentialId: Uint8Array): Promise<PasskeyRow | null> {
  const rows = await q.query<PasskeyRow>(
    'passkeys.find',
    `SELECT p.id, p."accountId", p."publicKey", p."signCount"::float8 AS "signCount",
       a."suspendedAt" IS NOT NULL AS "isSuspended"
     FROM "Passkey" p JOIN "Account" a ON a.id = p."accountId"
     WHERE p."credentialId" = $1 AND a."deletedAt" IS NULL`,
    [credentialId],
  );
  return rows[0] ?? null;
}

/** Notes a use; false when another use with this counter or a later one was quicker. */
export async function touchPasskey(
  q: Queryable,
  used: { readonly id: string; readonly signCount: number; readonly now: Date },
): Promise<boolean> {
  const rows = await q.query<{ id: string }>(
    'passkeys.touch',
    `UPDATE "Passkey" SET "signCount" = $2::float8::int8, "lastUsedAt" = $3::timestamptz
     WHERE id = $1 AND ("signCount" < $2::float8::int8 OR ("signCount" = 0 AND $2::float8 = 0)) RETURNING id`,
    [used.id, used.signCount, used.now],
  );
  return rows.length === 1;
}

export interface ListedPasskey {
  readonly id: string;
  readonly credentialId: Uint8Array;
  readonly name: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

/** Oldest first; their number is bounded when one is added. */
export function listPasskeys(q: Queryable, accountId: AccountId): Promise<ListedPasskey[]> {
  return q.query<ListedPasskey>(
    'passkeys.list',
    `SELECT id, "credentialId", name, "createdAt", "lastUsedAt" FROM "Passkey"
     WHERE "accountId" = $1 ORDER BY id`,
    [accountId],
  );
}

export interface StoredPasskey {
  readonly id: string;
  readonly accountId: AccountId;
  readonly credentialId: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly signCount: number;
  readonly transports: readonly string[];
  readonly name: string;
  readonly createdAt: Date;
}

/** False when the credential is known already. */
export async function insertPasskey(q: Queryable, passkey: StoredPasskey): Promise<boolean> {
  const { id, accountId, credentialId, publicKey, signCount, transports, name, createdAt } = passkey;
  const rows = await q.query<{ id: string }>(
    'passkeys.insert',
    `INSERT INTO "Passkey" (id, "accountId", "credentialId", "publicKey", "signCount", transports, name, "createdAt")
     VALUES ($1, $2, $3, $4, $5::float8::int8, $6::text[], $7, $8::timestamptz) ON CONFLICT DO NOTHING RETURNING id`,
    [id, accountId, credentialId, publicKey, signCount, transports, name, createdAt],
  );
  return rows.length === 1;
}

/** False when the account has no such passkey. */
export async function renamePasskeyRow(
  q: Queryable,
  passkey: { readonly id: string; readonly accountId: AccountId; readonly name: string },
): Promise<boolean> {
  const rows = await q.query<{ id: string }>(
    'passkeys.rename',
    'UPDATE "Passkey" SET name = $3 WHERE id = $1 AND "accountId" = $2 RETURNING id',
    [passkey.id, passkey.accountId, passkey.name],
  );
  return rows.length === 1;
}

/** False when the account has no such passkey. */
export async function deletePasskey(
  q: Queryable,
  passkey: { readonly id: string; readonly accountId: AccountId },
): Promise<boolean> {
  const rows = await q.query<{ id: string }>(
    'passkeys.delete',
    'DELETE FROM "Passkey" WHERE id = $1 AND "accountId" = $2 RETURNING id',
    [passkey.id, passkey.accountId],
  );
  return rows.length === 1;
}

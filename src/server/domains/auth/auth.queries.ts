import type { Queryable } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';

export interface CredentialRow {
  readonly accountId: AccountId;
  readonly kdfMemoryKiB: number;
  readonly kdfPasses: number;
  readonly kdfSalt: Uint8Array;
  readonly secretHash: string;
  readonly isSuspended: boolean;
}

const credentialSql = `SELECT c."accountId", c."kdfMemoryKiB", c."kdfPasses", c."kdfSalt", c."secretHash",
  a."suspendedAt" IS NOT NULL AS "isSuspended"
  FROM "Credential" c JOIN "Account" a ON a.id = c."accountId"`;

export async function findCredentialByName(q: Queryable, username: string): Promise<CredentialRow | null> {
  const sql = `${credentialSql} WHERE a.username = $1`;
  return (await q.query<CredentialRow>('auth.credential-by-name', sql, [username]))[0] ?? null;
}

export interface VaultRow {
  readonly username: string;
  readonly secretHash: string;
  readonly vault: Uint8Array;
  readonly vaultVersion: number;
}

export async function findVault(q: Queryable, accountId: AccountId): Promise<VaultRow | null> {
  const rows = await q.query<VaultRow>(
    'auth.vault',
    `SELECT a.username, c."secretHash", c.vault, c."vaultVersion"
     FROM "Credential" c JOIN "Account" a ON a.id = c."accountId" WHERE c."accountId" = $1`,
    [accountId],
  );
  return rows[0] ?? null;
}

export async function isUsernameTaken(q: Queryable, username: string): Promise<boolean> {
  const rows = await q.query<{ one: number }>(
    'auth.username-taken',
    'SELECT 1::int4 AS one FROM "Account" WHERE username = $1',
    [username],
  );
  return rows.length > 0;
}

/** Whether a refresh token of this browser belongs to a session of the account; asked in vain for nobody (null). */
export async function knowsBrowser(
  q: Queryable,
  accountId: AccountId | null,
  tokenHash: Uint8Array,
): Promise<boolean> {
  const rows = await q.query<{ one: number }>(
    'auth.knows-browser',
    'SELECT 1::int4 AS one FROM "Session" WHERE "refreshHash" = $2 AND "accountId" = $1::uuid',
    [accountId, tokenHash],
  );
  return rows.length > 0;
}

export interface NewAccount {
  readonly accountId: AccountId;
  readonly username: string;
  readonly displayName: string;
  readonly instanceRole: 'owner' | 'member';
  readonly createdAt: Date;
}

/** False when the username or the account id is taken. */
export async function insertAccount(q: Queryable, account: NewAccount): Promise<boolean> {
  const rows = await q.query<{ id: string }>(
    'auth.insert-account',
    `INSERT INTO "Account" (id, username, "displayName", "instanceRole", "createdAt")
     VALUES ($1, $2, $3, $4, $5::timestamptz) ON CONFLICT DO NOTHING RETURNING id`,
    [account.accountId, account.username, account.displayName, account.instanceRole, account.createdAt],
  );
  return rows.length === 1;
}

export interface NewCredential {
  readonly accountId: AccountId;
  readonly kdf: { readonly v: number; readonly m: number; readonly t: number; readonly salt: Uint8Array };
  readonly secretHash: string;
  readonly recoveryHash: string;
  readonly vault: Uint8Array;
}

export async function insertCredential(q: Queryable, credential: NewCredential): Promise<void> {
  const { accountId, kdf, secretHash, recoveryHash, vault } = credential;
  await q.query(
    'auth.insert-credential',
    `INSERT INTO "Credential" ("accountId", "kdfVersion", "kdfMemoryKiB", "kdfPasses", "kdfSalt", "secretHash",
       "recoveryHash", vault) VALUES ($1, $2::int4, $3::int4, $4::int4, $5, $6, $7, $8)`,
    [accountId, kdf.v, kdf.m, kdf.t, kdf.salt, secretHash, recoveryHash, vault],
  );
}

// The sign-in material as those who change it read and write it: hashes and vault together, under one lock.
import type { Queryable } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';

export interface StoredCredential {
  readonly accountId: AccountId;
  readonly username: string;
  readonly secretHash: string;
  readonly recoveryHash: string;
  readonly vault: Uint8Array;
  readonly isSuspended: boolean;
}

const sql = `SELECT c."accountId", a.username, c."secretHash", c."recoveryHash", c.vault,
  a."suspendedAt" IS NOT NULL AS "isSuspended"
  FROM "Credential" c JOIN "Account" a ON a.id = c."accountId"`;

export async function findCredentialOf(
  q: Queryable,
  who: { readonly accountId: AccountId } | { readonly username: string },
): Promise<StoredCredential | null> {
  const rows =
    'accountId' in who
      ? await q.query<StoredCredential>('auth.credential-of', `${sql} WHERE a.id = $1::uuid`, [who.accountId])
      : await q.query<StoredCredential>('auth.credential-named', `${sql} WHERE a.username = $1`, [
          who.username,
        ]);
  return rows[0] ?? null;
}

/** Locks the account's credential: of two changes at once the second sees the first. */
export async function lockCredential(q: Queryable, accountId: AccountId): Promise<StoredCredential | null> {
  const locked = `${sql} WHERE a.id = $1::uuid FOR UPDATE OF c`;
  return (await q.query<StoredCredential>('auth.lock-credential', locked, [accountId]))[0] ?? null;
}

/** What a change replaces; what is absent stays. */
export interface CredentialChange {
  readonly vault?: Uint8Array;
  readonly password?: {
    readonly kdf: { readonly v: number; readonly m: number; readonly t: number; readonly salt: Uint8Array };
    readonly secretHash: string;
  };
  readonly recoveryHash?: string;
}

export async function storeCredential(
  q: Queryable,
  accountId: AccountId,
  change: CredentialChange,
): Promise<void> {
  const { vault, password, recoveryHash } = change;
  await q.query(
    'auth.store-credential',
    `UPDATE "Credential" SET vault = COALESCE($2::bytea, vault), "recoveryHash" = COALESCE($3, "recoveryHash"),
       "secretHash" = COALESCE($4, "secretHash"), "kdfVersion" = COALESCE($5::int4, "kdfVersion"),
       "kdfMemoryKiB" = COALESCE($6::int4, "kdfMemoryKiB"), "kdfPasses" = COALESCE($7::int4, "kdfPasses"),
       "kdfSalt" = COALESCE($8::bytea, "kdfSalt")
     WHERE "accountId" = $1::uuid`,
    [
      accountId,
      vault ?? null,
      recoveryHash ?? null,
      password?.secretHash ?? null,
      password?.kdf.v ?? null,
      password?.kdf.m ?? null,
      password?.kdf.t ?? null,
      password?.kdf.salt ?? null,
    ],
  );
}

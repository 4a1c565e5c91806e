import type { Queryable } from '#server/platform/db.ts';
import type { AccountId } from '#shared/ids.ts';

export interface BackupRow {
  readonly version: number;
  readonly count: number;
  readonly bytes: bigint;
  readonly frontier: Uint8Array;
  readonly manifest: Uint8Array;
}

const columns = 'version, count, bytes, frontier, manifest';

export async function findBackup(q: Queryable, accountId: AccountId): Promise<BackupRow | null> {
  const rows = await q.query<BackupRow>(
    'backup.find',
    `SELECT ${columns} FROM "Backup" WHERE "accountId" = $1::uuid`,
    [accountId],
  );
  return rows[0] ?? null;
}

/** Serialises appends of one account, the very first included; what it has so far. */
export async function lockBackup(q: Queryable, accountId: AccountId): Promise<BackupRow | null> {
  await q.query('backup.lock', 'SELECT id FROM "Account" WHERE id = $1::uuid FOR NO KEY UPDATE', [accountId]);
  return findBackup(q, accountId);
}

export async function storeBackup(
  q: Queryable,
  accountId: AccountId,
  row: BackupRow & { readonly at: Date },
): Promise<void> {
  await q.query(
    'backup.store',
    `INSERT INTO "Backup" ("accountId", version, count, bytes, frontier, manifest, "updatedAt")
     VALUES ($1::uuid, $2::int4, $3::int4, $4::int8, $5::bytea, $6::bytea, $7::timestamptz)
     ON CONFLICT ("accountId") DO UPDATE SET version = excluded.version, count = excluded.count,
       bytes = excluded.bytes, frontier = excluded.frontier, manifest = excluded.manifest,
       "updatedAt" = excluded."updatedAt"`,
    [accountId, row.version, row.count, row.bytes, row.frontier, row.manifest, row.at],
  );
}

export async function deleteBackup(q: Queryable, accountId: AccountId): Promise<void> {
  await q.query('backup.delete', 'DELETE FROM "Backup" WHERE "accountId" = $1::uuid', [accountId]);
}

export async function insertEntries(
  q: Queryable,
  accountId: AccountId,
  added: { readonly version: number; readonly from: number; readonly entries: readonly Uint8Array[] },
): Promise<void> {
  await q.query(
    'backup.insert-entries',
    `INSERT INTO "BackupEntry" ("accountId", version, position, bytes)
     SELECT $1::uuid, $2::int4, ($3::int8 + e.n - 1)::int4, e.bytes
     FROM unnest($4::bytea[]) WITH ORDINALITY AS e(bytes, n)`,
    [accountId, added.version, BigInt(added.from), added.entries],
  );
}

/** Entries of [from, to), newest first, until their bytes exceed `maxBytes` (the first one always). */
export function listEntriesBackwards(
  q: Queryable,
  accountId: AccountId,
  range: { readonly version: number; readonly from: number; readonly to: number; readonly maxBytes: number },
): Promise<{ position: number; bytes: Uint8Array }[]> {
  return q.query(
    'backup.entries',
    `SELECT position, bytes FROM (
       SELECT position, bytes, sum(length(bytes)) OVER (ORDER BY position DESC) AS total FROM (
         SELECT position, bytes FROM "BackupEntry"
         WHERE "accountId" = $1::uuid AND version = $2::int4 AND position >= $3::int4 AND position < $4::int4
         ORDER BY position DESC LIMIT $6::int4
       ) AS newest
     ) AS summed WHERE total <= $5::int8 OR position = $4::int4 - 1 ORDER BY position DESC`,
    [accountId, range.version, range.from, range.to, BigInt(range.maxBytes), MAX_ROWS],
  );
}

/** However small they are: entries of one key each would otherwise make an answer of ten thousand. */
const MAX_ROWS = 2000;

// What "nothing changed" means: a fingerprint of every table, by content.
import { createHash } from 'node:crypto';
import type { Database } from '#server/platform/db.ts';

/** Rows per table and a digest of their content. */
export async function countRows(db: Database): Promise<Record<string, string>> {
  const tables = await db.query<{ name: string }>(
    'test.table-names',
    `SELECT tablename::text AS name FROM pg_tables
     WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' ORDER BY tablename`,
  );
  // One statement for all: one by one they would be most of what the tests that ask for them take.
  const sql = tables
    .map(
      ({ name }) =>
        `SELECT '${name}' AS name,
           count(*)::text || ':' || COALESCE(md5(string_agg(t::text, '|' ORDER BY t::text)), '') AS print FROM "${name}" t`,
    )
    .join('\nUNION ALL\n');
  const statement = `test.fingerprints.${createHash('sha256').update(sql).digest('hex').slice(0, 16)}`;
  const rows = await db.query<{ name: string; print: string }>(statement, sql);
  return Object.fromEntries(rows.map(({ name, print }) => [name, print]));
}

// What "nothing changed" means: a fingerprint of every table, by content.
import type { Database } from '#server/platform/db.ts';

/** Rows per table and a digest of their content. */
export async function countRows(db: Database): Promise<Record<string, string>> {
  const tables = await db.query<{ name: string }>(
    'test.table-names',
    `SELECT tablename::text AS name FROM pg_tables
     WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' ORDER BY tablename`,
  );
  const counts: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await db.query<{ print: string }>(
      `test.fingerprint.${name}`,
      `SELECT count(*)::text || ':' || COALESCE(md5(string_agg(t::text, '|' ORDER BY t::text)), '') AS print FROM "${name}" t`,
    );
    counts[name] = row?.print ?? '';
  }
  return counts;
}

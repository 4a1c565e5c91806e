// A migrated database for one test file: PGlite in memory, or a fresh PostgreSQL database when TEST_DATABASE_URL
// is set. Close it in afterAll.
import { readFileSync } from 'node:fs';
import { inject } from 'vitest';
import { openDatabase, type Database } from '#server/platform/db.ts';
import './global-setup.ts';
import { copyDatabase, createDatabase, dropDatabase, withDatabase } from './postgres.ts';

export interface TestDatabase extends Database {
  /** Empties every table and restarts its sequences; the schema stays. */
  truncate(): Promise<void>;
}

async function truncateAll(db: Database): Promise<void> {
  const rows = await db.query<{ tables: string | null }>(
    'test.tables',
    `SELECT string_agg(quote_ident(tablename), ', ') AS tables FROM pg_tables
      WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'`,
  );
  const tables = rows[0]?.tables;
  if (tables) await db.session((session) => session.execute(`TRUNCATE ${tables} RESTART IDENTITY CASCADE`));
}

/** Opens the database; under a second. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const source = inject('testDatabase');
  if (source.kind === 'pglite') {
    const dump = new Uint8Array(readFileSync(source.dump));
    const db = await openDatabase({ embedded: { dump, script: new URL(source.script) } });
    return { ...db, truncate: () => truncateAll(db) };
  }
  const name = await copyDatabase(source.url, source.template);
  const db = await openDatabase({ databaseUrl: withDatabase(source.url, name), databasePool: 6 });
  return {
    ...db,
    truncate: () => truncateAll(db),
    async close() {
      await db.close();
      await dropDatabase(source.url, name);
    },
  };
}

/** A database without a schema, of the kind this run tests, or the embedded one in `dataDir` when asked for. */
export async function openEmptyDatabase(dataDir?: string): Promise<Database> {
  const source = inject('testDatabase');
  if (source.kind === 'pglite' || dataDir !== undefined) {
    const script = source.kind === 'pglite' ? { embedded: { script: new URL(source.script) } } : {};
    return openDatabase({ ...script, ...(dataDir === undefined ? {} : { dataDir }) });
  }
  const name = await createDatabase(source.url);
  const db = await openDatabase({ databaseUrl: withDatabase(source.url, name), databasePool: 2 });
  const close = async (): Promise<void> => {
    await db.close();
    await dropDatabase(source.url, name);
  };
  return { ...db, close };
}

// A migrated database for one test file: PGlite in memory, or a fresh PostgreSQL database when TEST_DATABASE_URL
// is set. Close it in afterAll. Files that run in one worker after one another get the same database, emptied: opening
// one and warming it up takes seconds, most tests take milliseconds.
import { readFileSync } from 'node:fs';
import { inject } from 'vitest';
import { openDatabase, type Database } from '#server/platform/db.ts';
import type {} from './global-setup.ts';
import { copyDatabase, createDatabase, dropDatabase, withDatabase } from './postgres.ts';

export interface TestDatabase extends Database {
  /** Empties every table and restarts its sequences; the schema stays. */
  truncate(): Promise<void>;
}

/** A database this worker opened. */
interface Kept {
  readonly db: Database;
  /** The schema as migrations left it. */
  readonly print: string;
  readonly remove: () => Promise<void>;
}

/** Those nobody uses now. */
const idle: Kept[] = [];

/** Above this size new files are cheaper than dead rows. */
const MANY_BYTES = 16n * 1024n * 1024n;

async function schemaPrint(db: Database): Promise<string> {
  const [row] = await db.query<{ print: string }>(
    'test.schema-print',
    `SELECT concat_ws('|',
       (SELECT string_agg(c.relname || c.relkind::text, ',' ORDER BY c.relname) FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace),
       (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
       (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
       (SELECT string_agg(migration_name, ',' ORDER BY migration_name) FROM _prisma_migrations)) AS print`,
  );
  return row?.print ?? '';
}

interface Contents {
  readonly tables: readonly string[];
  readonly sequences: readonly string[];
  readonly bytes: bigint;
  readonly isSuperuser: boolean;
}

async function contentsOf(db: Database): Promise<Contents> {
  const [row] = await db.query<Contents>(
    'test.contents',
    `SELECT COALESCE(json_agg(quote_ident(relname)) FILTER (WHERE relkind = 'r'), '[]') AS tables,
            COALESCE(json_agg(quote_ident(relname)) FILTER (WHERE relkind = 'S'), '[]') AS sequences,
            COALESCE(sum(pg_relation_size(oid)), 0)::bigint AS bytes,
            current_setting('is_superuser') = 'on' AS "isSuperuser"
       FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') AND relname <> '_prisma_migrations'`,
  );
  if (!row) throw new Error('no schema');
  return row;
}

/** Waits for everything that still runs, as either way locks the tables. */
async function empty(db: Database): Promise<void> {
  const { tables, sequences, bytes, isSuperuser } = await contentsOf(db);
  if (tables.length === 0) return;
  const all = tables.join(', ');
  // Without foreign keys being asked, in any order: a tenth of what new files for 35 tables and their indexes cost.
  const remove = [
    'BEGIN',
    'SET LOCAL session_replication_role = replica',
    `LOCK TABLE ${all}`,
    ...tables.map((name) => `DELETE FROM ${name}`),
    ...sequences.map((name) => `ALTER SEQUENCE ${name} RESTART`),
    'COMMIT',
  ].join(';');
  const truncate = `TRUNCATE ${all} RESTART IDENTITY CASCADE`;
  await db.session((session) => session.execute(isSuperuser && bytes < MANY_BYTES ? remove : truncate));
}

async function open(): Promise<Kept> {
  const source = inject('testDatabase');
  if (source.kind === 'pglite') {
    const dump = new Uint8Array(readFileSync(source.dump));
    const db = await openDatabase({ embedded: { dump, script: new URL(source.script) } });
    return { db, print: await schemaPrint(db), remove: () => db.close() };
  }
  const name = await copyDatabase(source.url, source.template);
  const db = await openDatabase({ databaseUrl: withDatabase(source.url, name), databasePool: 6 });
  const remove = async (): Promise<void> => {
    await db.close();
    await dropDatabase(source.url, name);
  };
  return { db, print: await schemaPrint(db), remove };
}

/** Keeps it for the next file, unless this one changed the schema or broke it. */
async function giveBack(kept: Kept): Promise<void> {
  const isAsNew = await empty(kept.db).then(
    async () => (await schemaPrint(kept.db)) === kept.print,
    () => false,
  );
  if (isAsNew) idle.push(kept);
  else await kept.remove();
}

/** Opens the database, empty; the first one of a worker takes about a second. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const kept = idle.pop() ?? (await open());
  let closed: Promise<void> | undefined;
  return {
    ...kept.db,
    truncate: () => empty(kept.db),
    close: () => (closed ??= giveBack(kept)),
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

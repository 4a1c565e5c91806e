// Opens the database: PostgreSQL when an address is given, else the embedded one in the data folder. Both speak
// PostgreSQL's protocol to the same driver, so there is one code path above this file.
import { join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient, type Prisma } from '../generated/prisma/client.ts';
import { openEmbedded, type EmbeddedDatabase, type EmbeddedOptions, type SyncCounts } from './embedded.ts';
import { lockFolder } from './folder-lock.ts';
import { silentLogger, type Logger } from './log.ts';

/** Prisma's named statements stay on the server per connection: more different texts than this stay unnamed. */
const MAX_NAMED_STATEMENTS = 400;
/** Type id of int8 in PostgreSQL's catalogue. */
const INT8_OID = 20;
const TRANSACTION_WAIT_MS = 15_000;
const TRANSACTION_MS = 30_000;
/** How long a query waits for a free or new connection to PostgreSQL. */
const CONNECT_MS = 10_000;

/** The models and raw queries of Prisma, without transactions and life cycle: what works in and out of a transaction. */
export type PrismaModels = Prisma.TransactionClient;

/** What query helpers take: the database itself, or a transaction on it. */
export interface Queryable {
  readonly prisma: PrismaModels;
  /**
   * Raw SQL for hot paths, prepared once per connection under `name`, which must belong to this text alone.
   * uuid and text come as string, int2 and int4 as number, int8 as bigint, timestamptz as Date, bytea as
   * Uint8Array, json parsed. Parameters likewise; arrays for `unnest($1::uuid[])`.
   */
  query<T>(name: string, sql: string, params?: readonly unknown[]): Promise<T[]>;
}

/** One connection of its own, for session locks and scripts of several statements. */
export interface DatabaseSession {
  execute(sql: string): Promise<void>;
  rows<T>(sql: string, params?: readonly unknown[]): Promise<T[]>;
}

export interface Database extends Queryable {
  readonly prisma: PrismaClient;
  readonly kind: 'pglite' | 'postgres';
  /** Lends one connection to `work`. On the embedded database nothing else runs meanwhile. */
  session<T>(work: (session: DatabaseSession) => Promise<T>): Promise<T>;
  /** VACUUM ANALYZE, table by table so that queries get through between them. The embedded database needs it. */
  vacuum(): Promise<void>;
  /** Rejects when the database does not answer. */
  ping(): Promise<void>;
  /** What the embedded database has flushed to disk; zeros on PostgreSQL, which keeps its own count. */
  syncs(): SyncCounts;
  /** The embedded database's folder; null when it lives in memory, and on PostgreSQL. */
  readonly folder: string | null;
  /** Tar of the embedded database's folder, taken while running; null on PostgreSQL. */
  dump(): Promise<Uint8Array<ArrayBuffer> | null>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly databaseUrl?: string | undefined;
  readonly databasePool?: number;
  /** Holds the embedded database and the lock; without it the embedded database lives in memory. */
  readonly dataDir?: string;
  readonly log?: Logger;
  /** For tests: a prepared data folder and a compiled thread script. */
  readonly embedded?: Pick<EmbeddedOptions, 'dump' | 'script'>;
  /** The embedded database has died; the process cannot serve any more. Default: exit with status 1. */
  readonly onCrash?: (cause: Error) => void;
}

/** int8 is lossless, as in Prisma; everything else as `pg` does it. */
const rawTypes: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format: 'text' | 'binary' = 'text') {
    if (oid === INT8_OID && format === 'text') return BigInt;
    return pg.types.getTypeParser(oid, format) as (value: string) => unknown;
  },
};

/** Names for Prisma's statements, at most `MAX_NAMED_STATEMENTS` of them; '' leaves a statement unnamed. */
function statementNames(): (query: { sql: string }) => string {
  const names = new Map<string, string>();
  return ({ sql }) => {
    const known = names.get(sql);
    if (known !== undefined) return known;
    if (names.size >= MAX_NAMED_STATEMENTS) return '';
    const name = `prisma-${names.size}`;
    names.set(sql, name);
    return name;
  };
}

function poolOf(options: DatabaseOptions, embedded: EmbeddedDatabase | null): pg.Pool {
  if (!embedded) {
    return new pg.Pool({
      connectionString: options.databaseUrl,
      max: options.databasePool ?? 12,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      // Named statements with array parameters: a plan for each batch size costs more than the batch (0004).
      options: '-c plan_cache_mode=force_generic_plan',
      types: rawTypes,
    });
  }
  return new pg.Pool({
    user: 'postgres',
    database: 'postgres',
    // PGlite has one session, so there is never more than one connection.
    max: 1,
    idleTimeoutMillis: 0,
    stream: () => embedded.connect(),
    types: rawTypes,
  });
}

async function lend<T>(pool: pg.Pool, work: (session: DatabaseSession) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let failed = true;
  try {
    const result = await work({
      execute: async (sql) => void (await client.query(sql)),
      rows: async <R>(sql: string, params: readonly unknown[] = []) =>
        (await client.query(sql, [...params])).rows as R[],
    });
    failed = false;
    return result;
  } finally {
    // A connection that failed half-way may still hold a lock or a transaction: it is thrown away.
    client.release(failed);
  }
}

async function vacuumTables(pool: pg.Pool): Promise<void> {
  const tables = await pool.query<{ name: string }>(
    "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
  );
  for (const { name } of tables.rows) await pool.query(`VACUUM (ANALYZE) ${name}`);
}

/** With the only connection in hand nothing can write while the files are read. */
async function dumpIdle(
  session: DatabaseSession,
  embedded: EmbeddedDatabase,
): Promise<Uint8Array<ArrayBuffer>> {
  await session.execute('CHECKPOINT');
  return embedded.dump();
}

const folderOf = ({ dataDir }: DatabaseOptions): string | null =>
  dataDir === undefined ? null : join(dataDir, 'db');

async function openThread(options: DatabaseOptions, log: Logger): Promise<EmbeddedDatabase> {
  const onCrash = (cause: Error): void => {
    log.error('database.crashed', { cause });
    if (options.onCrash) return options.onCrash(cause);
    process.exit(1);
  };
  return openEmbedded({ ...options.embedded, folder: folderOf(options), onCrash });
}

/**
 * Opens the database without migrating it.
 * @throws DatabaseLockedError when another process uses the data folder
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const log = options.log ?? silentLogger;
  const isEmbedded = options.databaseUrl === undefined;
  const unlock = isEmbedded && options.dataDir !== undefined ? lockFolder(options.dataDir) : () => undefined;
  try {
    const embedded = isEmbedded ? await openThread(options, log) : null;
    const pool = poolOf(options, embedded);
    pool.on('error', (cause) => log.warn('database.connection', { cause }));
    return assemble({ pool, embedded, folder: embedded ? folderOf(options) : null, unlock });
  } catch (cause) {
    unlock();
    throw cause;
  }
}

interface Parts {
  readonly pool: pg.Pool;
  readonly embedded: EmbeddedDatabase | null;
  readonly folder: string | null;
  readonly unlock: () => void;
}

function assemble(parts: Parts): Database {
  const { pool, embedded, folder, unlock } = parts;
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, { statementNameGenerator: statementNames() }),
    transactionOptions: { maxWait: TRANSACTION_WAIT_MS, timeout: TRANSACTION_MS },
    errorFormat: 'minimal',
  });
  let closed: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    await prisma.$disconnect();
    await pool.end();
    await embedded?.close();
    unlock();
  };
  return {
    prisma,
    kind: embedded ? 'pglite' : 'postgres',
    query: async <T>(name: string, sql: string, params: readonly unknown[] = []) =>
      (await pool.query({ name, text: sql, values: [...params] })).rows as T[],
    session: (work) => lend(pool, work),
    vacuum: () => vacuumTables(pool),
    ping: async () => void (await pool.query('SELECT 1')),
    syncs: () => embedded?.syncs() ?? { files: 0, folders: 0 },
    folder,
    dump: async () => (embedded ? lend(pool, (session) => dumpIdle(session, embedded)) : null),
    close: () => (closed ??= close()),
  };
}

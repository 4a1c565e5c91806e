// Applies pending migrations when the server starts, and keeps Prisma's own bookkeeping table so that
// `prisma migrate status` agrees. Several servers may start at once: one of them migrates, the others wait.
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database, DatabaseSession } from './db.ts';

/** Session lock that Prisma's engine takes as well, so that its commands and a starting server exclude each other. */
const LOCK_KEY = 72_707_369;
/** First line of a migration that cannot run inside a transaction (CREATE INDEX CONCURRENTLY). */
const NO_TRANSACTION = '-- chatalot: no transaction';

const BOOKKEEPING = `
  CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum" VARCHAR(64) NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL,
    "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
  )`;

/** The database's history and the migrations of this version do not fit together. */
export class MigrationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MigrationError';
  }
}

interface Migration {
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file in hex, which is what Prisma stores. */
  readonly checksum: string;
}

interface AppliedRow {
  readonly migration_name: string;
  readonly checksum: string;
  readonly finished_at: Date | null;
}

function readMigrations(folder: string): Migration[] {
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'migration.sql')));
  return names.sort().map((name) => {
    const sql = readFileSync(join(folder, name, 'migration.sql'), 'utf8');
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
  });
}

/** Checks the history against the files and returns what is still to do. */
function pendingOf(all: readonly Migration[], applied: readonly AppliedRow[]): Migration[] {
  const known = new Map(all.map((migration) => [migration.name, migration]));
  const done = new Set<string>();
  for (const row of applied) {
    const migration = known.get(row.migration_name);
    if (!migration) {
      throw new MigrationError(
        `The database was made by a newer version of Chatalot (it has the migration ${row.migration_name}).`,
      );
    }
    if (row.finished_at === null)
      throw new MigrationError(`The migration ${row.migration_name} failed half-way before.`);
    if (row.checksum !== migration.checksum) {
      throw new MigrationError(`The migration ${row.migration_name} was changed after it had been applied.`);
    }
    done.add(row.migration_name);
  }
  return all.filter((migration) => !done.has(migration.name));
}

async function record(session: DatabaseSession, migration: Migration): Promise<void> {
  await session.rows(
    `INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "finished_at", "applied_steps_count")
     VALUES ($1, $2, $3, now(), 1)`,
    [randomUUID(), migration.checksum, migration.name],
  );
}

async function apply(session: DatabaseSession, migration: Migration): Promise<void> {
  if (migration.sql.startsWith(NO_TRANSACTION)) {
    await session.execute(migration.sql);
    return record(session, migration);
  }
  await session.execute('BEGIN');
  try {
    await session.execute(migration.sql);
    await record(session, migration);
    await session.execute('COMMIT');
  } catch (cause) {
    await session.execute('ROLLBACK');
    throw cause;
  }
}

/** Name and SHA-256 of every migration the database has, in order; none for a database without bookkeeping. */
export async function appliedMigrations(
  session: DatabaseSession,
): Promise<{ readonly name: string; readonly checksum: string }[]> {
  const [found] = await session.rows<{ there: boolean }>(
    `SELECT to_regclass('public._prisma_migrations') IS NOT NULL AS there`,
  );
  if (!found?.there) return [];
  return session.rows(
    `SELECT migration_name AS name, checksum FROM "_prisma_migrations"
     WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name`,
  );
}

/** Name and SHA-256 of every migration of this version, in order. */
export const knownMigrations = (folder: string): { readonly name: string; readonly checksum: string }[] =>
  readMigrations(folder).map(({ name, checksum }) => ({ name, checksum }));

/**
 * Brings the database up to date with the migrations in `folder` (with `last`: no further than that one) and returns
 * the names of those applied now.
 * @throws MigrationError when history and files disagree; the database's error when a migration fails
 */
export function migrate(db: Database, folder: string, last?: string): Promise<string[]> {
  const all = readMigrations(folder);
  return db.session(async (session) => {
    await session.rows('SELECT pg_advisory_lock($1)', [LOCK_KEY]);
    try {
      await session.execute(BOOKKEEPING);
      const applied = await session.rows<AppliedRow>(
        'SELECT migration_name, checksum, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL',
      );
      const pending = pendingOf(all, applied).filter(({ name }) => last === undefined || name <= last);
      for (const migration of pending) await apply(session, migration);
      return pending.map((migration) => migration.name);
    } finally {
      await session.rows('SELECT pg_advisory_unlock($1)', [LOCK_KEY]);
    }
  });
}

/** Whether every migration in `folder` is applied: part of readiness. */
export async function isMigrated(db: Database, folder: string): Promise<boolean> {
  const rows = await db.query<{ done: number }>(
    'platform.migrations-done',
    'SELECT count(*)::int4 AS done FROM "_prisma_migrations" WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
  );
  return (rows[0]?.done ?? 0) >= readMigrations(folder).length;
}

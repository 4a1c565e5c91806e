// Puts a backup into an empty database and data folder: all of it or nothing. The schema is first brought to where it
// was when the backup was made, and to this version once the rows are in.
import { basename } from 'node:path';
import type { Database, DatabaseSession } from '../platform/db.ts';
import { appliedMigrations, knownMigrations, migrate } from '../platform/migrate.ts';
import { putSecrets } from '../platform/secrets.ts';
import { BackupError, readBackup, type BackupHeader, type BackupManifest } from './backup-format.ts';
import { tablesInOrder } from './tables.ts';

/** Rows a server leaves behind that nobody has used yet. */
const OF_NO_CONSEQUENCE: ReadonlySet<string> = new Set(['JobRun']);

export interface RestoreTarget {
  readonly db: Database;
  readonly dataDir: string;
  readonly migrationsDir: string;
}

/** The backup's migrations must be the first ones of this version's. Returns the last of them. */
function requireKnown(header: BackupHeader, folder: string): string {
  const known = knownMigrations(folder);
  for (const [at, migration] of header.migrations.entries()) {
    const own = known[at];
    if (own?.name === migration.name && own.checksum === migration.checksum) continue;
    throw new BackupError(
      `The backup was made by Chatalot ${header.app}, which has the migration ${migration.name} that this one has not. Restore it with that version or a newer one.`,
    );
  }
  const last = header.migrations.at(-1);
  if (!last) throw new BackupError('The backup names no migration.');
  return last.name;
}

async function requireEmpty(session: DatabaseSession, header: BackupHeader): Promise<void> {
  for (const { name } of await tablesInOrder(session)) {
    if (OF_NO_CONSEQUENCE.has(name)) continue;
    const [found] = await session.rows<{ any: boolean }>(`SELECT EXISTS (SELECT 1 FROM "${name}") AS any`);
    if (found?.any)
      throw new BackupError(`The database is not empty (there are rows in ${name}). Give an empty one.`);
  }
  const applied = await appliedMigrations(session);
  const isBehind = applied.every(({ name }, at) => header.migrations[at]?.name === name);
  if (!isBehind)
    throw new BackupError('The database’s schema is newer than the backup. Give a database without tables.');
}

/** The secrets among the rows of a checked backup. */
async function secretsOf(path: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  await readBackup(path, {
    rows: async (part, [line = '{}']) => {
      if (!part.startsWith('secret/')) return;
      const { base64 } = JSON.parse(line) as { base64: string };
      // The name comes from a file: nothing but a plain name may become a path.
      files[basename(part)] = new Uint8Array(Buffer.from(base64, 'base64'));
    },
  });
  return files;
}

async function load(session: DatabaseSession, path: string): Promise<void> {
  const tables = new Set((await tablesInOrder(session)).map((table) => table.name));
  for (const name of OF_NO_CONSEQUENCE) if (tables.has(name)) await session.execute(`DELETE FROM "${name}"`);
  const { manifest } = await readBackup(path, {
    rows: async (part, lines) => {
      const name = part.replace(/^table\//, '');
      if (part.startsWith('secret/')) return;
      if (!tables.has(name))
        throw new BackupError(`The backup holds ${part}, which this schema does not have.`);
      await session.rows(
        `INSERT INTO "${name}" SELECT * FROM json_populate_recordset(NULL::"${name}", $1::json)`,
        [`[${lines.join(',')}]`],
      );
    },
  });
  for (const { name, value } of manifest.sequences)
    await session.rows('SELECT setval($1::regclass, $2::int8)', [`public."${name}"`, value]);
}

async function loadAll(session: DatabaseSession, path: string): Promise<void> {
  await session.execute(`BEGIN; SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = 0`);
  try {
    await load(session, path);
    await session.execute('COMMIT');
  } catch (cause) {
    await session.execute('ROLLBACK');
    throw cause;
  }
}

/**
 * Restores the backup at `path`. The whole file is checked before anything is changed.
 * @throws BackupError when it is no whole backup, made by a newer version, or the target is not empty
 */
export async function restoreBackup(
  target: RestoreTarget,
  path: string,
): Promise<{ readonly header: BackupHeader; readonly manifest: BackupManifest }> {
  const { db, dataDir, migrationsDir } = target;
  const { header, manifest } = await readBackup(path);
  const last = requireKnown(header, migrationsDir);
  await db.session((session) => requireEmpty(session, header));
  const takeBackSecrets = await putSecrets(dataDir, await secretsOf(path));
  try {
    await migrate(db, migrationsDir, last);
    await db.session((session) => loadAll(session, path));
  } catch (cause) {
    await takeBackSecrets();
    throw cause;
  }
  await migrate(db, migrationsDir);
  // Devices went on since the backup was made: what it remembers of their epochs would make them look like copies.
  await db.session((session) => session.execute('DELETE FROM "DeviceLease" WHERE "copiedAt" IS NULL'));
  return { header, manifest };
}

// A consistent copy of everything the server keeps, into one file, while it runs: all tables as of one snapshot
// (REPEATABLE READ) in an order in which they can be put back, and the secrets. The same file for both databases.
import { existsSync } from 'node:fs';
import { link, open, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import packageJson from '../../../package.json' with { type: 'json' };
import type { Clock } from '../platform/clock.ts';
import type { Database, DatabaseSession } from '../platform/db.ts';
import { appliedMigrations } from '../platform/migrate.ts';
import { secretFiles, type Secrets } from '../platform/secrets.ts';
import { BackupError, BackupWriter, readBackup, type BackupManifest } from './backup-format.ts';
import { tablesInOrder } from './tables.ts';

const FETCH_ROWS = 200;

export interface BackupSource {
  readonly db: Database;
  readonly secrets: Secrets;
  readonly clock: Clock;
}

async function copyTable(
  session: DatabaseSession,
  writer: BackupWriter,
  table: { readonly name: string; readonly key: readonly string[] },
): Promise<void> {
  await writer.part(`table/${table.name}`);
  const order = table.key.map((column) => `t."${column}"`).join(', ');
  await session.execute(
    `DECLARE backup_rows NO SCROLL CURSOR FOR SELECT row_to_json(t)::text AS line FROM "${table.name}" t ORDER BY ${order}`,
  );
  for (;;) {
    const rows = await session.rows<{ line: string }>(`FETCH ${FETCH_ROWS} FROM backup_rows`);
    for (const { line } of rows) await writer.row(line);
    if (rows.length < FETCH_ROWS) break;
  }
  await session.execute('CLOSE backup_rows');
}

async function copySecrets(writer: BackupWriter, secrets: Secrets): Promise<void> {
  for (const [name, bytes] of Object.entries(secretFiles(secrets))) {
    await writer.part(`secret/${name}`);
    await writer.row(JSON.stringify({ base64: Buffer.from(bytes).toString('base64') }));
  }
}

async function copySnapshot(
  session: DatabaseSession,
  writer: BackupWriter,
  source: BackupSource,
): Promise<BackupManifest> {
  await session.execute(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL TimeZone = 'UTC'; SET LOCAL bytea_output = 'hex'; SET LOCAL statement_timeout = 0`);
  try {
    const migrations = await appliedMigrations(session);
    const madeAt = new Date(source.clock.now()).toISOString();
    const { kind: database } = source.db;
    const version = packageJson.version;
    await writer.begin({ format: 'chatalot-backup', version: 1, app: version, madeAt, database, migrations });
    await copySecrets(writer, source.secrets);
    for (const table of await tablesInOrder(session)) await copyTable(session, writer, table);
    const sequences = await session.rows<{ name: string; value: string }>(
      `SELECT sequencename::text AS name, last_value::text AS value FROM pg_sequences
       WHERE schemaname = 'public' AND last_value IS NOT NULL ORDER BY sequencename`,
    );
    return await writer.finish(sequences);
  } finally {
    await session.execute('ROLLBACK');
  }
}

/**
 * Writes a backup to `path`, which must not exist, readable by this user alone. It appears under its name only once
 * it is whole, flushed and read back. On the embedded database, which has one connection, others would
 * wait meanwhile: a running server has a copy of it read (admin-server.ts).
 */
export async function writeBackup(source: BackupSource, path: string): Promise<BackupManifest> {
  if (existsSync(path)) throw new BackupError(`${path} exists already: a backup never overwrites anything.`);
  const draft = `${path}.part`;
  const file = await open(draft, 'wx', 0o600);
  const gzip = createGzip({ level: 1 });
  try {
    const written = pipeline(gzip, file.createWriteStream());
    const writer = new BackupWriter(gzip, written);
    const copied = source.db.session((session) => copySnapshot(session, writer, source));
    // Whichever fails first: a full disk must not leave the snapshot waiting.
    const manifest = await Promise.race([copied, written.then(() => copied)]);
    gzip.end();
    await written;
    await settle(draft, path);
    return manifest;
  } catch (cause) {
    gzip.destroy();
    await file.close().catch(() => undefined);
    await rm(draft, { force: true });
    throw cause;
  }
}

/** Reads a written backup once from the disk's view of it, flushes it and gives it its name. */
export async function settle(draft: string, path: string): Promise<void> {
  await readBackup(draft);
  const handle = await open(draft, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  // link() fails where rename() would overwrite.
  await link(draft, path);
  await rm(draft);
}

// Copies of the embedded database, taken while it runs: PostgreSQL's own online backup (start, copy files in any
// state, stop, and the write-ahead log between), so nothing waits but one checkpoint. What a copy needs to start is
// inside it; restoring is copying it into place.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Database } from './db.ts';
import { flushPath, flushTree } from './flush.ts';

/** Made anew at every start, or another process's: PostgreSQL's list for base backups. Folders are kept, empty. */
const emptied = new Set(['pg_wal', 'pg_dynshmem', 'pg_notify', 'pg_replslot', 'pg_serial', 'pg_snapshots']);
const emptiedToo = new Set(['pg_stat_tmp', 'pg_subtrans', 'pgsql_tmp']);
const leftOut = new Set(['postmaster.pid', 'postmaster.opts', 'pg_internal.init', 'backup_label']);
const CONTROL_FILE = join('global', 'pg_control');
const WAL_FOLDERS = ['archive_status', 'summaries'];
const NAME = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/;

/** The embedded database is copied while it runs; at most one copy at a time. */
const copying = new WeakSet<Database>();

/** One file; a table dropped meanwhile is no loss, the log says so too. */
async function copyPresent(from: string, to: string): Promise<void> {
  await copyFile(from, to).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
  });
}

/** One file after the other: a copy has time, and password hashing shares the threads that copy. */
async function copyFolder(from: string, to: string, inside = ''): Promise<void> {
  await mkdir(join(to, inside), { recursive: true, mode: 0o700 });
  const entries = await readdir(join(from, inside), { withFileTypes: true });
  for (const entry of entries) {
    const path = join(inside, entry.name);
    if (leftOut.has(entry.name) || path === CONTROL_FILE) continue;
    if (!entry.isDirectory()) await copyPresent(join(from, path), join(to, path));
    else if (emptied.has(entry.name) || emptiedToo.has(entry.name))
      await mkdir(join(to, path), { mode: 0o700 });
    else await copyFolder(from, to, path);
  }
}

interface Stopped {
  readonly labelfile: string;
  readonly last: string;
}

/** The segments of the write-ahead log from the copy's start to its end. */
async function copyLog(from: string, to: string, { labelfile, last }: Stopped): Promise<void> {
  const first = /\(file ([0-9A-F]{24})\)/.exec(labelfile)?.[1];
  if (!first) throw new Error('snapshot: the database named no beginning');
  for (const name of WAL_FOLDERS) await mkdir(join(to, 'pg_wal', name), { mode: 0o700 });
  const segments = (await readdir(join(from, 'pg_wal'))).filter((name) => name >= first && name <= last);
  // A checkpoint from elsewhere may have recycled the first ones; such a copy could not start.
  if (!segments.includes(first) || !segments.includes(last))
    throw new Error('snapshot: the log has moved on');
  for (const name of segments) await copyFile(join(from, 'pg_wal', name), join(to, 'pg_wal', name));
}

async function copyRunning(db: Database, from: string, to: string): Promise<void> {
  await db.query('snapshot.start', `SELECT pg_backup_start('snapshot', true)::text`);
  let stopped: Stopped | undefined;
  try {
    await copyFolder(from, to);
    await copyFile(join(from, CONTROL_FILE), join(to, CONTROL_FILE));
  } finally {
    const rows = await db.query<Stopped>(
      'snapshot.stop',
      'SELECT labelfile, pg_walfile_name(lsn) AS last FROM pg_backup_stop(false)',
    );
    stopped = rows[0];
  }
  if (!stopped) throw new Error('snapshot: the database named no end');
  await copyLog(from, to, stopped);
  await writeFile(join(to, 'backup_label'), stopped.labelfile, { mode: 0o600 });
}

/**
 * Copies the embedded database, while it runs, into `target` (a folder that does not exist). The copy appears whole
 * and flushed or not at all, and holds everything acknowledged before the call.
 * @throws Error on PostgreSQL and for a database in memory; when a copy is being made; whatever the disk says
 */
export async function snapshotEmbedded(db: Database, target: string): Promise<void> {
  if (db.folder === null) throw new Error('only an embedded database on disk can be copied');
  if (copying.has(db)) throw new Error('a snapshot is being taken');
  copying.add(db);
  const draft = `${target}.new`;
  try {
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true, mode: 0o700 });
    await copyRunning(db, db.folder, draft);
    await flushTree(draft);
    await rename(draft, target);
    await flushPath(dirname(target));
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    throw cause;
  } finally {
    copying.delete(db);
  }
}

/** Whether a snapshot is being taken; a checkpoint then waits, or it could recycle the log the copy needs. */
export const isCopying = (db: Database): boolean => copying.has(db);

/**
 * Puts a snapshot in the place of the embedded database of `dataDir`, which must not have one and not be running.
 * @throws Error when there is a database already
 */
export async function restoreSnapshot(snapshot: string, dataDir: string): Promise<void> {
  const folder = join(dataDir, 'db');
  if (existsSync(folder)) throw new Error(`${folder} exists already; restore into an empty data folder`);
  const draft = `${folder}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await copyWhole(snapshot, draft);
  await flushTree(draft);
  await rename(draft, folder);
  await flushPath(dataDir);
}

async function copyWhole(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, copy] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyWhole(source, copy);
    else await copyFile(source, copy);
  }
}

/** Names of the snapshots in `folder`, oldest first. */
export async function listSnapshots(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => NAME.test(name)).sort();
}

/** Takes a snapshot named by `at` (ms since the epoch, UTC) in `folder` and removes all but the newest `keep`. */
export async function takeSnapshot(
  db: Database,
  { folder, at, keep }: { readonly folder: string; readonly at: number; readonly keep: number },
): Promise<string> {
  const name = `${new Date(at).toISOString().slice(0, 19).replaceAll(':', '-')}Z`;
  await snapshotEmbedded(db, join(folder, name));
  for (const old of (await listSnapshots(folder)).slice(0, -keep)) {
    await rm(join(folder, old), { recursive: true, force: true });
  }
  return join(folder, name);
}

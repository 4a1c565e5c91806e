// A copy of the embedded database a day, in DATA_DIR/snapshots; an instance on PostgreSQL is backed up there. Asked
// every hour, because a server that sleeps at night would otherwise never have one.
import { readdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { listSnapshots, takeSnapshot } from '../platform/snapshots.ts';
import type { Job } from './job.ts';

const KEPT = 3;
const EVERY_MS = 20 * 3_600_000;
/** Left free beside the copy: a snapshot must never be what fills the database's disk. */
const SPARE_BYTES = 512 * 1024 ** 2;

async function bytesOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  let bytes = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    // A file may go while we count.
    const { size } = await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }));
    bytes += size;
  }
  return bytes;
}

/** `2026-11-28T02-17-00Z` → ms since the epoch. */
const timeOf = (name: string): number => Date.parse(name.replace(/T(\d\d)-(\d\d)-(\d\d)Z$/, 'T$1:$2:$3Z'));

export const databaseSnapshot: Job = {
  name: 'database-snapshot',
  schedule: '40 17 * * * *',
  scope: 'instance',
  batch: 1,
  run: async ({ db, clock }) => {
    if (db.folder === null) return 0;
    const folder = join(dirname(db.folder), 'snapshots');
    const newest = (await listSnapshots(folder)).at(-1);
    const age = newest === undefined ? Infinity : clock.now() - timeOf(newest);
    // A clock that was set back makes the newest one lie in the future: then it is time as well.
    if (age >= 0 && age < EVERY_MS) return 0;
    const { bavail, bsize } = await statfs(db.folder);
    if (bavail * bsize < (await bytesOf(db.folder)) + SPARE_BYTES)
      throw new Error('no room for a snapshot of the database');
    await takeSnapshot(db, { folder, at: clock.now(), keep: KEPT });
    return 1;
  },
};

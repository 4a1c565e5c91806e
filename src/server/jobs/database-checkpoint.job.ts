// The embedded database never makes a checkpoint by itself while it runs: its log would grow without end, and a start
// after a crash would replay all of it.
import { isCopying } from '../platform/snapshots.ts';
import type { Job } from './job.ts';

/** So much log is replayed in about a second (docs/decisions/0010). */
const LOG_BYTES = 32 * 1024 ** 2;

export const databaseCheckpoint: Job = {
  name: 'database-checkpoint',
  schedule: '*/10 * * * * *',
  scope: 'node',
  batch: 1,
  run: async ({ db }) => {
    if (db.kind !== 'pglite' || isCopying(db)) return 0;
    const [log] = await db.query<{ bytes: number }>(
      'jobs.log-since-checkpoint',
      `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)::float8 AS bytes FROM pg_control_checkpoint()`,
    );
    if ((log?.bytes ?? 0) < LOG_BYTES) return 0;
    await db.query('jobs.checkpoint', 'CHECKPOINT');
    return 1;
  },
};

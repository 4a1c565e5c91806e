// The embedded database has no autovacuum: without statistics its planner goes wrong (stack-server.md §2).
import type { Job } from './job.ts';

export const databaseMaintenance: Job = {
  name: 'database-maintenance',
  schedule: '30 */15 * * * *',
  scope: 'instance',
  batch: 1,
  run: async (deps) => {
    if (deps.db.kind !== 'pglite') return 0;
    await deps.db.vacuum();
    return 1;
  },
};

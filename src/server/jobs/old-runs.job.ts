// Records of job runs older than a week; the newest of each job stays, whatever its age.
import type { Job } from './job.ts';

const WEEK_MS = 7 * 86_400_000;

export const oldRuns: Job = {
  name: 'old-runs',
  schedule: '0 47 3 * * *',
  scope: 'instance',
  batch: 10_000,
  run: async (deps, batch) => {
    const rows = await deps.db.query<{ slot: string }>(
      'jobs.old-runs',
      `DELETE FROM "JobRun" WHERE (job, slot) IN (
         SELECT r.job, r.slot FROM "JobRun" r
         WHERE r."startedAt" < $1::timestamptz AND EXISTS (
           SELECT 1 FROM "JobRun" n WHERE n.job = r.job AND n."startedAt" > r."startedAt")
         LIMIT $2::int4)
       RETURNING slot`,
      [new Date(deps.clock.now() - WEEK_MS), batch],
    );
    return rows.length;
  },
};

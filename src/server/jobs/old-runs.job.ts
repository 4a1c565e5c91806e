// Records of job runs older than a week; the newest of each job stays, whatever its age.
import type { Job } from './job.ts';
import { removeRows } from './removal.ts';

const WEEK_MS = 7 * 86_400_000;

export const oldRuns: Job = {
  name: 'old-runs',
  schedule: '0 47 3 * * *',
  scope: 'instance',
  batch: 10_000,
  run: (deps, batch) =>
    removeRows(deps, batch, {
      name: 'old-runs',
      table: 'JobRun',
      where: `t."startedAt" < $1::timestamptz AND EXISTS (
        SELECT 1 FROM "JobRun" n WHERE n.job = t.job AND n."startedAt" > t."startedAt")`,
      params: [new Date(deps.clock.now() - WEEK_MS)],
    }),
};

// Forgets in what order events went out in channels that have been quiet since the last run. Who listens is not
// touched: a subscription ends with its socket alone, so nobody is stranded.
import type { Job } from './job.ts';

export const idleAudiences: Job = {
  name: 'idle-audiences',
  schedule: '15 */5 * * * *',
  scope: 'node',
  batch: 10_000,
  run: (deps, batch) => Promise.resolve(deps.live.forgetIdle(batch)),
};

// A process with nothing but the schedule and one job that does one thing a second; it prints each slot it ran.
import { createDeps } from '#server/create-deps.ts';
import type { Job } from '#server/jobs/job.ts';
import { startJobs } from '#server/jobs/scheduler.ts';
import { systemClock } from '#server/platform/clock.ts';
import { openDatabase } from '#server/platform/db.ts';
import { testEnv, testLogger, testSecrets } from './deps.ts';
import { recordedEvents } from './recorded-events.ts';

const [, , databaseUrl = ''] = process.argv;

const db = await openDatabase({ databaseUrl, databasePool: 2 });
const rest = { env: testEnv(), log: testLogger, clock: systemClock, secrets: await testSecrets() };
const deps = createDeps({ ...rest, db }, recordedEvents().live);
const job: Job = {
  name: 'each-second',
  schedule: '* * * * * *',
  scope: 'instance',
  batch: 1,
  run: async () => {
    process.stdout.write(`ran ${Math.floor(Date.now() / 1000)}\n`);
    return 1;
  },
};
startJobs(deps, [job]);
process.stdout.write('started\n');

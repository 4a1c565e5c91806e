// Runs jobs on their schedule. An instance-wide job runs once per slot however many nodes there are: the row
// (job, slot) is the lock. A failure is logged and recorded, and never keeps other jobs or later slots from running.
import cron, { type ScheduledTask } from 'node-cron';
import type { Deps } from '../deps.ts';
import type { Job } from './job.ts';

/** What became of one slot. */
export type RunOutcome = 'ok' | 'failed' | 'taken';

/** Takes the slot; false when it was taken before, here or on another node. */
async function takeSlot(deps: Deps, job: Job, slot: string): Promise<boolean> {
  const rows = await deps.db.query<{ slot: string }>(
    'jobs.take-slot',
    `INSERT INTO "JobRun" (job, slot, "startedAt") VALUES ($1, $2, $3::timestamptz) ON CONFLICT DO NOTHING
     RETURNING slot`,
    [job.name, slot, new Date(deps.clock.now())],
  );
  return rows.length === 1;
}

async function record(
  deps: Deps,
  run: { job: Job; slot: string; outcome: RunOutcome; handled: number },
): Promise<void> {
  const { job, slot, outcome, handled } = run;
  await deps.db.query(
    'jobs.record',
    `UPDATE "JobRun" SET "finishedAt" = $3::timestamptz, outcome = $4, handled = $5::int4 WHERE job = $1 AND slot = $2`,
    [job.name, slot, new Date(deps.clock.now()), outcome, handled],
  );
}

/** Runs one slot of a job (its start as ISO 8601) and says what became of it. */
export async function runSlot(deps: Deps, job: Job, slot: string): Promise<RunOutcome> {
  const isShared = job.scope === 'instance';
  const startedAt = deps.clock.now();
  const began = performance.now();
  const note = (outcome: 'ok' | 'failed', handled: number): void => {
    const run = { startedAt, finishedAt: deps.clock.now(), outcome, handled };
    deps.jobs.note(job.name, run, performance.now() - began);
  };
  try {
    if (isShared && !(await takeSlot(deps, job, slot))) return 'taken';
    const handled = await job.run(deps, job.batch);
    note('ok', handled);
    if (isShared) await record(deps, { job, slot, outcome: 'ok', handled });
    if (handled > 0) deps.log.debug('job.done', { job: job.name, count: handled });
    return 'ok';
  } catch (cause) {
    note('failed', 0);
    deps.log.error('job.failed', { job: job.name, cause });
    if (isShared) {
      await record(deps, { job, slot, outcome: 'failed', handled: 0 }).catch((again: unknown) =>
        deps.log.error('job.unrecorded', { job: job.name, cause: again }),
      );
    }
    return 'failed';
  }
}

/** Schedules every job; `stop` ends the schedule and waits for what runs. */
export function startJobs(deps: Deps, jobs: readonly Job[]): { stop(): Promise<void> } {
  const running = new Set<Promise<unknown>>();
  const schedule = (job: Job): ScheduledTask => {
    const task = cron.schedule(
      job.schedule,
      (context) => {
        const run = runSlot(deps, job, context.date.toISOString().slice(0, 19));
        running.add(run);
        void run.finally(() => running.delete(run));
        return run;
      },
      { name: job.name, noOverlap: true, timezone: 'UTC' },
    );
    deps.jobs.add(job, () => task.getNextRun());
    return task;
  };
  const tasks = jobs.map(schedule);
  return {
    stop: async () => {
      for (const task of tasks) await task.destroy();
      await Promise.allSettled(running);
    },
  };
}

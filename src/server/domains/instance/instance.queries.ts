import type { Queryable } from '#server/platform/db.ts';
import type { JobRun } from '#shared/instance.ts';

interface RunRow extends Pick<JobRun, 'outcome' | 'handled'> {
  readonly job: string;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
}

/** The newest run of every job that runs once for all nodes. */
export async function newestRuns(q: Queryable): Promise<Map<string, JobRun>> {
  const rows = await q.query<RunRow>(
    'instance.newest-runs',
    `SELECT DISTINCT ON (r.job) r.job, r."startedAt", r."finishedAt", r.outcome, r.handled
       FROM "JobRun" r ORDER BY r.job, r."startedAt" DESC, r.slot DESC`,
  );
  return new Map(
    rows.map(({ job, startedAt, finishedAt, outcome, handled }) => [
      job,
      { startedAt: startedAt.getTime(), finishedAt: finishedAt?.getTime() ?? null, outcome, handled },
    ]),
  );
}

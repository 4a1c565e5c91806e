// What background work there is on this node, when it runs next, and how it went since the start.
import type { JobRun } from '#shared/instance.ts';

/** The part of a job that is told. */
export interface ScheduledJob {
  readonly name: string;
  readonly schedule: string;
  readonly scope: 'node' | 'instance';
}

export interface JobState extends ScheduledJob {
  /** When it runs next, in ms; null when the schedule has stopped. */
  readonly nextRunAt: number | null;
  /** The newest run on this node. */
  readonly lastRun: JobRun | null;
  /** Counted since the start, on this node. */
  readonly totals: { readonly ok: number; readonly failed: number; readonly handled: number };
  readonly durationMs: number;
}

interface Entry {
  readonly job: ScheduledJob;
  readonly next: () => Date | null;
  lastRun: JobRun | null;
  totals: { ok: number; failed: number; handled: number };
  durationMs: number;
}

export class JobBoard {
  readonly #entries = new Map<string, Entry>();

  /** Puts a job on the board; `next` tells when it is due. */
  add(job: ScheduledJob, next: () => Date | null): void {
    const totals = { ok: 0, failed: 0, handled: 0 };
    this.#entries.set(job.name, { job, next, lastRun: null, totals, durationMs: 0 });
  }

  /** Notes a finished run; runs of jobs that are not on the board are nobody's. */
  note(name: string, run: JobRun, durationMs: number): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    entry.lastRun = run;
    entry.durationMs = durationMs;
    entry.totals[run.outcome === 'ok' ? 'ok' : 'failed'] += 1;
    entry.totals.handled += run.handled ?? 0;
  }

  list(): JobState[] {
    return [...this.#entries.values()].map(({ job: { name, schedule, scope }, next, ...state }) => ({
      name,
      schedule,
      scope,
      nextRunAt: next()?.getTime() ?? null,
      ...state,
    }));
  }
}

// What a background job is. One file each; the table is jobs.ts.
import type { Deps } from '../deps.ts';

export interface Job {
  /** Kebab-case; the key of its runs. */
  readonly name: string;
  /** Cron expression, six fields (seconds first), UTC. */
  readonly schedule: string;
  /** `node`: state of this process, runs on every node · `instance`: rows, runs once per slot on all nodes together. */
  readonly scope: 'node' | 'instance';
  /** Most rows handled in one run; what is left is for the next. */
  readonly batch: number;
  /** Does the work and answers how many rows it handled. Safe to run at any time and again. */
  readonly run: (deps: Deps, batch: number) => Promise<number>;
}

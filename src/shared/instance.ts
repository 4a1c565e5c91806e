// The instance: what a signed-out browser may know, and its owner's first settings.
import * as z from 'zod/mini';
import { limits } from './limits.ts';

export const registrationModeSchema = z.enum(['open', 'invite', 'closed']);
export type RegistrationMode = z.infer<typeof registrationModeSchema>;

export const instanceNameSchema = z
  .string()
  .check(z.trim(), z.minLength(1), z.maxLength(limits.instanceNameMax));

export const configureInstanceInput = z.object({
  name: instanceNameSchema,
  registration: registrationModeSchema,
});

export interface InstanceInfo {
  readonly name: string;
  readonly version: string;
  readonly registration: RegistrationMode;
  /** `open`: no owner yet and this browser may set up without a token; `token`: it needs the printed one. */
  readonly setup: 'done' | 'open' | 'token';
}

/** One run of a job; a run that was cut short has neither end nor outcome. */
export interface JobRun {
  readonly startedAt: number;
  readonly finishedAt: number | null;
  readonly outcome: 'ok' | 'failed' | null;
  /** Rows or entries it dealt with. */
  readonly handled: number | null;
}

/** One kind of background work. Times in ms. */
export interface JobStatus {
  readonly name: string;
  /** Cron expression with seconds, UTC. */
  readonly schedule: string;
  /** `instance`: once for all nodes; the last run may have been another node's. */
  readonly scope: 'node' | 'instance';
  readonly lastRun: JobRun | null;
  readonly nextRunAt: number | null;
}

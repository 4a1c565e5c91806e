// One-time units that were handed out, prekey sets that ran out and were replaced, and the claim log behind the limits.
import type { Job } from './job.ts';
import { removeRows } from './removal.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const usedPrekeys: Job = {
  name: 'used-prekeys',
  schedule: '0 17 * * * *',
  scope: 'instance',
  batch: 5000,
  run: async (deps, batch) => {
    const now = deps.clock.now();
    const units = await removeRows(deps, batch, {
      name: 'used-units',
      table: 'OneTimeKey',
      where: 't."claimedAt" < $1::timestamptz',
      params: [new Date(now - DAY_MS)],
    });
    // Never the newest set of a device: without it nobody could write to a device that comes back.
    const sets = await removeRows(deps, batch, {
      name: 'old-sets',
      table: 'PrekeySet',
      where: `t."notAfter" < $1::timestamptz AND EXISTS (
        SELECT 1 FROM "PrekeySet" n WHERE n."deviceId" = t."deviceId" AND n."setId" > t."setId")`,
      params: [new Date(now)],
    });
    const claims = await removeRows(deps, batch, {
      name: 'old-claims',
      table: 'PrekeyClaim',
      where: 't."claimedAt" < $1::timestamptz',
      params: [new Date(now - 2 * HOUR_MS)],
    });
    return units + sets + claims;
  },
};

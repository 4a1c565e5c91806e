// One-time units that were handed out, prekey sets that ran out and were replaced, and the claim log behind the limits.
import type { Job } from './job.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const usedPrekeys: Job = {
  name: 'used-prekeys',
  schedule: '0 17 * * * *',
  scope: 'instance',
  batch: 5000,
  run: async (deps, batch) => {
    const now = deps.clock.now();
    const units = await deps.db.query<{ keyId: number }>(
      'jobs.used-units',
      `DELETE FROM "OneTimeKey" WHERE ("deviceId", "setId", "keyId") IN (
         SELECT k."deviceId", k."setId", k."keyId" FROM "OneTimeKey" k
         WHERE k."claimedAt" < $1::timestamptz LIMIT $2::int4)
       RETURNING "keyId"`,
      [new Date(now - DAY_MS), batch],
    );
    // Never the newest set of a device: without it nobody could write to a device that comes back.
    const sets = await deps.db.query<{ setId: number }>(
      'jobs.old-sets',
      `DELETE FROM "PrekeySet" WHERE ("deviceId", "setId") IN (
         SELECT p."deviceId", p."setId" FROM "PrekeySet" p
         WHERE p."notAfter" < $1::timestamptz AND EXISTS (
           SELECT 1 FROM "PrekeySet" n WHERE n."deviceId" = p."deviceId" AND n."setId" > p."setId")
         LIMIT $2::int4)
       RETURNING "setId"`,
      [new Date(now), batch],
    );
    const claims = await deps.db.query<{ id: bigint }>(
      'jobs.old-claims',
      `DELETE FROM "PrekeyClaim" WHERE id IN (
         SELECT c.id FROM "PrekeyClaim" c WHERE c."claimedAt" < $1::timestamptz LIMIT $2::int4)
       RETURNING id`,
      [new Date(now - 2 * HOUR_MS), batch],
    );
    return units.length + sets.length + claims.length;
  },
};

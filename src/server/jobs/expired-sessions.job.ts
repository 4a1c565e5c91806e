// Sessions that ran out or were revoked a while ago, and the spent refresh tokens of sessions that are gone.
import type { Job } from './job.ts';

const DAY_MS = 86_400_000;

export const expiredSessions: Job = {
  name: 'expired-sessions',
  schedule: '0 7 * * * *',
  scope: 'instance',
  batch: 5000,
  run: async (deps, batch) => {
    // Revoked ones stay a day: a reused refresh token still names its family meanwhile.
    const now = deps.clock.now();
    const sessions = await deps.db.query<{ id: string }>(
      'jobs.expired-sessions',
      `DELETE FROM "Session" WHERE id IN (
         SELECT s.id FROM "Session" s
         WHERE s."expiresAt" < $1::timestamptz OR s."revokedAt" < $2::timestamptz LIMIT $3::int4)
       RETURNING id`,
      [new Date(now), new Date(now - DAY_MS), batch],
    );
    const spent = await deps.db.query<{ spentAt: Date }>(
      'jobs.spent-refresh',
      `DELETE FROM "SpentRefresh" WHERE hash IN (
         SELECT r.hash FROM "SpentRefresh" r
         WHERE NOT EXISTS (SELECT 1 FROM "Session" s WHERE s.id = r."sessionId") LIMIT $1::int4)
       RETURNING "spentAt"`,
      [batch],
    );
    return sessions.length + spent.length;
  },
};

// Sessions that ran out or were revoked a while ago, and the spent refresh tokens of sessions that are gone.
import type { Job } from './job.ts';
import { removeRows } from './removal.ts';

const DAY_MS = 86_400_000;

export const expiredSessions: Job = {
  name: 'expired-sessions',
  schedule: '0 7 * * * *',
  scope: 'instance',
  batch: 5000,
  run: async (deps, batch) => {
    // Revoked ones stay a day: a reused refresh token still names its family meanwhile.
    const now = deps.clock.now();
    const sessions = await removeRows(deps, batch, {
      name: 'expired-sessions',
      table: 'Session',
      where: '(t."expiresAt" < $1::timestamptz OR t."revokedAt" < $2::timestamptz)',
      params: [new Date(now), new Date(now - DAY_MS)],
    });
    const spent = await removeRows(deps, batch, {
      name: 'spent-refresh',
      table: 'SpentRefresh',
      where: 'NOT EXISTS (SELECT 1 FROM "Session" s WHERE s.id = t."sessionId")',
      params: [],
    });
    return sessions + spent;
  },
};

// Invites that let nobody in any more: expired, revoked, or used up. They stay a month, so that an old link still
// brings its members home.
import { limits } from '#shared/limits.ts';
import type { Job } from './job.ts';
import { removeRows } from './removal.ts';

export const expiredInvites: Job = {
  name: 'expired-invites',
  schedule: '0 37 3 * * *',
  scope: 'instance',
  batch: 10_000,
  run: (deps, batch) =>
    removeRows(deps, batch, {
      name: 'expired-invites',
      table: 'Invite',
      where: `(t."expiresAt" < $1::timestamptz OR t."revokedAt" < $1::timestamptz
        OR (t.uses >= t."maxUses" AND t."createdAt" < $1::timestamptz))`,
      params: [new Date(deps.clock.now() - limits.deadInviteMs)],
    }),
};

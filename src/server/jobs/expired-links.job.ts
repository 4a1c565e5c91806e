// Mailboxes of linking whose two minutes are over, with the sealed parcels in them.
import type { Job } from './job.ts';
import { removeRows } from './removal.ts';

export const expiredLinks: Job = {
  name: 'expired-links',
  schedule: '40 * * * * *',
  scope: 'instance',
  batch: 5000,
  run: (deps, batch) =>
    removeRows(deps, batch, {
      name: 'expired-links',
      table: 'LinkMailbox',
      where: 't."expiresAt" <= $1::timestamptz',
      params: [new Date(deps.clock.now())],
    }),
};

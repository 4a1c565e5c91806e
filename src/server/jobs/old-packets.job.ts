// Mailbox packets nobody fetched for 60 days (protocol P12).
import { limits } from '#shared/limits.ts';
import type { Job } from './job.ts';
import { removeRows } from './removal.ts';

export const oldPackets: Job = {
  name: 'old-packets',
  schedule: '0 27 * * * *',
  scope: 'instance',
  batch: 5000,
  run: (deps, batch) =>
    removeRows(deps, batch, {
      name: 'old-packets',
      table: 'MailboxPacket',
      where: 't."createdAt" < $1::timestamptz',
      params: [new Date(deps.clock.now() - limits.mailboxMs)],
    }),
};

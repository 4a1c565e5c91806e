// Mailbox packets nobody fetched for 60 days (protocol P12).
import { limits } from '#shared/limits.ts';
import type { Job } from './job.ts';

export const oldPackets: Job = {
  name: 'old-packets',
  schedule: '0 27 * * * *',
  scope: 'instance',
  batch: 5000,
  run: async (deps, batch) => {
    const rows = await deps.db.query<{ seq: bigint }>(
      'jobs.old-packets',
      `DELETE FROM "MailboxPacket" WHERE ("deviceId", seq) IN (
         SELECT p."deviceId", p.seq FROM "MailboxPacket" p WHERE p."createdAt" < $1::timestamptz LIMIT $2::int4)
       RETURNING seq`,
      [new Date(deps.clock.now() - limits.mailboxMs), batch],
    );
    return rows.length;
  },
};

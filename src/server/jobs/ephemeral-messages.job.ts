// Payloads of messages that were to be kept for a day and are older. The row stays as a stub (P6), so that the sender's
// messages still link; deletions keep their payload, which says nothing and lets a client verify them.
import type { Job } from './job.ts';
import { removeRows } from './removal.ts';

export const ephemeralMessages: Job = {
  name: 'ephemeral-messages',
  schedule: '40 * * * * *',
  scope: 'instance',
  batch: 20_000,
  run: (deps, batch) =>
    removeRows(deps, batch, {
      name: 'ephemeral-messages',
      table: 'ChannelEvent',
      set: 'envelope = NULL, commitment = NULL',
      where: `t."expiresAt" <= $1::timestamptz AND t.envelope IS NOT NULL AND t.class <> 'redact'`,
      params: [new Date(deps.clock.now())],
    }),
};

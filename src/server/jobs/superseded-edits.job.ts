// Payloads of edits that a newer edit of the same message replaced 30 days ago. The row stays as a stub with its
// link hash, so that the sender's messages still verify; the newest edit of a message is never touched.
import { limits } from '#shared/limits.ts';
import type { Job } from './job.ts';
import { removeRows } from './removal.ts';

export const supersededEdits: Job = {
  name: 'superseded-edits',
  schedule: '0 17 3 * * *',
  scope: 'instance',
  batch: 20_000,
  run: (deps, batch) =>
    removeRows(deps, batch, {
      name: 'superseded-edits',
      table: 'ChannelEvent',
      set: 'envelope = NULL, commitment = NULL',
      where: `t.class = 'edit' AND t.envelope IS NOT NULL AND t."createdAt" < $1::timestamptz AND EXISTS (
        SELECT 1 FROM "ChannelEvent" n WHERE n."channelId" = t."channelId" AND n."refId" = t."refId"
          AND n.seq > t.seq AND n.class = 'edit' AND n."senderAccountId" = t."senderAccountId"
          AND n.envelope IS NOT NULL AND n."createdAt" < $1::timestamptz)`,
      params: [new Date(deps.clock.now() - limits.supersededEditMs)],
    }),
};

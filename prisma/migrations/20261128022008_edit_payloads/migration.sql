-- Written by hand: a partial index, which Prisma's schema language cannot say.

-- The purge of superseded edits looks for payloads to drop among edits alone; it must not walk the whole log.
CREATE INDEX "ChannelEvent_edit_payloads_idx" ON "ChannelEvent" ("createdAt") WHERE class = 'edit' AND envelope IS NOT NULL;

-- Written by hand: what Prisma's schema language cannot say.

-- Who may read a channel, and since when. Everybody (history, live hub, key distribution) reads this view and
-- nobody the tables behind it.
CREATE VIEW channel_reader AS
  SELECT c.id AS "channelId", m."accountId" AS "accountId", GREATEST(m."joinedAt", c."createdAt") AS "sinceAt"
    FROM "Channel" c
    JOIN "Member" m ON m."communityId" = c."communityId"
   WHERE c.audience = 'community'
  UNION ALL
  SELECT r."channelId", r."accountId", r."sinceAt"
    FROM "ChannelReader" r;

ALTER TABLE "Channel"
  ADD CONSTRAINT "Channel_audience_check" CHECK (audience IN ('community', 'restricted')),
  ADD CONSTRAINT "Channel_lastSeq_check" CHECK ("lastSeq" >= 0);

-- An override stands at exactly one place and speaks of exactly one role or member. Two of its four keys are
-- always null, so uniqueness has to count nulls as equal.
ALTER TABLE "Override"
  ADD CONSTRAINT "Override_scope_check" CHECK (num_nonnulls("groupId", "channelId") = 1),
  ADD CONSTRAINT "Override_subject_check" CHECK (num_nonnulls("roleId", "accountId") = 1);

DROP INDEX "Override_groupId_channelId_roleId_accountId_key";
CREATE UNIQUE INDEX "Override_groupId_channelId_roleId_accountId_key"
  ON "Override" ("groupId", "channelId", "roleId", "accountId") NULLS NOT DISTINCT;

-- Claiming takes the lowest unclaimed one-time key of a set; spent ones are kept only as a trace.
CREATE INDEX "OneTimeKey_unclaimed_idx" ON "OneTimeKey" ("deviceId", "setId", "keyId") WHERE "claimedAt" IS NULL;

-- Disappearing messages are few: the expiry job must not walk the whole log.
CREATE INDEX "ChannelEvent_expiresAt_idx" ON "ChannelEvent" ("expiresAt") WHERE "expiresAt" IS NOT NULL;

-- AlterTable
ALTER TABLE "Channel" ADD COLUMN     "isEphemeral" BOOLEAN NOT NULL DEFAULT false;

-- What is still to be emptied, and nothing that was: the job looks every minute.
DROP INDEX "ChannelEvent_expiresAt_idx";
CREATE INDEX "ChannelEvent_expiring_payloads_idx" ON "ChannelEvent" ("expiresAt")
  WHERE "expiresAt" IS NOT NULL AND envelope IS NOT NULL AND class <> 'redact';

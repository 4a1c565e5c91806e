-- CreateTable
CREATE TABLE "LinkMailbox" (
    "id" BYTEA NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,
    "accountId" UUID,
    "deviceId" UUID,
    "claimHash" BYTEA,
    "meeting" BYTEA,
    "request" BYTEA,
    "grant" BYTEA,

    CONSTRAINT "LinkMailbox_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "LinkMailbox_expiresAt_idx" ON "LinkMailbox"("expiresAt");

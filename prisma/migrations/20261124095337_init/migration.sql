-- CreateTable
CREATE TABLE "Account" (
    "id" UUID NOT NULL,
    "username" TEXT,
    "displayName" TEXT NOT NULL,
    "bio" TEXT NOT NULL DEFAULT '',
    "pronouns" TEXT NOT NULL DEFAULT '',
    "instanceRole" TEXT NOT NULL DEFAULT 'member',
    "presence" TEXT NOT NULL DEFAULT 'online',
    "version" INTEGER NOT NULL DEFAULT 1,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "suspendedAt" TIMESTAMPTZ(3),
    "deletedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Account_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Credential" (
    "accountId" UUID NOT NULL,
    "kdfVersion" INTEGER NOT NULL,
    "kdfMemoryKiB" INTEGER NOT NULL,
    "kdfPasses" INTEGER NOT NULL,
    "kdfSalt" BYTEA NOT NULL,
    "secretHash" TEXT NOT NULL,
    "recoveryHash" TEXT NOT NULL,
    "vault" BYTEA NOT NULL,
    "vaultVersion" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "Credential_pkey" PRIMARY KEY ("accountId")
);

-- CreateTable
CREATE TABLE "Session" (
    "id" UUID NOT NULL,
    "accountId" UUID NOT NULL,
    "deviceId" UUID,
    "refreshHash" BYTEA NOT NULL,
    "previousHash" BYTEA,
    "rotatedAt" TIMESTAMPTZ(3) NOT NULL,
    "attachChallenge" BYTEA,
    "userAgent" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "lastUsedAt" TIMESTAMPTZ(3) NOT NULL,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,
    "revokedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "SpentRefresh" (
    "hash" BYTEA NOT NULL,
    "sessionId" UUID NOT NULL,
    "spentAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "SpentRefresh_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "Community" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "ownerId" UUID NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "memberCount" INTEGER NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Community_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Member" (
    "communityId" UUID NOT NULL,
    "accountId" UUID NOT NULL,
    "nickname" TEXT,
    "joinedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Member_pkey" PRIMARY KEY ("communityId","accountId")
);

-- CreateTable
CREATE TABLE "Ban" (
    "communityId" UUID NOT NULL,
    "accountId" UUID NOT NULL,
    "reason" TEXT NOT NULL DEFAULT '',
    "bannedById" UUID NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Ban_pkey" PRIMARY KEY ("communityId","accountId")
);

-- CreateTable
CREATE TABLE "Role" (
    "id" UUID NOT NULL,
    "communityId" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "colour" INTEGER,
    "position" INTEGER NOT NULL,
    "bits" INTEGER NOT NULL,

    CONSTRAINT "Role_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "MemberRole" (
    "communityId" UUID NOT NULL,
    "accountId" UUID NOT NULL,
    "roleId" UUID NOT NULL,

    CONSTRAINT "MemberRole_pkey" PRIMARY KEY ("communityId","accountId","roleId")
);

-- CreateTable
CREATE TABLE "Group" (
    "id" UUID NOT NULL,
    "communityId" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "position" INTEGER NOT NULL,

    CONSTRAINT "Group_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Override" (
    "id" UUID NOT NULL,
    "groupId" UUID,
    "channelId" UUID,
    "roleId" UUID,
    "accountId" UUID,
    "allow" INTEGER NOT NULL,
    "deny" INTEGER NOT NULL,

    CONSTRAINT "Override_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Channel" (
    "id" UUID NOT NULL,
    "communityId" UUID,
    "groupId" UUID,
    "kind" TEXT NOT NULL,
    "dmKey" TEXT,
    "name" TEXT NOT NULL DEFAULT '',
    "topic" TEXT NOT NULL DEFAULT '',
    "position" INTEGER NOT NULL DEFAULT 0,
    "isReadOnly" BOOLEAN NOT NULL DEFAULT false,
    "slowModeMs" INTEGER NOT NULL DEFAULT 0,
    "archivedAt" TIMESTAMPTZ(3),
    "audience" TEXT NOT NULL,
    "epoch" INTEGER NOT NULL DEFAULT 1,
    "devicesVersion" INTEGER NOT NULL DEFAULT 1,
    "lastSeq" INTEGER NOT NULL DEFAULT 0,
    "lastOrdinal" INTEGER NOT NULL DEFAULT 0,
    "lastMessageAt" TIMESTAMPTZ(3),
    "lastEventAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Channel_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ChannelReader" (
    "channelId" UUID NOT NULL,
    "accountId" UUID NOT NULL,
    "sinceAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "ChannelReader_pkey" PRIMARY KEY ("channelId","accountId")
);

-- CreateTable
CREATE TABLE "Invite" (
    "code" TEXT NOT NULL,
    "communityId" UUID NOT NULL,
    "createdById" UUID NOT NULL,
    "maxUses" INTEGER,
    "uses" INTEGER NOT NULL DEFAULT 0,
    "expiresAt" TIMESTAMPTZ(3),
    "revokedAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Invite_pkey" PRIMARY KEY ("code")
);

-- CreateTable
CREATE TABLE "AccountLogEntry" (
    "accountId" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "bytes" BYTEA NOT NULL,
    "hash" BYTEA NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AccountLogEntry_pkey" PRIMARY KEY ("accountId","seq")
);

-- CreateTable
CREATE TABLE "Device" (
    "id" UUID NOT NULL,
    "accountId" UUID NOT NULL,
    "label" TEXT NOT NULL,
    "signingKey" BYTEA NOT NULL,
    "addedSeq" INTEGER NOT NULL,
    "revokedSeq" INTEGER,
    "revokedAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastSeenAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Device_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "PrekeySet" (
    "deviceId" UUID NOT NULL,
    "setId" INTEGER NOT NULL,
    "bytes" BYTEA NOT NULL,
    "hash" BYTEA NOT NULL,
    "notAfter" TIMESTAMPTZ(3) NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "PrekeySet_pkey" PRIMARY KEY ("deviceId","setId")
);

-- CreateTable
CREATE TABLE "OneTimeKey" (
    "deviceId" UUID NOT NULL,
    "setId" INTEGER NOT NULL,
    "keyId" INTEGER NOT NULL,
    "bytes" BYTEA NOT NULL,
    "claimedAt" TIMESTAMPTZ(3),

    CONSTRAINT "OneTimeKey_pkey" PRIMARY KEY ("deviceId","setId","keyId")
);

-- CreateTable
CREATE TABLE "PrekeyClaim" (
    "id" BIGSERIAL NOT NULL,
    "claimerAccountId" UUID NOT NULL,
    "deviceId" UUID NOT NULL,
    "claimedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "PrekeyClaim_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "MailboxPacket" (
    "deviceId" UUID NOT NULL,
    "seq" BIGSERIAL NOT NULL,
    "senderAccountId" UUID NOT NULL,
    "senderDeviceId" UUID NOT NULL,
    "bytes" BYTEA NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "MailboxPacket_pkey" PRIMARY KEY ("deviceId","seq")
);

-- CreateTable
CREATE TABLE "InstanceSetting" (
    "key" TEXT NOT NULL,
    "value" JSONB NOT NULL,

    CONSTRAINT "InstanceSetting_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "JobRun" (
    "job" TEXT NOT NULL,
    "slot" TEXT NOT NULL,
    "startedAt" TIMESTAMPTZ(3) NOT NULL,
    "finishedAt" TIMESTAMPTZ(3),
    "outcome" TEXT,
    "handled" INTEGER,

    CONSTRAINT "JobRun_pkey" PRIMARY KEY ("job","slot")
);

-- CreateTable
CREATE TABLE "ChannelEvent" (
    "channelId" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "eventId" UUID NOT NULL,
    "class" TEXT NOT NULL,
    "ordinal" INTEGER,
    "senderAccountId" UUID NOT NULL,
    "senderDeviceId" UUID NOT NULL,
    "refId" UUID,
    "threadRootId" UUID,
    "epoch" INTEGER NOT NULL,
    "envelope" BYTEA,
    "envelopeHash" BYTEA NOT NULL,
    "chainId" BYTEA,
    "iter" INTEGER,
    "linkHash" BYTEA,
    "commitment" BYTEA,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "expiresAt" TIMESTAMPTZ(3),
    "redactedAt" TIMESTAMPTZ(3),

    CONSTRAINT "ChannelEvent_pkey" PRIMARY KEY ("channelId","seq")
);

-- CreateTable
CREATE TABLE "ChainCert" (
    "channelId" UUID NOT NULL,
    "chainId" BYTEA NOT NULL,
    "accountId" UUID NOT NULL,
    "deviceId" UUID NOT NULL,
    "bytes" BYTEA NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "ChainCert_pkey" PRIMARY KEY ("channelId","chainId")
);

-- CreateTable
CREATE TABLE "ChannelCursor" (
    "accountId" UUID NOT NULL,
    "channelId" UUID NOT NULL,
    "readSeq" INTEGER NOT NULL DEFAULT 0,
    "readOrdinal" INTEGER NOT NULL DEFAULT 0,
    "mentions" INTEGER NOT NULL DEFAULT 0,
    "lastSentAt" TIMESTAMPTZ(3),

    CONSTRAINT "ChannelCursor_pkey" PRIMARY KEY ("accountId","channelId")
);

-- CreateIndex
CREATE UNIQUE INDEX "Account_username_key" ON "Account"("username");

-- CreateIndex
CREATE UNIQUE INDEX "Session_refreshHash_key" ON "Session"("refreshHash");

-- CreateIndex
CREATE UNIQUE INDEX "Session_previousHash_key" ON "Session"("previousHash");

-- CreateIndex
CREATE INDEX "Session_accountId_revokedAt_idx" ON "Session"("accountId", "revokedAt");

-- CreateIndex
CREATE INDEX "Session_expiresAt_idx" ON "Session"("expiresAt");

-- CreateIndex
CREATE INDEX "SpentRefresh_sessionId_idx" ON "SpentRefresh"("sessionId");

-- CreateIndex
CREATE INDEX "SpentRefresh_spentAt_idx" ON "SpentRefresh"("spentAt");

-- CreateIndex
CREATE INDEX "Member_accountId_idx" ON "Member"("accountId");

-- CreateIndex
CREATE INDEX "Member_communityId_joinedAt_accountId_idx" ON "Member"("communityId", "joinedAt", "accountId");

-- CreateIndex
CREATE INDEX "Role_communityId_position_idx" ON "Role"("communityId", "position");

-- CreateIndex
CREATE INDEX "MemberRole_roleId_idx" ON "MemberRole"("roleId");

-- CreateIndex
CREATE INDEX "Group_communityId_idx" ON "Group"("communityId");

-- CreateIndex
CREATE INDEX "Override_channelId_idx" ON "Override"("channelId");

-- CreateIndex
CREATE UNIQUE INDEX "Override_groupId_channelId_roleId_accountId_key" ON "Override"("groupId", "channelId", "roleId", "accountId");

-- CreateIndex
CREATE UNIQUE INDEX "Channel_dmKey_key" ON "Channel"("dmKey");

-- CreateIndex
CREATE INDEX "Channel_communityId_idx" ON "Channel"("communityId");

-- CreateIndex
CREATE INDEX "Channel_groupId_idx" ON "Channel"("groupId");

-- CreateIndex
CREATE INDEX "ChannelReader_accountId_idx" ON "ChannelReader"("accountId");

-- CreateIndex
CREATE INDEX "Invite_communityId_createdAt_idx" ON "Invite"("communityId", "createdAt");

-- CreateIndex
CREATE INDEX "Device_accountId_idx" ON "Device"("accountId");

-- CreateIndex
CREATE INDEX "PrekeyClaim_deviceId_claimedAt_idx" ON "PrekeyClaim"("deviceId", "claimedAt");

-- CreateIndex
CREATE INDEX "PrekeyClaim_claimedAt_idx" ON "PrekeyClaim"("claimedAt");

-- CreateIndex
CREATE INDEX "MailboxPacket_deviceId_senderDeviceId_idx" ON "MailboxPacket"("deviceId", "senderDeviceId");

-- CreateIndex
CREATE INDEX "MailboxPacket_createdAt_idx" ON "MailboxPacket"("createdAt");

-- CreateIndex
CREATE INDEX "JobRun_startedAt_idx" ON "JobRun"("startedAt");

-- CreateIndex
CREATE INDEX "ChannelEvent_channelId_ordinal_idx" ON "ChannelEvent"("channelId", "ordinal");

-- CreateIndex
CREATE INDEX "ChannelEvent_channelId_refId_seq_idx" ON "ChannelEvent"("channelId", "refId", "seq");

-- CreateIndex
CREATE INDEX "ChannelEvent_channelId_createdAt_idx" ON "ChannelEvent"("channelId", "createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "ChannelEvent_channelId_eventId_key" ON "ChannelEvent"("channelId", "eventId");

-- AddForeignKey
ALTER TABLE "Credential" ADD CONSTRAINT "Credential_accountId_fkey" FOREIGN KEY ("accountId") REFERENCES "Account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Session" ADD CONSTRAINT "Session_accountId_fkey" FOREIGN KEY ("accountId") REFERENCES "Account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Session" ADD CONSTRAINT "Session_deviceId_fkey" FOREIGN KEY ("deviceId") REFERENCES "Device"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Member" ADD CONSTRAINT "Member_communityId_fkey" FOREIGN KEY ("communityId") REFERENCES "Community"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Member" ADD CONSTRAINT "Member_accountId_fkey" FOREIGN KEY ("accountId") REFERENCES "Account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Ban" ADD CONSTRAINT "Ban_communityId_fkey" FOREIGN KEY ("communityId") REFERENCES "Community"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Role" ADD CONSTRAINT "Role_communityId_fkey" FOREIGN KEY ("communityId") REFERENCES "Community"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "MemberRole" ADD CONSTRAINT "MemberRole_communityId_accountId_fkey" FOREIGN KEY ("communityId", "accountId") REFERENCES "Member"("communityId", "accountId") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "MemberRole" ADD CONSTRAINT "MemberRole_roleId_fkey" FOREIGN KEY ("roleId") REFERENCES "Role"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Group" ADD CONSTRAINT "Group_communityId_fkey" FOREIGN KEY ("communityId") REFERENCES "Community"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Override" ADD CONSTRAINT "Override_groupId_fkey" FOREIGN KEY ("groupId") REFERENCES "Group"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Override" ADD CONSTRAINT "Override_channelId_fkey" FOREIGN KEY ("channelId") REFERENCES "Channel"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Override" ADD CONSTRAINT "Override_roleId_fkey" FOREIGN KEY ("roleId") REFERENCES "Role"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Channel" ADD CONSTRAINT "Channel_communityId_fkey" FOREIGN KEY ("communityId") REFERENCES "Community"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Channel" ADD CONSTRAINT "Channel_groupId_fkey" FOREIGN KEY ("groupId") REFERENCES "Group"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ChannelReader" ADD CONSTRAINT "ChannelReader_channelId_fkey" FOREIGN KEY ("channelId") REFERENCES "Channel"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ChannelReader" ADD CONSTRAINT "ChannelReader_accountId_fkey" FOREIGN KEY ("accountId") REFERENCES "Account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Invite" ADD CONSTRAINT "Invite_communityId_fkey" FOREIGN KEY ("communityId") REFERENCES "Community"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AccountLogEntry" ADD CONSTRAINT "AccountLogEntry_accountId_fkey" FOREIGN KEY ("accountId") REFERENCES "Account"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Device" ADD CONSTRAINT "Device_accountId_fkey" FOREIGN KEY ("accountId") REFERENCES "Account"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "PrekeySet" ADD CONSTRAINT "PrekeySet_deviceId_fkey" FOREIGN KEY ("deviceId") REFERENCES "Device"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OneTimeKey" ADD CONSTRAINT "OneTimeKey_deviceId_setId_fkey" FOREIGN KEY ("deviceId", "setId") REFERENCES "PrekeySet"("deviceId", "setId") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "MailboxPacket" ADD CONSTRAINT "MailboxPacket_deviceId_fkey" FOREIGN KEY ("deviceId") REFERENCES "Device"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ChannelEvent" ADD CONSTRAINT "ChannelEvent_channelId_fkey" FOREIGN KEY ("channelId") REFERENCES "Channel"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ChainCert" ADD CONSTRAINT "ChainCert_channelId_fkey" FOREIGN KEY ("channelId") REFERENCES "Channel"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ChannelCursor" ADD CONSTRAINT "ChannelCursor_accountId_fkey" FOREIGN KEY ("accountId") REFERENCES "Account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ChannelCursor" ADD CONSTRAINT "ChannelCursor_channelId_fkey" FOREIGN KEY ("channelId") REFERENCES "Channel"("id") ON DELETE CASCADE ON UPDATE CASCADE;

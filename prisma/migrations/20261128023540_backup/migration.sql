-- CreateTable
CREATE TABLE "Backup" (
    "accountId" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "count" INTEGER NOT NULL,
    "bytes" BIGINT NOT NULL,
    "frontier" BYTEA NOT NULL,
    "manifest" BYTEA NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Backup_pkey" PRIMARY KEY ("accountId")
);

-- CreateTable
CREATE TABLE "BackupEntry" (
    "accountId" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "position" INTEGER NOT NULL,
    "bytes" BYTEA NOT NULL,

    CONSTRAINT "BackupEntry_pkey" PRIMARY KEY ("accountId","version","position")
);

-- AddForeignKey
ALTER TABLE "Backup" ADD CONSTRAINT "Backup_accountId_fkey" FOREIGN KEY ("accountId") REFERENCES "Account"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "BackupEntry" ADD CONSTRAINT "BackupEntry_accountId_fkey" FOREIGN KEY ("accountId") REFERENCES "Backup"("accountId") ON DELETE CASCADE ON UPDATE CASCADE;

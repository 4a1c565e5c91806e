-- CreateTable
CREATE TABLE "DeviceLease" (
    "deviceId" UUID NOT NULL,
    "epoch" BYTEA NOT NULL,
    "takenAt" TIMESTAMPTZ(3) NOT NULL,
    "rival" BYTEA,
    "rivalAt" TIMESTAMPTZ(3),
    "copiedAt" TIMESTAMPTZ(3),

    CONSTRAINT "DeviceLease_pkey" PRIMARY KEY ("deviceId")
);

-- AddForeignKey
ALTER TABLE "DeviceLease" ADD CONSTRAINT "DeviceLease_deviceId_fkey" FOREIGN KEY ("deviceId") REFERENCES "Device"("id") ON DELETE CASCADE ON UPDATE CASCADE;

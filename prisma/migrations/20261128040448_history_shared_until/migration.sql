-- AlterTable
ALTER TABLE "Channel" ADD COLUMN     "historySharedUntil" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "Channel" ADD COLUMN     "historySharedAt" TIMESTAMPTZ(3);

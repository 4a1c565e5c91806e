import { deviceProcedure, router } from '#server/trpc.ts';
import { appendBackupInput, backupEntriesInput } from '#shared/backup.ts';
import { appendBackup, readBackup, backupStatus } from './backup.service.ts';

export const backupRouter = router({
  status: deviceProcedure('account.use', 'query').query(({ ctx }) => backupStatus(ctx.deps, ctx.actor)),
  append: deviceProcedure('account.use', 'keys')
    .input(appendBackupInput)
    .mutation(({ ctx, input }) => appendBackup(ctx.deps, ctx.actor, input)),
  entries: deviceProcedure('account.use', 'query')
    .input(backupEntriesInput)
    .query(({ ctx, input }) => readBackup(ctx.deps, ctx.actor, input)),
});

import { accountProcedure, deviceProcedure, router } from '#server/trpc.ts';
import { appendBackupInput, backupEntriesInput } from '#shared/backup.ts';
import { appendLogInput } from '#shared/devices.ts';
import { appendBackup, readBackup, backupStatus } from './backup.service.ts';
import { appendEntry } from './removal.service.ts';

export const backupRouter = router({
  status: deviceProcedure('account.use', 'query').query(({ ctx }) => backupStatus(ctx.deps, ctx.actor)),
  append: deviceProcedure('account.use', 'keys')
    .input(appendBackupInput)
    .mutation(({ ctx, input }) => appendBackup(ctx.deps, ctx.actor, input)),
  entries: deviceProcedure('account.use', 'query')
    .input(backupEntriesInput)
    .query(({ ctx, input }) => readBackup(ctx.deps, ctx.actor, input)),
});

/** Beside the rest of `devices`: the removal of a device concerns the backup. */
export const accountLogRouter = router({
  append: accountProcedure('account.use', 'keys')
    .meta({ sensitive: 'sometimes' })
    .input(appendLogInput)
    .mutation(({ ctx, input }) => appendEntry(ctx.deps, ctx.actor, input)),
});

import { accountProcedure, router, sensitiveDeviceProcedure, sensitiveProcedure } from '#server/trpc.ts';
import {
  changePasswordInput,
  changeRecoveryInput,
  changeUsernameInput,
  deleteAccountInput,
  exportInput,
  resetIdentityInput,
  rotateBackupInput,
} from '#shared/account.ts';
import { deleteAccount, getDeletionPlan } from './deletion.service.ts';
import { exportData } from './export.service.ts';
import { resetIdentity } from './identity-reset.service.ts';
import { changePassword, changeRecovery } from './password.service.ts';
import { rotateBackup } from './rotate-backup.service.ts';
import { changeUsername } from './username.service.ts';

/** What the owner of an account changes about it; part of `auth`. */
export const accountRouter = router({
  changePassword: sensitiveProcedure('account.use', 'mutate')
    .input(changePasswordInput)
    .mutation(({ ctx, input }) => changePassword(ctx.deps, ctx, input)),
  changeRecovery: sensitiveProcedure('account.use', 'mutate')
    .input(changeRecoveryInput)
    .mutation(({ ctx, input }) => changeRecovery(ctx.deps, ctx, input)),
  rotateBackup: sensitiveDeviceProcedure('account.use', 'mutate')
    .input(rotateBackupInput)
    .mutation(({ ctx, input }) => rotateBackup(ctx.deps, ctx, input)),
  resetIdentity: sensitiveProcedure('account.use', 'mutate')
    .input(resetIdentityInput)
    .mutation(({ ctx, input }) => resetIdentity(ctx.deps, ctx, input)),
  changeUsername: accountProcedure('account.use', 'mutate')
    .input(changeUsernameInput)
    .mutation(({ ctx, input }) => changeUsername(ctx.deps, ctx, input)),
  export: accountProcedure('account.use', 'query')
    .input(exportInput)
    .query(({ ctx, input }) => exportData(ctx.deps, ctx.actor, input)),
  deletionPlan: accountProcedure('account.use', 'query').query(({ ctx }) =>
    getDeletionPlan(ctx.deps, ctx.actor),
  ),
  delete: accountProcedure('account.use', 'mutate')
    .input(deleteAccountInput)
    .mutation(({ ctx, input }) => deleteAccount(ctx.deps, ctx, input)),
});

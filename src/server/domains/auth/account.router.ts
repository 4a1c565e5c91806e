import { accountProcedure, router } from '#server/trpc.ts';
import { changePasswordInput, changeRecoveryInput } from '#shared/account.ts';
import { changePassword, changeRecovery } from './password.service.ts';

/** What the owner of an account changes about it; part of `auth`. */
export const accountRouter = router({
  changePassword: accountProcedure('account.use', 'mutate')
    .input(changePasswordInput)
    .mutation(({ ctx, input }) => changePassword(ctx.deps, ctx, input)),
  changeRecovery: accountProcedure('account.use', 'mutate')
    .input(changeRecoveryInput)
    .mutation(({ ctx, input }) => changeRecovery(ctx.deps, ctx, input)),
});

import { accountProcedure, router } from '#server/trpc.ts';
import { profilesInput, updateProfileInput } from '#shared/users.ts';
import { getOwnAccount, getProfiles, updateProfile } from './users.service.ts';

export const usersRouter = router({
  me: accountProcedure('account.use', 'query').query(({ ctx }) => getOwnAccount(ctx.deps, ctx.actor)),
  update: accountProcedure('account.use', 'mutate')
    .input(updateProfileInput)
    .mutation(({ ctx, input }) => updateProfile(ctx.deps, ctx.actor, input)),
  profiles: accountProcedure('account.use', 'query')
    .input(profilesInput)
    .query(({ ctx, input }) => getProfiles(ctx.deps, ctx.actor, input)),
});

import { accountProcedure, router } from '#server/trpc.ts';
import { revokeSessionInput } from '#shared/auth.ts';
import { listSessions, revokeSession } from './sessions.service.ts';

export const sessionsRouter = router({
  list: accountProcedure('account.use', 'query').query(({ ctx }) => listSessions(ctx.deps, ctx.actor)),
  revoke: accountProcedure('account.use', 'mutate')
    .input(revokeSessionInput)
    .mutation(({ ctx, input }) => revokeSession(ctx.deps, ctx.actor, input)),
});

import { accountProcedure, publicProcedure, router } from '#server/trpc.ts';
import { configureInstanceInput } from '#shared/instance.ts';
import { configureInstance, getInstanceInfo, listJobs } from './instance.service.ts';

export const instanceRouter = router({
  info: publicProcedure('anonymous').query(({ ctx }) => getInstanceInfo(ctx.deps, ctx.request)),
  configure: accountProcedure('instance.configure', 'mutate')
    .input(configureInstanceInput)
    .mutation(({ ctx, input }) => configureInstance(ctx.deps, ctx.actor, input)),
  jobs: accountProcedure('instance.observe', 'query').query(({ ctx }) => listJobs(ctx.deps, ctx.actor)),
});

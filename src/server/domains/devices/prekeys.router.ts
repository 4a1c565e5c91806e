import { deviceProcedure, router } from '#server/trpc.ts';
import { claimPrekeysInput, publishPrekeysInput } from '#shared/devices.ts';
import { claimPrekeys, getPrekeyStatus, publishPrekeys } from './prekeys.service.ts';

export const prekeysRouter = router({
  publish: deviceProcedure('account.use', 'keys')
    .input(publishPrekeysInput)
    .mutation(({ ctx, input }) => publishPrekeys(ctx.deps, ctx.actor, input)),
  status: deviceProcedure('account.use', 'keys').query(({ ctx }) => getPrekeyStatus(ctx.deps, ctx.actor)),
  claim: deviceProcedure('account.use', 'keys')
    .input(claimPrekeysInput)
    .mutation(({ ctx, input }) => claimPrekeys(ctx.deps, ctx.actor, input)),
});

import { accountProcedure, deviceProcedure, router } from '#server/trpc.ts';
import { attachInput, leaseInput, logsInput, renameDeviceInput } from '#shared/devices.ts';
import { getLogs } from './account-log.service.ts';
import { attachDevice, createChallenge, renameDevice } from './devices.service.ts';
import { takeLease } from './lease.service.ts';

export const devicesRouter = router({
  challenge: accountProcedure('account.use', 'keys').mutation(({ ctx }) =>
    createChallenge(ctx.deps, ctx.actor),
  ),
  attach: accountProcedure('account.use', 'keys')
    .input(attachInput)
    .mutation(async ({ ctx, input }) => {
      await attachDevice(ctx.deps, ctx.actor, input);
      ctx.bindDevice(input.deviceId);
    }),
  lease: deviceProcedure('account.use', 'keys')
    .input(leaseInput)
    .mutation(({ ctx, input }) => takeLease(ctx.deps, ctx.actor, input)),
  rename: accountProcedure('account.use', 'mutate')
    .input(renameDeviceInput)
    .mutation(({ ctx, input }) => renameDevice(ctx.deps, ctx.actor, input)),
  logs: accountProcedure('account.use', 'keys')
    .input(logsInput)
    .query(({ ctx, input }) => getLogs(ctx.deps, ctx.actor, input)),
});

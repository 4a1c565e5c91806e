import { accountProcedure, router, sensitiveProcedure } from '#server/trpc.ts';
import {
  addPasskeyInput,
  ownFactorInput,
  removePasskeyInput,
  renamePasskeyInput,
  totpCodeInput,
} from '#shared/second-factor.ts';
import { addPasskey, beginPasskey, removePasskey, renamePasskey } from './passkeys.service.ts';
import {
  beginTotp,
  disableTotp,
  enableTotp,
  readFactors,
  renewBackupCodes,
} from './second-factor.service.ts';

export const factorsRouter = router({
  status: accountProcedure('account.use', 'query').query(({ ctx }) => readFactors(ctx.deps, ctx.actor)),
  beginTotp: sensitiveProcedure('account.use', 'mutate').mutation(({ ctx }) =>
    beginTotp(ctx.deps, ctx.actor),
  ),
  enableTotp: sensitiveProcedure('account.use', 'credentials')
    .input(totpCodeInput)
    .mutation(({ ctx, input }) => enableTotp(ctx.deps, ctx, input)),
  disableTotp: sensitiveProcedure('account.use', 'credentials')
    .input(ownFactorInput)
    .mutation(({ ctx, input }) => disableTotp(ctx.deps, ctx, input)),
  renewBackupCodes: sensitiveProcedure('account.use', 'credentials')
    .input(ownFactorInput)
    .mutation(({ ctx, input }) => renewBackupCodes(ctx.deps, ctx, input)),
});

export const passkeysRouter = router({
  begin: sensitiveProcedure('account.use', 'mutate').mutation(({ ctx }) => beginPasskey(ctx.deps, ctx)),
  add: sensitiveProcedure('account.use', 'mutate')
    .input(addPasskeyInput)
    .mutation(({ ctx, input }) => addPasskey(ctx.deps, ctx, input)),
  rename: accountProcedure('account.use', 'mutate')
    .input(renamePasskeyInput)
    .mutation(({ ctx, input }) => renamePasskey(ctx.deps, ctx.actor, input)),
  remove: sensitiveProcedure('account.use', 'mutate')
    .input(removePasskeyInput)
    .mutation(({ ctx, input }) => removePasskey(ctx.deps, ctx.actor, input)),
});

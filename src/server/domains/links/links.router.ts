import { deviceProcedure, publicProcedure, router, sensitiveDeviceProcedure } from '#server/trpc.ts';
import { approveLinkInput, linkInput, linkParcelInput } from '#shared/links.ts';
import { approveLink, askLink, closeLink, meetLink, openLink, readLink } from './links.service.ts';

/** Who knows a mailbox's 16 random bytes may use it: a new device is nobody yet. `auth.claimLink` ends it. */
export const linksRouter = router({
  open: publicProcedure('anonymous')
    .input(linkInput)
    .mutation(({ ctx, input }) => openLink(ctx.deps, input)),
  // A mutation, so that what opens the mailbox stands in no address.
  read: publicProcedure('relay')
    .input(linkInput)
    .mutation(({ ctx, input }) => readLink(ctx.deps, input)),
  ask: publicProcedure('anonymous')
    .input(linkParcelInput)
    .mutation(({ ctx, input }) => askLink(ctx.deps, input)),
  close: publicProcedure('anonymous')
    .input(linkInput)
    .mutation(({ ctx, input }) => closeLink(ctx.deps, input)),
  meet: deviceProcedure('account.use', 'mutate')
    .input(linkParcelInput)
    .mutation(({ ctx, input }) => meetLink(ctx.deps, ctx.actor, input)),
  approve: sensitiveDeviceProcedure('account.use', 'mutate')
    .input(approveLinkInput)
    .mutation(({ ctx, input }) => approveLink(ctx.deps, ctx.actor, input)),
});

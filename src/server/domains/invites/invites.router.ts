import { accountProcedure, publicProcedure, router } from '#server/trpc.ts';
import { communityInput } from '#shared/communities.ts';
import { createInviteInput, inviteInput } from '#shared/invites.ts';
import { acceptInvite, createInvite, listInvites, previewInvite, revokeInvite } from './invites.service.ts';

export const invitesRouter = router({
  create: accountProcedure('invite.create', 'mutate')
    .input(createInviteInput)
    .mutation(({ ctx, input }) => createInvite(ctx.deps, ctx.actor, input)),
  list: accountProcedure('invite.list', 'query')
    .input(communityInput)
    .query(({ ctx, input }) => listInvites(ctx.deps, ctx.actor, input)),
  revoke: accountProcedure('invite.revoke', 'mutate')
    .input(inviteInput)
    .mutation(({ ctx, input }) => revokeInvite(ctx.deps, ctx.actor, input)),
  preview: publicProcedure('anonymous')
    .input(inviteInput)
    .query(({ ctx, input }) => previewInvite(ctx.deps, input)),
  accept: accountProcedure('invite.accept', 'mutate')
    .input(inviteInput)
    .mutation(({ ctx, input }) => acceptInvite(ctx.deps, ctx.actor, input)),
});

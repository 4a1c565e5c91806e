import { deviceProcedure, router } from '#server/trpc.ts';
import { ackMailboxInput, pullMailboxInput, sendPacketsInput } from '#shared/mailbox.ts';
import { ackMailbox, pullMailbox, sendPackets } from './mailbox.service.ts';

export const mailboxRouter = router({
  pull: deviceProcedure('account.use', 'query')
    .input(pullMailboxInput)
    .query(({ ctx, input }) => pullMailbox(ctx.deps, ctx.actor, input)),
  ack: deviceProcedure('account.use', 'keys')
    .input(ackMailboxInput)
    .mutation(({ ctx, input }) => ackMailbox(ctx.deps, ctx.actor, input)),
  send: deviceProcedure('account.use', 'keys')
    .input(sendPacketsInput)
    .mutation(({ ctx, input }) => sendPackets(ctx.deps, ctx.actor, input)),
});

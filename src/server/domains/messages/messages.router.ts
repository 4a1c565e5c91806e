// Wiring of the channel log and its cursors.
import { deviceProcedure, router } from '../../trpc.ts';
import {
  chainCertsInput,
  gapInput,
  moveCursorInput,
  pageMessagesInput,
  relatedMessagesInput,
  sendMessageInput,
} from '#shared/messages.ts';
import { moveCursor } from './cursors.service.ts';
import { fillGap, findChainCerts, pageMessages, pageRelated } from './messages.service.ts';
import { sendMessage } from './send.service.ts';

export const messagesRouter = router({
  send: deviceProcedure('message.send', 'send')
    .input(sendMessageInput)
    .mutation(({ ctx, input }) => sendMessage(ctx.deps, ctx.actor, input)),
  page: deviceProcedure('channel.view', 'query')
    .input(pageMessagesInput)
    .query(({ ctx, input }) => pageMessages(ctx.deps, ctx.actor, input)),
  related: deviceProcedure('channel.view', 'query')
    .input(relatedMessagesInput)
    .query(({ ctx, input }) => pageRelated(ctx.deps, ctx.actor, input)),
  gap: deviceProcedure('channel.view', 'query')
    .input(gapInput)
    .query(({ ctx, input }) => fillGap(ctx.deps, ctx.actor, input)),
  chainCerts: deviceProcedure('channel.view', 'query')
    .input(chainCertsInput)
    .query(({ ctx, input }) => findChainCerts(ctx.deps, ctx.actor, input)),
});

export const cursorsRouter = router({
  move: deviceProcedure('channel.view', 'mutate')
    .input(moveCursorInput)
    .mutation(({ ctx, input }) => moveCursor(ctx.deps, ctx.actor, input)),
});

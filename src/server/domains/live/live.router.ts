// Wiring of the live subscription, bootstrap, presence, focus and typing.
import { accountProcedure, deviceProcedure, router } from '../../trpc.ts';
import { bootstrapInput, focusInput } from '#shared/live.ts';
import { typingInput } from '#shared/messages.ts';
import { setPresenceInput, watchPresenceInput } from '#shared/users.ts';
import { loadBootstrap, openLive } from './live.service.ts';
import { focusChannel, sayTyping, setPresence, watchPresence } from './presence.service.ts';

export const liveRouter = router({
  events: deviceProcedure('account.use', 'query').subscription(({ ctx, signal }) =>
    openLive(ctx.deps, ctx.actor, { socket: ctx.socket, signal }),
  ),
  bootstrap: deviceProcedure('account.use', 'query')
    .input(bootstrapInput)
    .query(({ ctx, input }) => loadBootstrap(ctx.deps, ctx.actor, input)),
});

export const presenceRouter = router({
  set: accountProcedure('account.use', 'ephemeral')
    .input(setPresenceInput)
    .mutation(({ ctx, input }) => setPresence(ctx.deps, ctx.actor, input)),
  watch: deviceProcedure('account.use', 'query')
    .input(watchPresenceInput)
    .mutation(({ ctx, input }) => watchPresence(ctx.deps, ctx.actor, { ...input, via: ctx.socket })),
  focus: deviceProcedure('channel.view', 'query')
    .input(focusInput)
    .mutation(({ ctx, input }) => focusChannel(ctx.deps, ctx.actor, { ...input, via: ctx.socket })),
  typing: deviceProcedure('message.send', 'ephemeral')
    .input(typingInput)
    .mutation(({ ctx, input }) => sayTyping(ctx.deps, ctx.actor, input)),
});

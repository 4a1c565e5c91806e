import { accountProcedure, router } from '#server/trpc.ts';
import {
  channelInput,
  createChannelInput,
  createGroupInput,
  groupInput,
  openDmInput,
  updateChannelInput,
  updateGroupInput,
} from '#shared/channels.ts';
import { createChannel, deleteChannel, getReaders, updateChannel } from './channels.service.ts';
import { openDm } from './dms.service.ts';
import { createGroup, deleteGroup, updateGroup } from './groups.service.ts';

export const groupsRouter = router({
  create: accountProcedure('channel.manage', 'mutate')
    .input(createGroupInput)
    .mutation(({ ctx, input }) => createGroup(ctx.deps, ctx.actor, input)),
  update: accountProcedure('channel.manage', 'mutate')
    .input(updateGroupInput)
    .mutation(({ ctx, input }) => updateGroup(ctx.deps, ctx.actor, input)),
  delete: accountProcedure('channel.manage', 'mutate')
    .input(groupInput)
    .mutation(({ ctx, input }) => deleteGroup(ctx.deps, ctx.actor, input)),
});

export const channelsRouter = router({
  create: accountProcedure('channel.manage', 'mutate')
    .input(createChannelInput)
    .mutation(({ ctx, input }) => createChannel(ctx.deps, ctx.actor, input)),
  update: accountProcedure('channel.manage', 'mutate')
    .input(updateChannelInput)
    .mutation(({ ctx, input }) => updateChannel(ctx.deps, ctx.actor, input)),
  delete: accountProcedure('channel.manage', 'mutate')
    .input(channelInput)
    .mutation(({ ctx, input }) => deleteChannel(ctx.deps, ctx.actor, input)),
  readers: accountProcedure('channel.view', 'query')
    .input(channelInput)
    .query(({ ctx, input }) => getReaders(ctx.deps, ctx.actor, input)),
});

export const dmsRouter = router({
  open: accountProcedure('dm.open', 'mutate')
    .input(openDmInput)
    .mutation(({ ctx, input }) => openDm(ctx.deps, ctx.actor, input)),
});

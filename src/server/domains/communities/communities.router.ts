import { accountProcedure, router } from '#server/trpc.ts';
import {
  banInput,
  communityInput,
  createCommunityInput,
  memberInput,
  membersInput,
  updateCommunityInput,
} from '#shared/communities.ts';
import { createCommunity, deleteCommunity, getCommunity, updateCommunity } from './communities.service.ts';
import {
  banMember,
  getBans,
  kickMember,
  leaveCommunity,
  listMembers,
  unbanMember,
} from './members.service.ts';

export const communitiesRouter = router({
  create: accountProcedure('community.create', 'mutate')
    .input(createCommunityInput)
    .mutation(({ ctx, input }) => createCommunity(ctx.deps, ctx.actor, input)),
  get: accountProcedure('community.view', 'query')
    .input(communityInput)
    .query(({ ctx, input }) => getCommunity(ctx.deps, ctx.actor, input)),
  update: accountProcedure('community.update', 'mutate')
    .input(updateCommunityInput)
    .mutation(({ ctx, input }) => updateCommunity(ctx.deps, ctx.actor, input)),
  members: accountProcedure('member.list', 'query')
    .input(membersInput)
    .query(({ ctx, input }) => listMembers(ctx.deps, ctx.actor, input)),
  leave: accountProcedure('community.leave', 'mutate')
    .input(communityInput)
    .mutation(({ ctx, input }) => leaveCommunity(ctx.deps, ctx.actor, input)),
  kick: accountProcedure('member.kick', 'mutate')
    .input(memberInput)
    .mutation(({ ctx, input }) => kickMember(ctx.deps, ctx.actor, input)),
  ban: accountProcedure('member.ban', 'mutate')
    .input(banInput)
    .mutation(({ ctx, input }) => banMember(ctx.deps, ctx.actor, input)),
  unban: accountProcedure('member.unban', 'mutate')
    .input(memberInput)
    .mutation(({ ctx, input }) => unbanMember(ctx.deps, ctx.actor, input)),
  bans: accountProcedure('member.unban', 'query')
    .input(communityInput)
    .query(({ ctx, input }) => getBans(ctx.deps, ctx.actor, input)),
  delete: accountProcedure('community.delete', 'mutate')
    .input(communityInput)
    .mutation(({ ctx, input }) => deleteCommunity(ctx.deps, ctx.actor, input)),
});

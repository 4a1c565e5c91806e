// Communities, members, bans.
import * as z from 'zod/mini';
import { timeSchema } from './encoding.ts';
import type { ChannelSummary, GroupSummary } from './channels.ts';
import { accountIdSchema, communityIdSchema, type AccountId, type CommunityId, type RoleId } from './ids.ts';
import { limits } from './limits.ts';
import type { OverrideSummary, RoleSummary } from './roles.ts';
import type { Profile } from './users.ts';

export const communityNameSchema = z
  .string()
  .check(z.trim(), z.minLength(1), z.maxLength(limits.communityNameMax));

export const createCommunityInput = z.object({ name: communityNameSchema });
export const communityInput = z.object({ communityId: communityIdSchema });
export const updateCommunityInput = z.object({
  communityId: communityIdSchema,
  name: z.optional(communityNameSchema),
  description: z.optional(z.string().check(z.maxLength(limits.communityDescriptionMax))),
});

/** The own membership; permission facts come from it, the roles and the overrides. */
export interface OwnMembership {
  readonly nickname: string | null;
  readonly roleIds: readonly RoleId[];
  readonly joinedAt: number;
}

/** Everything about a community but its members and presence. Channels: only those the reader may see. */
export interface CommunityStructure {
  readonly communityId: CommunityId;
  readonly version: number;
  readonly name: string;
  readonly description: string;
  readonly ownerId: AccountId;
  readonly memberCount: number;
  readonly groups: readonly GroupSummary[];
  readonly channels: readonly ChannelSummary[];
  readonly roles: readonly RoleSummary[];
  readonly overrides: readonly OverrideSummary[];
  readonly own: OwnMembership;
}

export interface MemberSummary {
  readonly profile: Profile;
  readonly nickname: string | null;
  readonly roleIds: readonly RoleId[];
  readonly joinedAt: number;
}
/** Keyset page by (joinedAt, accountId). */
export const membersInput = z.object({
  communityId: communityIdSchema,
  after: z.optional(z.object({ joinedAt: timeSchema, accountId: accountIdSchema })),
  limit: z.int().check(z.gte(1), z.lte(limits.membersPage)),
});
export interface MembersPage {
  readonly members: readonly MemberSummary[];
  readonly hasMore: boolean;
}

export const memberInput = z.object({ communityId: communityIdSchema, accountId: accountIdSchema });
export const banInput = z.object({
  communityId: communityIdSchema,
  accountId: accountIdSchema,
  reason: z.optional(z.string().check(z.trim(), z.maxLength(limits.banReasonMax))),
});
export interface BanSummary {
  readonly profile: Profile;
  readonly reason: string;
  readonly bannedBy: AccountId;
  readonly createdAt: number;
}

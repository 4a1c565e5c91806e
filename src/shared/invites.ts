// Invite links: one link carries a signed-out person through registration into the community.
import * as z from 'zod/mini';
import { inviteCodeSchema } from './auth.ts';
import { communityIdSchema, type AccountId, type CommunityId } from './ids.ts';
import { limits } from './limits.ts';

export const createInviteInput = z.object({
  communityId: communityIdSchema,
  maxUses: z.optional(z.int().check(z.gte(1), z.lte(limits.inviteUsesMax))),
  /** Absent: never. */
  expiresInMs: z.optional(z.int().check(z.gte(limits.inviteExpiryMinMs), z.lte(limits.inviteExpiryMaxMs))),
});
export const inviteInput = z.object({ code: inviteCodeSchema });

export interface InviteSummary {
  readonly code: string;
  readonly communityId: CommunityId;
  readonly createdByName: string;
  readonly uses: number;
  readonly maxUses: number | null;
  readonly expiresAt: number | null;
  readonly createdAt: number;
}

/** What anybody holding the link may see. */
export interface InvitePreview {
  readonly communityId: CommunityId;
  readonly communityName: string;
  readonly description: string;
  readonly memberCount: number;
  readonly inviterName: string;
  /** null: their account is gone. */
  readonly inviterId: AccountId | null;
  /** Entry 0 of the inviter's account log, base64url: what the link's fragment is held against. */
  readonly inviterGenesis: string | null;
}

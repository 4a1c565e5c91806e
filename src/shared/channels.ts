// Groups (the layer between community and channel), channels and direct messages.
import * as z from 'zod/mini';
import {
  accountIdSchema,
  channelIdSchema,
  communityIdSchema,
  groupIdSchema,
  type AccountId,
  type ChannelId,
  type CommunityId,
  type GroupId,
} from './ids.ts';
import { limits } from './limits.ts';
import type { Profile } from './users.ts';

export type ChannelKind = 'text' | 'voice' | 'gallery' | 'dm' | 'group_dm';

/**
 * What somebody who joins later may read: from their joining on, or everything since the channel became shared. In an
 * ephemeral channel nobody reads anything for longer than `limits.ephemeralMs`.
 */
export const HISTORY_POLICIES = ['since_join', 'shared', 'ephemeral'] as const;
export type HistoryPolicy = (typeof HISTORY_POLICIES)[number];

export interface GroupSummary {
  readonly groupId: GroupId;
  readonly name: string;
  readonly position: number;
}

/** Names and topics are server-readable and the client says so (protocol P17). */
export interface ChannelSummary {
  readonly channelId: ChannelId;
  readonly communityId: CommunityId | null;
  readonly groupId: GroupId | null;
  readonly kind: ChannelKind;
  readonly name: string;
  readonly topic: string;
  readonly position: number;
  readonly isReadOnly: boolean;
  readonly isArchived: boolean;
  readonly slowModeMs: number;
  readonly historyPolicy: HistoryPolicy;
  /** Rises when a reader or a reader's device is removed. */
  readonly epoch: number;
  readonly createdAt: number;
}

/** A direct conversation: its two accounts are pinned for ever. */
export interface DmSummary {
  readonly channel: ChannelSummary;
  readonly members: readonly Profile[];
}

const groupNameSchema = z.string().check(z.trim(), z.minLength(1), z.maxLength(limits.groupNameMax));
/** Shown with a leading #, so no white space and no #. */
export const channelNameSchema = z
  .string()
  .check(
    z.trim(),
    z.toLowerCase(),
    z.minLength(1),
    z.maxLength(limits.channelNameMax),
    z.regex(/^[^\s#@/]+$/u),
  );
const topicSchema = z.string().check(z.trim(), z.maxLength(limits.topicMax));
const historyPolicySchema = z.enum(HISTORY_POLICIES);
const positionSchema = z.int().check(z.gte(0), z.lte(10_000));

export const createGroupInput = z.object({ communityId: communityIdSchema, name: groupNameSchema });
export const updateGroupInput = z.object({
  groupId: groupIdSchema,
  name: z.optional(groupNameSchema),
  position: z.optional(positionSchema),
});
export const groupInput = z.object({ groupId: groupIdSchema });

export const createChannelInput = z.object({
  communityId: communityIdSchema,
  groupId: groupIdSchema,
  name: channelNameSchema,
  topic: z.optional(topicSchema),
  historyPolicy: z.optional(historyPolicySchema),
});
export const updateChannelInput = z.object({
  channelId: channelIdSchema,
  name: z.optional(channelNameSchema),
  topic: z.optional(topicSchema),
  position: z.optional(positionSchema),
  isReadOnly: z.optional(z.boolean()),
  isArchived: z.optional(z.boolean()),
  slowModeMs: z.optional(z.int().check(z.gte(0), z.lte(limits.slowModeMaxMs))),
  historyPolicy: z.optional(historyPolicySchema),
});
export const channelInput = z.object({ channelId: channelIdSchema });

export const openDmInput = z.object({ accountId: accountIdSchema });

/** Exactly the accounts that get keys: "n can read this". */
export interface ChannelReaders {
  readonly channelId: ChannelId;
  readonly epoch: number;
  /** Rises whenever a reader or a reader's device is added or removed. */
  readonly devicesVersion: number;
  readonly accountIds: readonly AccountId[];
}

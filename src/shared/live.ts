// Bootstrap: what a client loads at every (re)connect before it applies events.
import * as z from 'zod/mini';
import { countSchema } from './encoding.ts';
import type { DmSummary } from './channels.ts';
import type { CommunityStructure } from './communities.ts';
import { channelIdSchema, communityIdSchema, type ChannelId, type CommunityId } from './ids.ts';
import { limits } from './limits.ts';
import type { OwnAccount } from './users.ts';

export const bootstrapInput = z.object({
  /** Community versions the client holds: unchanged structures are not sent again. */
  known: z
    .array(z.tuple([communityIdSchema, countSchema(0)]))
    .check(z.maxLength(limits.communitiesPerAccount)),
});

/**
 * One channel's head as a compact array:
 * [channelId, lastSeq, lastOrdinal, epoch, readSeq, readOrdinal, mentions, lastMessageAt (ms, 0 = never), devicesVersion].
 * Unread = lastOrdinal − readOrdinal.
 */
export type ChannelHead = readonly [
  ChannelId,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

export interface Bootstrap {
  readonly now: number;
  readonly account: OwnAccount;
  /** Every community of the account; `structure` is null when the version is known. */
  readonly communities: readonly {
    readonly communityId: CommunityId;
    readonly version: number;
    readonly structure: CommunityStructure | null;
  }[];
  readonly dms: readonly DmSummary[];
  readonly heads: readonly ChannelHead[];
}

/** Typing goes only to sockets focused on that channel. */
export const focusInput = z.object({ channelId: z.nullable(channelIdSchema) });

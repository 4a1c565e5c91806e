// What the nodes of an instance tell one another. Whoever can write to the instance's Redis is trusted like whoever can
// write to its database; the schema refuses what another version of the program may have sent.
import * as z from 'zod/mini';
import type { Audience, LiveEvent } from '#shared/events.ts';
import {
  accountIdSchema,
  channelIdSchema,
  communityIdSchema,
  deviceIdSchema,
  sessionIdSchema,
} from '#shared/ids.ts';
import { presenceChoiceSchema } from '#shared/users.ts';

const named = (key: 'to' | 'type') => (value: unknown) =>
  typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[key] === 'string';

/** Written by the same program on another node, out of values the compiler knows. */
const announced = {
  audience: z.custom<Audience>(named('to')),
  event: z.custom<LiveEvent>(named('type')),
};

const messageSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('publish'), ...announced }),
  /** An event of a channel's log: goes out in order of seq. */
  z.object({ kind: z.literal('append'), ...announced }),
  z.object({ kind: z.literal('join'), accountId: accountIdSchema, communityId: communityIdSchema }),
  z.object({ kind: z.literal('leave'), accountId: accountIdSchema, communityId: communityIdSchema }),
  z.object({ kind: z.literal('dissolveCommunity'), communityId: communityIdSchema }),
  z.object({
    kind: z.literal('readers'),
    channelId: channelIdSchema,
    joined: z.array(accountIdSchema),
    left: z.array(accountIdSchema),
  }),
  z.object({ kind: z.literal('dissolveChannel'), channelId: channelIdSchema }),
  z.object({ kind: z.literal('closeSession'), sessionId: sessionIdSchema }),
  z.object({ kind: z.literal('closeDevice'), deviceId: deviceIdSchema }),
  z.object({ kind: z.literal('closeAccount'), accountId: accountIdSchema }),
  /** A session was bound to a device: its row says to which. */
  z.object({ kind: z.literal('bind'), sessionId: sessionIdSchema }),
  /** Who is connected to the sender; `isWhole`: and nobody else. */
  z.object({
    kind: z.literal('present'),
    entries: z.array(z.tuple([accountIdSchema, z.nullable(presenceChoiceSchema)])),
    isWhole: z.boolean(),
  }),
  z.object({ kind: z.literal('chose'), accountId: accountIdSchema, choice: presenceChoiceSchema }),
  /** That node should say again who is connected to it. */
  z.object({ kind: z.literal('ask'), nodeId: z.string() }),
]);

export type NodeMessage = z.infer<typeof messageSchema>;

/** Reads what came over the bus; null when it is no message this version knows. */
export function parseNodeMessage(json: string): NodeMessage | null {
  const parsed = messageSchema.safeParse(JSON.parse(json));
  return parsed.success ? parsed.data : null;
}

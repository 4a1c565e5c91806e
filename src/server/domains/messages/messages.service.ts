// Reading the channel log: pages by ordinal, related events, gapless ranges, chain certificates.
import type { DeviceActor, Deps } from '../../deps.ts';
import { requireAction } from '../../access.ts';
import type { Queryable } from '../../platform/db.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { GapPage, MessagePage, RelatedPage } from '#shared/messages.ts';
import { fromBase64Url, toBase64Url, toChannelEvent, type EventRow } from './event-rows.ts';
import {
  chainCertsOf,
  eventRange,
  headOf,
  pageOfMessages,
  relatedPage,
  relatedTo,
} from './messages.queries.ts';

const intMax = 0x7fffffff;

/** Newest page of messages (or the one before `before`), with what was done to them. Throws not_found. */
export async function pageMessages(
  deps: Deps,
  actor: DeviceActor,
  input: { channelId: ChannelId; before?: number | undefined; limit: number },
): Promise<MessagePage> {
  const { db } = deps;
  const { channelId } = input;
  await requireAction(db, actor, 'channel.view', { channelId });
  const head = await headOf(db, channelId);
  const rows = await pageOfMessages(db, {
    channelId,
    accountId: actor.accountId,
    before: input.before ?? intMax,
    limit: input.limit + 1,
  });
  const hasMore = rows.length > input.limit;
  const messages = rows.slice(0, input.limit).reverse();
  const eventIds = messages.map((m) => m.eventId);
  const found = await relatedTo(db, { channelId, eventIds, limit: limits.relatedPerMessage + 1 });
  const { related, truncated } = boundRelated(found);
  const all = [...messages, ...related];
  return {
    ...wire(deps, { messages, related }),
    truncated,
    chainCerts: await certsFor(db, channelId, all),
    hasMore,
    headSeq: head?.lastSeq ?? 0,
  };
}

/** Drops the oldest reactions over the bound and names the messages that have more. */
function boundRelated(found: readonly EventRow[]): { related: EventRow[]; truncated: EventId[] } {
  const reactions = new Map<string, EventRow[]>();
  for (const event of found) {
    if (event.class !== 'reaction' || event.refId === null) continue;
    reactions.set(event.refId, [...(reactions.get(event.refId) ?? []), event]);
  }
  const over = [...reactions].filter(([, events]) => events.length > limits.relatedPerMessage);
  const dropped = new Set(over.map(([, events]) => events[0]));
  return {
    related: found.filter((e) => !dropped.has(e)),
    truncated: over.map(([refId]) => refId as EventId),
  };
}

function wire<K extends string>(deps: Deps, rows: Record<K, readonly EventRow[]>) {
  const { frankingKey } = deps.secrets;
  const mapped = Object.entries<readonly EventRow[]>(rows).map(([key, list]) => [
    key,
    list.map((row) => toChannelEvent(row, frankingKey)),
  ]);
  return Object.fromEntries(mapped) as Record<K, ReturnType<typeof toChannelEvent>[]>;
}

/** Certificates of every chain these events name, keyed by chain id (base64url). */
async function certsFor(
  q: Queryable,
  channelId: string,
  rows: readonly EventRow[],
): Promise<Record<string, string>> {
  const chainIds = new Map(
    rows.flatMap((r) => (r.chainId ? [[toBase64Url(r.chainId), r.chainId] as const] : [])),
  );
  if (chainIds.size === 0) return {};
  const found = await chainCertsOf(q, { channelId, chainIds: [...chainIds.values()] });
  return Object.fromEntries(found.map((c) => [toBase64Url(c.chainId), toBase64Url(c.bytes)]));
}

/** Older related events of one message, rising by seq. */
export async function pageRelated(
  deps: Deps,
  actor: DeviceActor,
  input: { channelId: ChannelId; eventId: EventId; after: number },
): Promise<RelatedPage> {
  await requireAction(deps.db, actor, 'channel.view', { channelId: input.channelId });
  const rows = await relatedPage(deps.db, { ...input, limit: limits.relatedPerMessage + 1 });
  const events = rows.slice(0, limits.relatedPerMessage);
  return {
    ...wire(deps, { events }),
    chainCerts: await certsFor(deps.db, input.channelId, events),
    hasMore: rows.length > events.length,
  };
}

/** A contiguous range of the log, at most `limits.gapEvents` events: the answer says how far it reaches. */
export async function fillGap(
  deps: Deps,
  actor: DeviceActor,
  input: { channelId: ChannelId; fromSeq: number; toSeq: number },
): Promise<GapPage> {
  const { channelId, fromSeq } = input;
  await requireAction(deps.db, actor, 'channel.view', { channelId });
  const head = await headOf(deps.db, channelId);
  const toSeq = Math.min(input.toSeq, head?.lastSeq ?? 0, fromSeq + limits.gapEvents - 1);
  const events = toSeq < fromSeq ? [] : await eventRange(deps.db, { channelId, fromSeq, toSeq });
  return {
    ...wire(deps, { events }),
    chainCerts: await certsFor(deps.db, channelId, events),
    fromSeq,
    toSeq: Math.max(toSeq, fromSeq - 1),
  };
}

export async function findChainCerts(
  deps: Deps,
  actor: DeviceActor,
  input: { channelId: ChannelId; chainIds: readonly string[] },
): Promise<Record<string, string>> {
  await requireAction(deps.db, actor, 'channel.view', { channelId: input.channelId });
  const found = await chainCertsOf(deps.db, {
    channelId: input.channelId,
    chainIds: input.chainIds.map(fromBase64Url),
  });
  return Object.fromEntries(found.map((c) => [toBase64Url(c.chainId), toBase64Url(c.bytes)]));
}

// Channels of a community. Names and topics are the server's to read, and clients say so (protocol P17).
import { requireAction } from '#server/access.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { requireDiskRoom } from '#server/disk-room.ts';
import { uuidv7 } from '#server/platform/ids.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import type { ChannelReaders, ChannelSummary, HistoryPolicy } from '#shared/channels.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId, GroupId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import {
  communityAudience,
  readersOf,
  recompute,
  requireReaderRoom,
  type AudienceChange,
} from '../audience/audience.service.ts';
import {
  announce,
  channelChanged,
  channelSummaryOf,
  communityOfChannel,
  groupsSeenBy,
  listChannels,
  lockCommunity,
  publishCommunity,
  raiseVersion,
  type CommunityRow,
} from '../audience/structure.service.ts';
import { listPlaces, writeOrder } from './channels.queries.ts';

/** Tells of changed channels, each to its readers; the rest of the community hears that a version passed. */
async function publishChannels(
  tx: Tx,
  deps: Deps,
  what: { community: CommunityRow; channelIds: readonly ChannelId[] },
): Promise<void> {
  const { community } = what;
  const rows = await listChannels(tx, what.channelIds);
  tx.afterCommit(() => {
    publishCommunity(deps, community);
    for (const row of rows) {
      deps.live.publish(communityAudience(row), channelChanged(community, channelSummaryOf(row)));
    }
  });
}

interface NewChannel {
  readonly communityId: CommunityId;
  readonly groupId: GroupId;
  readonly name: string;
  readonly topic?: string | undefined;
  readonly historyPolicy?: HistoryPolicy | undefined;
}

async function insertChannel(tx: Tx, deps: Deps, input: NewChannel): Promise<ChannelId> {
  const { communityId, groupId, name, topic = '', historyPolicy } = input;
  const places = await listPlaces(tx, communityId);
  if (places.length >= limits.channelsPerCommunity) {
    const max = limits.channelsPerCommunity;
    throw new AppError({ code: 'limit_reached', limit: 'channelsPerCommunity', max });
  }
  const channelId = uuidv7(deps.clock) as ChannelId;
  const position = places.filter((place) => place.groupId === groupId).length;
  const createdAt = new Date(deps.clock.now());
  await tx.prisma.channel.create({
    data: {
      id: channelId,
      communityId,
      groupId,
      kind: 'text',
      name,
      topic,
      position,
      audience: 'restricted',
      createdAt,
      historySharedAt: historyPolicy === 'shared' ? createdAt : null,
      isEphemeral: historyPolicy === 'ephemeral',
    },
  });
  return channelId;
}

/** A channel is born with nobody in it; its group's overrides and the roles say who comes in. */
export function createChannel(deps: Deps, actor: Actor, input: NewChannel): Promise<ChannelSummary> {
  const { communityId, groupId } = input;
  return transaction(deps.db, async (tx) => {
    await lockCommunity(tx, communityId);
    await requireAction(tx, actor, 'channel.manage', { communityId, groupId });
    requireDiskRoom(deps);
    const channelId = await insertChannel(tx, deps, input);
    const changes: AudienceChange[] = await recompute(tx, deps, { communityId, channelId });
    await requireReaderRoom(tx, [channelId]);
    const community = await raiseVersion(tx, communityId);
    tx.afterCommit(() => publishCommunity(deps, community));
    await announce(tx, deps, { community, changes });
    const [row] = await listChannels(tx, [channelId]);
    if (!row) throw notFound();
    return channelSummaryOf(row);
  });
}

interface ChannelChange {
  readonly channelId: ChannelId;
  readonly name?: string | undefined;
  readonly topic?: string | undefined;
  readonly position?: number | undefined;
  readonly isReadOnly?: boolean | undefined;
  readonly isArchived?: boolean | undefined;
  readonly slowModeMs?: number | undefined;
  readonly historyPolicy?: HistoryPolicy | undefined;
}

/** Moves a channel among its siblings; returns those that moved. */
async function moveChannel(
  tx: Tx,
  communityId: CommunityId,
  to: { channelId: ChannelId; position: number },
): Promise<ChannelId[]> {
  const places = await listPlaces(tx, communityId);
  const groupId = places.find((place) => place.channelId === to.channelId)?.groupId;
  const order = places
    .filter((place) => place.groupId === groupId && place.channelId !== to.channelId)
    .map((place) => place.channelId);
  order.splice(to.position, 0, to.channelId);
  return writeOrder(tx, 'Channel', order);
}

/**
 * Nothing written before this moment becomes readable by it, a channel that is shared already keeps its own, and who
 * joined while it was shared keeps what they could read.
 */
async function setHistoryPolicy(
  tx: Tx,
  deps: Deps,
  to: { readonly channelId: ChannelId; readonly historyPolicy: HistoryPolicy },
): Promise<void> {
  const now = new Date(deps.clock.now());
  const isEphemeral = to.historyPolicy === 'ephemeral';
  await tx.prisma.channel.update({ where: { id: to.channelId }, data: { isEphemeral } });
  const shared = { historySharedAt: { not: null }, historySharedUntil: null };
  if (to.historyPolicy === 'shared') {
    const data = { historySharedAt: now, historySharedUntil: null };
    await tx.prisma.channel.updateMany({ where: { id: to.channelId, NOT: shared }, data });
  } else {
    await tx.prisma.channel.updateMany({
      where: { id: to.channelId, ...shared },
      data: { historySharedUntil: now },
    });
  }
}

export function updateChannel(deps: Deps, actor: Actor, input: ChannelChange): Promise<void> {
  const { channelId, position, isArchived, name, topic, isReadOnly, slowModeMs, historyPolicy } = input;
  return transaction(deps.db, async (tx) => {
    const { communityId } = await lockCommunity(tx, await communityOfChannel(tx, channelId));
    await requireAction(tx, actor, 'channel.manage', { communityId, channelId });
    const archivedAt = isArchived ? new Date(deps.clock.now()) : null;
    await tx.prisma.channel.update({
      where: { id: channelId },
      data: {
        ...(name !== undefined && { name }),
        ...(topic !== undefined && { topic }),
        ...(isReadOnly !== undefined && { isReadOnly }),
        ...(slowModeMs !== undefined && { slowModeMs }),
        ...(isArchived !== undefined && { archivedAt }),
      },
    });
    if (historyPolicy !== undefined) await setHistoryPolicy(tx, deps, { channelId, historyPolicy });
    const moved = position === undefined ? [] : await moveChannel(tx, communityId, { channelId, position });
    const community = await raiseVersion(tx, communityId);
    await publishChannels(tx, deps, { community, channelIds: [...new Set([channelId, ...moved])] });
  });
}

/** The readers who see the group no more once this channel is gone. */
async function groupLosers(
  tx: Tx,
  communityId: CommunityId,
  gone: { groupId: GroupId | null; readers: readonly AccountId[] },
): Promise<AccountId[]> {
  const { groupId, readers } = gone;
  if (groupId === null) return [];
  const losers: AccountId[] = [];
  for (const accountId of readers) {
    const seen = await groupsSeenBy(tx, communityId, { accountId, groupIds: [groupId] });
    if (!seen.has(groupId)) losers.push(accountId);
  }
  return losers;
}

/** Deletes the channel with its log. Sockets leave it first; then those who read it are told. */
export function deleteChannel(
  deps: Deps,
  actor: Actor,
  input: { readonly channelId: ChannelId },
): Promise<void> {
  const { channelId } = input;
  return transaction(deps.db, async (tx) => {
    const { communityId } = await lockCommunity(tx, await communityOfChannel(tx, channelId));
    await requireAction(tx, actor, 'channel.manage', { communityId, channelId });
    const [row] = await listChannels(tx, [channelId]);
    if (!row) throw notFound();
    const readers = await readersOf(tx, channelId);
    await tx.prisma.channel.delete({ where: { id: channelId } });
    const { groupId } = row;
    const losers = await groupLosers(tx, communityId, { groupId, readers });
    const siblings = (await listPlaces(tx, communityId)).filter((place) => place.groupId === groupId);
    const moved = await writeOrder(
      tx,
      'Channel',
      siblings.map((place) => place.channelId),
    );
    const community = await raiseVersion(tx, communityId);
    const { version } = community;
    const gone: LiveEvent = { type: 'channel.deleted', communityId, version, channelId };
    tx.afterCommit(() => {
      deps.live.dissolveChannel(channelId);
      if (row.audience === 'community') deps.live.publish({ to: 'community', communityId }, gone);
      else for (const accountId of readers) deps.live.publish({ to: 'account', accountId }, gone);
      for (const accountId of groupId === null ? [] : losers) {
        const event = { type: 'group.deleted', communityId, version, groupId: groupId as GroupId } as const;
        deps.live.publish({ to: 'account', accountId }, event);
      }
    });
    await publishChannels(tx, deps, { community, channelIds: moved });
  });
}

/** "n can read this": exactly the accounts that get keys, with the versions senders compare. */
export async function getReaders(
  deps: Deps,
  actor: Actor,
  input: { readonly channelId: ChannelId },
): Promise<ChannelReaders> {
  const { channelId } = input;
  await requireAction(deps.db, actor, 'channel.view', { channelId });
  const [keys] = await deps.db.query<{ epoch: number; devicesVersion: number; accountIds: AccountId[] }>(
    'channels.readers',
    `SELECT c.epoch, c."devicesVersion",
            ARRAY(SELECT v."accountId" FROM channel_reader v WHERE v."channelId" = c.id
                   ORDER BY v."accountId") AS "accountIds"
       FROM "Channel" c WHERE c.id = $1::uuid`,
    [channelId],
  );
  if (!keys) throw notFound();
  return { channelId, ...keys };
}

// Who reads what. Every change of membership, role, override or device comes through here inside its own
// transaction; open sockets are changed right after commit, before anything that announces the change.
import type { Deps } from '#server/deps.ts';
import type { Queryable } from '#server/platform/db.ts';
import type { Tx } from '#server/platform/transaction.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { Audience } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId, GroupId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import {
  channelsRead,
  diffReaders,
  findOverfull,
  listReaders,
  lockModes,
  openToMembers,
  rekeyChannels,
  setAudience,
  sliceEnd,
  type AudienceKind,
  type ChannelKeys,
  type ChannelMode,
  type ChannelScope,
  type ReaderChange,
  type Slice,
} from './audience.queries.ts';
import { communityOfChannel, communityOfGroup } from './communities.queries.ts';

/** What became of one channel's readers. */
export interface AudienceChange {
  readonly channelId: ChannelId;
  readonly communityId: CommunityId | null;
  readonly audience: AudienceKind;
  /** The kind of audience before. */
  readonly was: AudienceKind;
  readonly joined: readonly AccountId[];
  readonly left: readonly AccountId[];
  /** Readers by membership before and by row now. */
  readonly kept: readonly AccountId[];
}

/** Exactly the accounts that may read a channel, and get its keys. */
export function readersOf(q: Queryable, channelId: ChannelId): Promise<AccountId[]> {
  return listReaders(q, channelId);
}

/** Where a channel's events are heard: by the whole community, or by explicit readers. */
export function communityAudience(channel: {
  readonly channelId: ChannelId;
  readonly communityId: CommunityId | null;
  readonly audience: string;
}): Audience & { readonly to: 'channel' } {
  const { channelId, communityId, audience } = channel;
  return { to: 'channel', channelId, communityId: audience === 'community' ? communityId : null };
}

/** What a connection of this account hears: its communities, and the channels with explicit readers. */
export async function topicsOf(
  q: Queryable,
  accountId: AccountId,
): Promise<{ communityIds: CommunityId[]; channelIds: ChannelId[] }> {
  const members = await q.query<{ communityId: CommunityId }>(
    'audience.communities-of',
    'SELECT "communityId" FROM "Member" WHERE "accountId" = $1::uuid',
    [accountId],
  );
  const channels = await channelsRead(q, accountId);
  return {
    communityIds: members.map((row) => row.communityId),
    channelIds: channels.filter((row) => row.audience === 'restricted').map((row) => row.channelId),
  };
}

/** Refuses when one of the channels has more readers than the protocol can key (P11). */
export async function requireReaderRoom(q: Queryable, channelIds: readonly ChannelId[]): Promise<void> {
  const max = limits.readersPerChannel;
  if (channelIds.length === 0 || (await findOverfull(q, channelIds, max)) === null) return;
  throw new AppError({ code: 'limit_reached', limit: 'readersPerChannel', max });
}

async function diffAll(
  tx: Tx,
  deps: Deps,
  what: { communityId: CommunityId; channelIds: readonly ChannelId[]; accountId: AccountId | null },
): Promise<ReaderChange[]> {
  if (what.channelIds.length === 0) return [];
  const { communityId, channelIds, accountId } = what;
  const now = new Date(deps.clock.now());
  const changes: ReaderChange[] = [];
  let slice: Slice = { accountId, after: null, limit: limits.audienceSlice };
  for (;;) {
    for (const change of await diffReaders(tx, communityId, { channelIds, slice, now })) changes.push(change);
    const after = accountId === null ? await sliceEnd(tx, communityId, slice) : null;
    if (after === null) return changes;
    slice = { ...slice, after };
  }
}

const changedTo = (changes: readonly ReaderChange[], mode: ChannelMode): AudienceChange => {
  const of = (kind: ReaderChange['change']): AccountId[] =>
    changes.filter((c) => c.channelId === mode.channelId && c.change === kind).map((c) => c.accountId);
  return {
    channelId: mode.channelId,
    communityId: null,
    audience: mode.wanted,
    was: mode.audience,
    joined: of('joined'),
    left: of('left'),
    kept: of('kept'),
  };
};

function tellSockets(deps: Deps, change: AudienceChange): void {
  const { channelId, audience, was, joined, left, kept } = change;
  if (audience === 'community') {
    if (was === 'restricted') deps.live.dissolveChannel(channelId);
  } else if (joined.length + left.length + kept.length > 0) {
    deps.live.changeReaders(channelId, { joined: [...joined, ...kept], left });
  }
}

const publishRekeyed = (deps: Deps, row: ChannelKeys): void =>
  deps.live.publish(communityAudience(row), {
    type: 'channel.rekeyed',
    channelId: row.channelId,
    epoch: row.epoch,
    devicesVersion: row.devicesVersion,
  });

async function rekey(
  tx: Tx,
  deps: Deps,
  rows: readonly { channelId: ChannelId; lost: boolean; audience?: AudienceKind }[],
): Promise<void> {
  if (rows.length === 0) return;
  const keys = await rekeyChannels(tx, rows);
  tx.afterCommit(() => keys.forEach((row) => publishRekeyed(deps, row)));
}

/**
 * Writes down what `changes` say and tells sockets after commit: first who hears a channel, then that its keys
 * are to change. Refuses with `limit_reached` when a channel that gained a reader has too many now.
 */
async function settle(tx: Tx, deps: Deps, changes: readonly AudienceChange[]): Promise<void> {
  const moved = changes.filter((c) => c.joined.length + c.left.length > 0);
  for (const kind of ['community', 'restricted'] as const) {
    const flipped = changes.filter((c) => c.audience === kind && c.was !== kind && !moved.includes(c));
    if (flipped.length > 0)
      await setAudience(
        tx,
        flipped.map((c) => c.channelId),
        kind,
      );
  }
  tx.afterCommit(() => changes.forEach((change) => tellSockets(deps, change)));
  await rekey(
    tx,
    deps,
    moved.map(({ channelId, left, audience }) => ({ channelId, lost: left.length > 0, audience })),
  );
  await requireReaderRoom(
    tx,
    moved.filter((c) => c.joined.length > 0).map((c) => c.channelId),
  );
}

/** Which channels a change touches, and for whom: everybody, or one member. */
export interface RecomputeScope extends ChannelScope {
  readonly communityId: CommunityId;
  readonly accountId?: AccountId;
}

async function recomputeIn(tx: Tx, deps: Deps, scope: RecomputeScope): Promise<AudienceChange[]> {
  const { communityId, accountId = null } = scope;
  const modes = await lockModes(tx, communityId, scope);
  const idsOf = (list: readonly ChannelMode[]): ChannelId[] => list.map((mode) => mode.channelId);
  const restricted = modes.filter((mode) => mode.wanted === 'restricted');
  const opening = modes.filter((mode) => mode.wanted === 'community' && mode.audience === 'restricted');
  const found = await diffAll(tx, deps, { communityId, channelIds: idsOf(restricted), accountId });
  if (opening.length > 0) found.push(...(await openToMembers(tx, idsOf(opening))));
  const changes = [...restricted, ...opening]
    .map((mode) => ({ ...changedTo(found, mode), communityId }))
    .filter((c) => c.was !== c.audience || c.joined.length + c.left.length > 0);
  await settle(tx, deps, changes);
  return changes;
}

/**
 * Brings readers in line with roles and overrides. The caller holds the community's lock. Removals raise the
 * epoch, every change raises devicesVersion; sockets follow after commit. Returns what changed, for `announce`.
 */
export async function recompute(
  tx: Tx,
  deps: Deps,
  scope: RecomputeScope | { readonly groupId: GroupId } | { readonly channelId: ChannelId },
): Promise<AudienceChange[]> {
  if ('communityId' in scope) return recomputeIn(tx, deps, scope);
  const communityId =
    'groupId' in scope
      ? await communityOfGroup(tx, scope.groupId)
      : await communityOfChannel(tx, scope.channelId);
  if (communityId === null) throw notFound();
  return recomputeIn(tx, deps, { ...scope, communityId });
}

/** Joining locks the account's row too: a join under way is waited for, and its channels are among those read. */
async function lockChannelsRead(tx: Tx, accountId: AccountId): Promise<ChannelKeys[]> {
  const sql = 'SELECT id FROM "Account" WHERE id = $1::uuid FOR NO KEY UPDATE';
  await tx.query('audience.lock-account', sql, [accountId]);
  return channelsRead(tx, accountId);
}

async function publishDevicesChanged(
  tx: Tx,
  deps: Deps,
  who: { accountId: AccountId; channels: readonly ChannelKeys[] },
): Promise<void> {
  const { accountId, channels } = who;
  const [head] = await tx.query<{ seq: number | null }>(
    'audience.log-head',
    'SELECT max(seq) AS seq FROM "AccountLogEntry" WHERE "accountId" = $1::uuid',
    [accountId],
  );
  const event = { type: 'devices.changed', accountId, headSeq: head?.seq ?? 0 } as const;
  const communityIds = new Set(
    channels.flatMap((c) => (c.audience === 'community' && c.communityId !== null ? [c.communityId] : [])),
  );
  tx.afterCommit(() => {
    deps.live.publish({ to: 'account', accountId }, event);
    for (const communityId of communityIds) deps.live.publish({ to: 'community', communityId }, event);
    for (const channel of channels.filter((c) => c.audience === 'restricted')) {
      deps.live.publish(communityAudience(channel), event);
    }
  });
}

/**
 * A reader or a device is gone: epoch and devicesVersion of these channels (of every channel the account reads)
 * rise, locked in id order, and readers hear `channel.rekeyed`. With an account, everybody sharing a channel hears
 * `devices.changed` first.
 */
export async function bumpEpoch(
  tx: Tx,
  deps: Deps,
  scope: { readonly channelIds: readonly ChannelId[] } | { readonly accountId: AccountId },
): Promise<void> {
  if ('channelIds' in scope) {
    return rekey(
      tx,
      deps,
      scope.channelIds.map((channelId) => ({ channelId, lost: true })),
    );
  }
  const channels = await lockChannelsRead(tx, scope.accountId);
  await publishDevicesChanged(tx, deps, { accountId: scope.accountId, channels });
  await rekey(
    tx,
    deps,
    channels.map(({ channelId }) => ({ channelId, lost: true })),
  );
}

/**
 * A device was added: devicesVersion of every channel the account reads rises, readers hear `channel.rekeyed`,
 * everybody sharing a channel hears `devices.changed`.
 */
export async function bumpDevices(
  tx: Tx,
  deps: Deps,
  scope: { readonly accountId: AccountId },
): Promise<void> {
  const channels = await lockChannelsRead(tx, scope.accountId);
  await publishDevicesChanged(tx, deps, { accountId: scope.accountId, channels });
  await rekey(
    tx,
    deps,
    channels.map(({ channelId }) => ({ channelId, lost: false })),
  );
}

/** New readers of these channels: devicesVersion rises; refuses when a channel has too many readers now. */
export async function addReaders(tx: Tx, deps: Deps, channelIds: readonly ChannelId[]): Promise<void> {
  await rekey(
    tx,
    deps,
    channelIds.map((channelId) => ({ channelId, lost: false })),
  );
  await requireReaderRoom(tx, channelIds);
}

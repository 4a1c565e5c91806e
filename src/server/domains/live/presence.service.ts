// Presence, focus and typing: ephemeral, over the socket that asks.
import { requireAction } from '../../access.ts';
import type { Actor, Deps, DeviceActor } from '../../deps.ts';
import { topics } from '../../topics.ts';
import type { WebSocket } from 'ws';
import { AppError } from '#shared/errors.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import type { PresenceChoice, PresenceEntry } from '#shared/users.ts';
import { requireOwnAccount, visibleAccounts } from '../users/users.service.ts';
import type { Connection, Watch } from './presence-registry.ts';

/** What a procedure needs of the socket it came in on; these calls mean nothing over HTTP. */
export interface OnSocket {
  readonly socket: WebSocket;
}

function requireConnection(deps: Deps, via: OnSocket | undefined): Connection {
  const connection = via && deps.presence.connectionOf(via.socket);
  if (!connection) throw new AppError({ code: 'conflict', what: 'live' });
  return connection;
}

/** Stores the choice and shows it: `invisible` reads as offline to everybody else. */
export async function setPresence(
  deps: Deps,
  actor: Actor,
  input: { presence: PresenceChoice },
): Promise<void> {
  await deps.db.prisma.account.update({ where: { id: actor.accountId }, data: { presence: input.presence } });
  deps.presence.choose(actor.accountId, input.presence);
  const account = await requireOwnAccount(deps.db, actor.accountId);
  deps.live.publish({ to: 'account', accountId: actor.accountId }, { type: 'account.updated', account });
}

/** Watches exactly those of the named accounts that the actor may see; the others are left out silently. */
export async function watchPresence(
  deps: Deps,
  actor: Actor,
  input: { accountIds: readonly AccountId[]; via: OnSocket | undefined },
): Promise<PresenceEntry[]> {
  const connection = requireConnection(deps, input.via);
  const visible = await visibleAccounts(deps.db, actor.accountId, input.accountIds);
  const entries = deps.presence.watch(connection, visible);
  // Asked again now that a removal would find the watches: one between the two would have missed them.
  const still = await visibleAccounts(deps.db, actor.accountId, visible);
  return still.length === visible.length ? entries : deps.presence.watch(connection, still);
}

/**
 * Somebody left a community: they and those they no longer share anything with stop hearing of each other at once;
 * whoever they may still see is watched again.
 */
export async function partPresence(deps: Deps, accountId: AccountId): Promise<void> {
  const parted = deps.presence.part(accountId);
  if (parted.length === 0) return;
  const otherOf = (watch: Watch): AccountId =>
    watch.accountId === accountId ? watch.connection.data.accountId : watch.accountId;
  const others = [...new Set(parted.map(otherOf))];
  const visible = new Set(await visibleAccounts(deps.db, accountId, others));
  deps.presence.resume(parted.filter((watch) => visible.has(otherOf(watch))));
}

/** Says which channel this socket shows: typing in it is heard here. */
export async function focusChannel(
  deps: Deps,
  actor: DeviceActor,
  input: { channelId: ChannelId | null; via: OnSocket | undefined },
): Promise<void> {
  const connection = requireConnection(deps, input.via);
  const { channelId } = input;
  const facts = channelId ? await requireAction(deps.db, actor, 'channel.view', { channelId }) : null;
  const { data } = connection;
  if (data.focus) connection.leave(topics.focused(data.focus.channelId));
  data.focus = channelId && facts ? { channelId, communityId: facts.communityId ?? null } : null;
  if (!channelId) return;
  connection.join(topics.focused(channelId));
  await requireStillReader(deps, actor, { connection, channelId });
}

/** Asked again now that a revocation would find the focus: one between the two would have missed it. */
async function requireStillReader(
  deps: Deps,
  actor: DeviceActor,
  { connection, channelId }: { connection: Connection; channelId: ChannelId },
): Promise<void> {
  try {
    await requireAction(deps.db, actor, 'channel.view', { channelId });
  } catch (cause) {
    connection.leave(topics.focused(channelId));
    if (connection.data.focus?.channelId === channelId) connection.data.focus = null;
    throw cause;
  }
}

/** Tells those who look at the channel, at most once in 3 s. */
export async function sayTyping(
  deps: Deps,
  actor: DeviceActor,
  input: { channelId: ChannelId },
): Promise<void> {
  const { channelId } = input;
  await requireAction(deps.db, actor, 'message.send', { channelId });
  if (!deps.typing.say(actor.accountId, channelId)) return;
  deps.live.publish(
    { to: 'focused', channelId, except: actor.accountId },
    { type: 'typing.started', channelId, accountId: actor.accountId },
  );
}

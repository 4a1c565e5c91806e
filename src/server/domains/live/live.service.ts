// The live subscription and the bootstrap a client loads once it is open.
import type { DeviceActor, Deps } from '../../deps.ts';
import type { SocketInfo } from '../../context.ts';
import { topics } from '../../topics.ts';
import type { Queryable } from '../../platform/db.ts';
import { AppError } from '#shared/errors.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';
import type { Bootstrap, ChannelHead } from '#shared/live.ts';
import { topicsOf } from '../audience/audience.service.ts';
import { dmsOf } from '../channels/dms.service.ts';
import { communitiesOf, communityStructure } from '../communities/communities.service.ts';
import { requireOwnAccount } from '../users/users.service.ts';
import type { Connection } from './presence-registry.ts';

async function audienceTopics(q: Queryable, accountId: AccountId): Promise<Set<string>> {
  const { communityIds, channelIds } = await topicsOf(q, accountId);
  return new Set([...communityIds.map(topics.community), ...channelIds.map(topics.channel)]);
}

/** Whether membership decides who is in the topic. */
export const isAudience = (topic: string): boolean => /^(community|channel):/.test(topic);

/**
 * Joins what the account may hear now and leaves the rest. Membership may change while we read it, so we read until
 * two reads agree: a removal committed before the second read is seen by it, one committed later finds the
 * connection joined.
 */
export async function joinAudiences(deps: Deps, connection: Connection): Promise<void> {
  const { accountId } = connection.data;
  let joined = new Set([...connection.topics].filter(isAudience));
  for (;;) {
    const wanted = await audienceTopics(deps.db, accountId);
    const gone = [...joined].filter((topic) => !wanted.has(topic));
    const added = [...wanted].filter((topic) => !joined.has(topic));
    for (const topic of gone) connection.leave(topic);
    for (const topic of added) connection.join(topic);
    if (gone.length === 0 && added.length === 0) return;
    joined = wanted;
  }
}

/** Opens the one live subscription of this socket. Its first event is `live.opened`. */
export async function openLive(
  deps: Deps,
  actor: DeviceActor,
  via: { socket: SocketInfo | undefined; signal: AbortSignal | undefined },
): Promise<AsyncIterable<LiveEvent>> {
  const { socket, signal } = via;
  if (!socket || !signal) throw new AppError({ code: 'conflict', what: 'live' });
  const { accountId } = actor;
  const account = await requireOwnAccount(deps.db, accountId);
  const { connection, events } = socket.hub.open({
    socket: socket.socket,
    stream: socket.stream,
    signal,
    form: socket.form,
    topics: [
      topics.everyone,
      topics.account(accountId),
      topics.device(actor.deviceId),
      topics.session(actor.sessionId),
    ],
    hello: { type: 'live.opened', now: deps.clock.now() },
    data: { accountId, focus: null },
  });
  signal.addEventListener('abort', () => deps.presence.leave(connection), { once: true });
  connection.join(topics.connection(connection.id));
  await joinAudiences(deps, connection);
  if (!signal.aborted) deps.presence.arrive(socket.socket, connection, account.presence);
  return events;
}

interface HeadRow {
  readonly id: string;
  readonly lastSeq: number;
  readonly lastOrdinal: number;
  readonly epoch: number;
  readonly readSeq: number;
  readonly readOrdinal: number;
  readonly mentions: number;
  readonly lastMessageAt: Date | null;
  readonly devicesVersion: number;
}

/** One compact head per readable channel. A newcomer's base is what the log held when they joined. */
async function headsOf(q: Queryable, accountId: AccountId): Promise<ChannelHead[]> {
  const rows = await q.query<HeadRow>(
    'live.heads',
    `SELECT c.id, c."lastSeq", c."lastOrdinal", c.epoch, c."lastMessageAt", c."devicesVersion",
       GREATEST(COALESCE(cur."readSeq", 0), COALESCE(base.seq, 0)) AS "readSeq",
       GREATEST(COALESCE(cur."readOrdinal", 0), COALESCE(base.ordinal, 0)) AS "readOrdinal",
       COALESCE(cur.mentions, 0) AS mentions
     FROM channel_reader r JOIN "Channel" c ON c.id = r."channelId"
     LEFT JOIN "ChannelCursor" cur ON cur."channelId" = c.id AND cur."accountId" = r."accountId"
     LEFT JOIN LATERAL (
       SELECT e.seq, (SELECT m.ordinal FROM "ChannelEvent" m WHERE m."channelId" = c.id AND m.seq <= e.seq
           AND m.ordinal IS NOT NULL ORDER BY m.seq DESC LIMIT 1) AS ordinal
       FROM "ChannelEvent" e WHERE e."channelId" = c.id AND e."createdAt" < r."sinceAt"
       ORDER BY e."createdAt" DESC, e.seq DESC LIMIT 1
     ) base ON r."sinceAt" > c."createdAt" AND c."lastSeq" > 0
     WHERE r."accountId" = $1::uuid`,
    [accountId],
  );
  return rows.map((h) => [
    h.id as ChannelId,
    h.lastSeq,
    h.lastOrdinal,
    h.epoch,
    h.readSeq,
    h.readOrdinal,
    h.mentions,
    h.lastMessageAt?.getTime() ?? 0,
    h.devicesVersion,
  ]);
}

/** State a client applies events to. Call it after `live.opened`; structures of known versions are left out. */
export async function loadBootstrap(
  deps: Deps,
  actor: DeviceActor,
  input: { known: readonly (readonly [CommunityId, number])[] },
): Promise<Bootstrap> {
  const { db } = deps;
  const { accountId } = actor;
  const known = new Map(input.known);
  const memberships = await communitiesOf(db, accountId);
  const communities = [];
  for (const { communityId, version } of memberships) {
    const isKnown = known.get(communityId) === version;
    const structure = isKnown ? null : await communityStructure(db, accountId, communityId);
    communities.push({ communityId, version: structure?.version ?? version, structure });
  }
  return {
    now: deps.clock.now(),
    account: await requireOwnAccount(db, accountId),
    communities,
    dms: await dmsOf(db, accountId),
    heads: await headsOf(db, accountId),
  };
}

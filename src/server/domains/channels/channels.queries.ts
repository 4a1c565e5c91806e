// Order of groups in a community and of channels in a group: positions count from 0, without holes.
import type { Queryable } from '#server/platform/db.ts';
import type { GroupSummary } from '#shared/channels.ts';
import type { ChannelId, CommunityId, GroupId } from '#shared/ids.ts';

export function listGroupsInOrder(q: Queryable, communityId: CommunityId): Promise<GroupSummary[]> {
  const sql = `SELECT id AS "groupId", name, position FROM "Group" WHERE "communityId" = $1::uuid
    ORDER BY position, id`;
  return q.query<GroupSummary>('channels.groups', sql, [communityId]);
}

export interface ChannelPlace {
  readonly channelId: ChannelId;
  readonly groupId: GroupId | null;
  readonly position: number;
}

/** Every channel of a community, seen by the actor or not: caps and order count them all. */
export function listPlaces(q: Queryable, communityId: CommunityId): Promise<ChannelPlace[]> {
  const sql = `SELECT id AS "channelId", "groupId", position FROM "Channel" WHERE "communityId" = $1::uuid
    ORDER BY position, id`;
  return q.query<ChannelPlace>('channels.places', sql, [communityId]);
}

/** Writes an order; returns the ids whose position changed. */
export async function writeOrder<Id extends GroupId | ChannelId>(
  q: Queryable,
  table: 'Group' | 'Channel',
  order: readonly Id[],
): Promise<Id[]> {
  const rows = await q.query<{ id: Id }>(
    `channels.order-${table}`,
    `UPDATE "${table}" t SET position = u.n - 1 FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, n)
      WHERE t.id = u.id AND t.position <> u.n - 1 RETURNING t.id`,
    [order],
  );
  return rows.map((row) => row.id);
}

export async function countChannelsIn(q: Queryable, groupId: GroupId): Promise<number> {
  const sql = 'SELECT count(*)::int AS count FROM "Channel" WHERE "groupId" = $1::uuid';
  const [row] = await q.query<{ count: number }>('channels.count-in-group', sql, [groupId]);
  return row?.count ?? 0;
}

// Rows every structural change starts from: the community's lock and version, and what belongs to it.
import type { Queryable } from '#server/platform/db.ts';
import type { ChannelKind, ChannelSummary, GroupSummary, HistoryPolicy } from '#shared/channels.ts';
import type { AccountId, ChannelId, CommunityId, GroupId, RoleId } from '#shared/ids.ts';
import type { OverrideSummary } from '#shared/roles.ts';

export interface CommunityRow {
  readonly communityId: CommunityId;
  readonly version: number;
  readonly name: string;
  readonly description: string;
  readonly ownerId: AccountId;
  readonly memberCount: number;
}
export const communityColumns = `k.id AS "communityId", k.version, k.name, k.description, k."ownerId", k."memberCount"`;

export async function lockCommunityRow(q: Queryable, communityId: CommunityId): Promise<CommunityRow | null> {
  const sql = `SELECT ${communityColumns} FROM "Community" k WHERE k.id = $1::uuid FOR NO KEY UPDATE`;
  return (await q.query<CommunityRow>('audience.lock-community', sql, [communityId]))[0] ?? null;
}

export async function raiseCommunityVersion(
  q: Queryable,
  communityId: CommunityId,
  by: { readonly versions: number; readonly members: number },
): Promise<CommunityRow | null> {
  const rows = await q.query<CommunityRow>(
    'audience.raise-version',
    `UPDATE "Community" k SET version = k.version + $2::int, "memberCount" = k."memberCount" + $3::int
      WHERE k.id = $1::uuid RETURNING ${communityColumns}`,
    [communityId, by.versions, by.members],
  );
  return rows[0] ?? null;
}

const communityOf = async (q: Queryable, table: 'Channel' | 'Group' | 'Role', id: string) => {
  const sql = `SELECT "communityId" FROM "${table}" WHERE id = $1::uuid`;
  const [row] = await q.query<{ communityId: CommunityId | null }>(`audience.community-of-${table}`, sql, [
    id,
  ]);
  return row?.communityId ?? null;
};
/** The community a channel, group or role belongs to, for ever; null when there is none. */
export const communityOfChannel = (q: Queryable, id: ChannelId): Promise<CommunityId | null> =>
  communityOf(q, 'Channel', id);
export const communityOfGroup = (q: Queryable, id: GroupId): Promise<CommunityId | null> =>
  communityOf(q, 'Group', id);
export const communityOfRole = (q: Queryable, id: RoleId): Promise<CommunityId | null> =>
  communityOf(q, 'Role', id);

export interface ChannelRow {
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
  readonly epoch: number;
  readonly createdAt: Date;
  readonly audience: 'community' | 'restricted';
}
export const channelColumns = `c.id AS "channelId", c."communityId", c."groupId", c.kind, c.name, c.topic, c.position,
  c."isReadOnly", c."archivedAt" IS NOT NULL AS "isArchived", c."slowModeMs",
  CASE WHEN c."isEphemeral" THEN 'ephemeral' WHEN c."historySharedAt" IS NOT NULL AND c."historySharedUntil" IS NULL THEN 'shared' ELSE 'since_join' END
    AS "historyPolicy",
  c.epoch, c."createdAt", c.audience`;

/** What clients are told of a channel. */
export const channelSummaryOf = ({ audience: _, createdAt, ...row }: ChannelRow): ChannelSummary => ({
  ...row,
  createdAt: createdAt.getTime(),
});

export function listChannels(q: Queryable, channelIds: readonly ChannelId[]): Promise<ChannelRow[]> {
  const sql = `SELECT ${channelColumns} FROM "Channel" c WHERE c.id = ANY($1::uuid[]) ORDER BY c.id`;
  return q.query<ChannelRow>('audience.channels', sql, [channelIds]);
}

export function listGroups(q: Queryable, groupIds: readonly GroupId[]): Promise<GroupSummary[]> {
  const sql =
    'SELECT g.id AS "groupId", g.name, g.position FROM "Group" g WHERE g.id = ANY($1::uuid[]) ORDER BY g.id';
  return q.query<GroupSummary>('audience.groups', sql, [groupIds]);
}

/** Overrides standing at these groups or channels. */
export function listOverrides(
  q: Queryable,
  at: { readonly groupIds: readonly GroupId[]; readonly channelIds: readonly ChannelId[] },
): Promise<OverrideSummary[]> {
  return q.query<OverrideSummary>(
    'audience.overrides',
    `SELECT o."groupId", o."channelId", o."roleId", o."accountId", o.allow, o.deny FROM "Override" o
      WHERE o."groupId" = ANY($1::uuid[]) OR o."channelId" = ANY($2::uuid[]) ORDER BY o.id`,
    [at.groupIds, at.channelIds],
  );
}

// Loads the facts an action is decided on, and decides. Two prepared statements: one for a community and who or
// what is acted on in it, one for a channel. Services call it inside their own transaction.
import { AppError, notFound } from '#shared/errors.ts';
import type { AccountId, ChannelId, CommunityId, EventId, GroupId, RoleId } from '#shared/ids.ts';
import {
  decide,
  dmBits,
  ownerRank,
  permission,
  resolveBits,
  type Action,
  type ChannelFacts,
  type CommunityFacts,
  type Facts,
  type InstanceRole,
  type OverrideSet,
} from '#shared/permissions.ts';
import type { Actor } from './deps.ts';
import type { Queryable } from './platform/db.ts';

/** What an action is about. Ids of other communities than the one named read as absent. */
export interface AccessRefs {
  readonly communityId?: CommunityId;
  readonly groupId?: GroupId;
  readonly channelId?: ChannelId;
  readonly targetAccountId?: AccountId;
  readonly roleId?: RoleId;
  readonly messageEventId?: EventId;
  readonly inviteCode?: string;
  /** Bits handed out with a role (default: all the role has), and the place it moves to. */
  readonly grant?: { readonly bits: number; readonly position?: number };
  /** Bits an override would change. */
  readonly changedBits?: number;
}

/** Overrides that speak of one member, by place and subject. */
interface OverrideRow {
  readonly at: 'group' | 'channel';
  readonly of: 'everyone' | 'role' | 'member';
  readonly allow: number;
  readonly deny: number;
}

interface PersonRow {
  readonly instanceRole: InstanceRole;
  readonly isSuspended: boolean;
  readonly isOwner: boolean;
  readonly isMember: boolean;
  readonly isBanned: boolean;
  readonly everyone: number | null;
  readonly roleBits: number | null;
  readonly rank: number | null;
  readonly overrides: readonly OverrideRow[] | null;
}

interface CommunityRow extends PersonRow {
  readonly communityId: CommunityId | null;
  readonly groupId: GroupId | null;
  readonly readsInGroup: boolean;
  readonly targetId: AccountId | null;
  readonly targetInstanceRole: InstanceRole | null;
  readonly targetIsMember: boolean;
  readonly targetIsOwner: boolean;
  readonly targetRank: number | null;
  readonly rolePosition: number | null;
  readonly roleOwnBits: number | null;
  readonly inviteCreatorId: AccountId | null;
}

interface ChannelRow extends PersonRow {
  /** What is loaded of a community changes only together with its version. */
  readonly communityVersion: number | null;
  readonly channelId: ChannelId | null;
  readonly communityId: CommunityId | null;
  readonly groupId: GroupId | null;
  readonly kind: ChannelFacts['kind'];
  readonly audience: 'community' | 'restricted';
  readonly isReadOnly: boolean;
  readonly isArchived: boolean;
  readonly slowModeMs: number;
  readonly epoch: number;
  readonly devicesVersion: number;
  readonly isReader: boolean;
  readonly messageSenderId: AccountId | null;
}

/** A member's own part, the same for both statements: `a` is the account, `k` the community, `e` its everyone role. */
const personColumns = `
  a."instanceRole", a."suspendedAt" IS NOT NULL AS "isSuspended",
  coalesce(k."ownerId" = a.id, false) AS "isOwner", m."accountId" IS NOT NULL AS "isMember",
  EXISTS (SELECT 1 FROM "Ban" b WHERE b."communityId" = k.id AND b."accountId" = a.id) AS "isBanned",
  e.bits AS everyone, held.bits AS "roleBits", held.rank`;
const personJoins = `
  LEFT JOIN "Member" m ON m."communityId" = k.id AND m."accountId" = a.id
  LEFT JOIN "Role" e ON e."communityId" = k.id AND e.position = 0
  LEFT JOIN LATERAL (
    SELECT bit_or(r.bits) AS bits, max(r.position) AS rank, array_agg(r.id) AS ids
      FROM "MemberRole" x JOIN "Role" r ON r.id = x."roleId"
     WHERE x."communityId" = k.id AND x."accountId" = a.id) held ON true`;
const overridesWhere = (place: string): string => `
  (SELECT json_agg(json_build_object(
            'at', CASE WHEN o."channelId" IS NULL THEN 'group' ELSE 'channel' END,
            'of', CASE WHEN o."accountId" IS NOT NULL THEN 'member' WHEN o."roleId" = e.id THEN 'everyone' ELSE 'role' END,
            'allow', o.allow, 'deny', o.deny))
     FROM "Override" o
    WHERE (${place}) AND (o."accountId" = a.id OR o."roleId" = e.id OR o."roleId" = ANY(held.ids))) AS overrides`;

const communitySql = `
SELECT ${personColumns}, k.id AS "communityId", g.id AS "groupId", ${overridesWhere('o."groupId" = g.id')},
       EXISTS (SELECT 1 FROM "Channel" c JOIN channel_reader v ON v."channelId" = c.id
                WHERE c."groupId" = g.id AND v."accountId" = a.id) AS "readsInGroup",
       t.id AS "targetId", t."instanceRole" AS "targetInstanceRole",
       EXISTS (SELECT 1 FROM "Member" y WHERE y."communityId" = k.id AND y."accountId" = t.id) AS "targetIsMember",
       coalesce(k."ownerId" = t.id, false) AS "targetIsOwner",
       (SELECT max(r.position) FROM "MemberRole" x JOIN "Role" r ON r.id = x."roleId"
         WHERE x."communityId" = k.id AND x."accountId" = t.id) AS "targetRank",
       z.position AS "rolePosition", z.bits AS "roleOwnBits", i."createdById" AS "inviteCreatorId"
  FROM "Account" a
  LEFT JOIN "Community" k ON k.id = $2::uuid
  ${personJoins}
  LEFT JOIN "Group" g ON g.id = $3::uuid AND g."communityId" = k.id
  LEFT JOIN "Account" t ON t.id = $4::uuid
  LEFT JOIN "Role" z ON z.id = $5::uuid AND z."communityId" = k.id
  LEFT JOIN "Invite" i ON i.code = $6::text AND i."communityId" = k.id
 WHERE a.id = $1::uuid AND a."deletedAt" IS NULL`;

const channelSql = `
SELECT ${personColumns}, k.version AS "communityVersion", c.id AS "channelId", c."communityId", c."groupId", c.kind, c.audience, c."isReadOnly",
       c."archivedAt" IS NOT NULL AS "isArchived", c."slowModeMs", c.epoch, c."devicesVersion",
       EXISTS (SELECT 1 FROM channel_reader v WHERE v."channelId" = c.id AND v."accountId" = a.id) AS "isReader",
       ${overridesWhere('o."channelId" = c.id OR o."groupId" = c."groupId"')},
       (SELECT v."senderAccountId" FROM "ChannelEvent" v
         WHERE v."channelId" = c.id AND v."eventId" = $3::uuid) AS "messageSenderId"
  FROM "Account" a LEFT JOIN "Channel" c ON c.id = $2::uuid LEFT JOIN "Community" k ON k.id = c."communityId"
  ${personJoins}
 WHERE a.id = $1::uuid AND a."deletedAt" IS NULL`;

/** The overrides of one place as `resolveBits` takes them. */
export function overrideSet(rows: readonly OverrideRow[] | null, at: OverrideRow['at']): OverrideSet {
  const here = (rows ?? []).filter((row) => row.at === at);
  const everyone = here.find((row) => row.of === 'everyone');
  const member = here.find((row) => row.of === 'member');
  return {
    ...(everyone && { everyone }),
    roles: here.filter((row) => row.of === 'role'),
    ...(member && { member }),
  };
}

const bitsOf = (row: PersonRow, levels: readonly OverrideSet[]): number =>
  row.isMember && row.everyone !== null
    ? resolveBits({ isOwner: row.isOwner, everyone: row.everyone, roles: [row.roleBits ?? 0], levels })
    : 0;

const communityFactsOf = (row: PersonRow): CommunityFacts => ({
  isMember: row.isMember,
  isOwner: row.isOwner && row.isMember,
  isBanned: row.isBanned,
  bits: bitsOf(row, []),
  rank: row.isOwner ? ownerRank : (row.rank ?? 0),
});

/** A channel's row as the facts were loaded from it, for services that need it next. */
export type ChannelAccess = Pick<
  ChannelRow,
  'communityId' | 'groupId' | 'kind' | 'audience' | 'slowModeMs' | 'epoch' | 'devicesVersion'
> & { readonly channelId: ChannelId };

/** Facts and where they hold: the community, null for a direct message, absent when no place was named. */
export type LoadedFacts = Facts & Partial<Pick<ChannelRow, 'communityId' | 'communityVersion'>>;

export interface LoadedChannel {
  readonly facts: LoadedFacts;
  /** Null when there is no such channel. */
  readonly channel: ChannelAccess | null;
}

/**
 * Facts about one account in one channel, by one prepared statement; `messageEventId` adds whether it wrote that
 * event. Throws `unauthenticated` when the account is gone.
 */
export async function loadChannelFacts(
  q: Queryable,
  accountId: AccountId,
  refs: { readonly channelId: ChannelId; readonly messageEventId?: EventId | undefined },
): Promise<LoadedChannel> {
  const params = [accountId, refs.channelId, refs.messageEventId ?? null];
  const [row] = await q.query<ChannelRow>('access.channel', channelSql, params);
  if (!row) throw new AppError({ code: 'unauthenticated' });
  const facts: Facts = { instanceRole: row.instanceRole, isSuspended: row.isSuspended };
  const { channelId } = row;
  if (channelId === null) return { facts, channel: null };
  const levels = [overrideSet(row.overrides, 'group'), overrideSet(row.overrides, 'channel')];
  return {
    facts: {
      ...facts,
      communityId: row.communityId,
      communityVersion: row.communityVersion,
      community: row.communityId === null ? undefined : communityFactsOf(row),
      channel: {
        kind: row.kind,
        isReader: row.isReader,
        bits: row.communityId === null ? dmBits : bitsOf(row, levels),
        isReadOnly: row.isReadOnly,
        isArchived: row.isArchived,
      },
      message: row.messageSenderId === null ? undefined : { isAuthor: row.messageSenderId === accountId },
    },
    channel: { ...row, channelId },
  };
}

const targetFactsOf = (row: CommunityRow, accountId: AccountId): Facts['target'] =>
  row.targetId === null || row.targetInstanceRole === null
    ? undefined
    : {
        isSelf: row.targetId === accountId,
        rank: row.targetIsOwner ? ownerRank : (row.targetRank ?? 0),
        instanceRole: row.targetInstanceRole,
        isMember: row.targetIsMember,
      };

function targetRoleOf(row: CommunityRow, refs: AccessRefs): Facts['targetRole'] {
  if (refs.roleId !== undefined && row.rolePosition === null) return undefined;
  if (refs.roleId === undefined && refs.grant === undefined) return undefined;
  const position = Math.max(row.rolePosition ?? 0, refs.grant?.position ?? 0);
  return { position, bits: refs.grant?.bits ?? row.roleOwnBits ?? 0 };
}

/**
 * Facts about one account in one community, and about the group, person, role or invite acted on there.
 * Throws `unauthenticated` when the account is gone.
 */
export async function loadCommunityFacts(
  q: Queryable,
  accountId: AccountId,
  refs: AccessRefs,
): Promise<LoadedFacts> {
  const ids = [refs.communityId, refs.groupId, refs.targetAccountId, refs.roleId, refs.inviteCode];
  const [row] = await q.query<CommunityRow>('access.community', communitySql, [
    accountId,
    ...ids.map((id) => id ?? null),
  ]);
  if (!row) throw new AppError({ code: 'unauthenticated' });
  const facts: Facts = { instanceRole: row.instanceRole, isSuspended: row.isSuspended };
  if (row.communityId === null) return facts;
  const groupBits = bitsOf(row, [overrideSet(row.overrides, 'group')]);
  const isVisible = row.isOwner || row.readsInGroup || (groupBits & permission.view) !== 0;
  return {
    ...facts,
    communityId: row.communityId,
    community: communityFactsOf(row),
    group: row.groupId === null ? undefined : { isVisible: isVisible && row.isMember, bits: groupBits },
    target: targetFactsOf(row, accountId),
    targetRole: targetRoleOf(row, refs),
    changedBits: refs.changedBits,
    invite: row.inviteCreatorId === null ? undefined : { isCreator: row.inviteCreatorId === accountId },
  };
}

/** Facts of a channel and, where the action names more than the channel, of its community. */
async function loadFacts(q: Queryable, accountId: AccountId, refs: AccessRefs): Promise<LoadedFacts> {
  const { channelId, messageEventId } = refs;
  if (channelId === undefined) return loadCommunityFacts(q, accountId, refs);
  const { facts, channel } = await loadChannelFacts(q, accountId, { channelId, messageEventId });
  const isElsewhere = refs.communityId !== undefined && channel?.communityId !== refs.communityId;
  if (channel === null || isElsewhere) throw notFound();
  const actsOnMore = refs.targetAccountId ?? refs.roleId ?? refs.grant ?? refs.changedBits;
  if (actsOnMore === undefined || channel.communityId === null) return facts;
  const around = await loadCommunityFacts(q, accountId, { ...refs, communityId: channel.communityId });
  return { ...around, channel: facts.channel, message: facts.message };
}

/**
 * Refuses what the policy refuses: `not_found` for what one may not see, else `forbidden` with the reason.
 * Named things that do not exist (or belong elsewhere) are `not_found` too. Returns the facts it decided on.
 */
// eslint-disable-next-line max-params -- reads as the sentence it is, at every call: who may do what to what
export async function requireAction(
  q: Queryable,
  actor: Actor,
  action: Action,
  refs: AccessRefs,
): Promise<LoadedFacts> {
  const facts = await loadFacts(q, actor.accountId, refs);
  const decision = decide(action, facts);
  if (!decision.ok) {
    throw decision.reason === 'not_found'
      ? notFound()
      : new AppError({ code: 'forbidden', reason: decision.reason });
  }
  const isMissing =
    (refs.groupId !== undefined && refs.channelId === undefined && !facts.group) ||
    (refs.roleId !== undefined && !facts.targetRole) ||
    (refs.targetAccountId !== undefined && !facts.target) ||
    (refs.messageEventId !== undefined && !facts.message) ||
    (refs.inviteCode !== undefined && !facts.invite);
  if (isMissing) throw notFound();
  return facts;
}

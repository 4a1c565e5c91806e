// People come and go: joining, leaving, kicks and bans. Sockets and epochs change before anybody is told.
import { requireAction } from '#server/access.ts';
import type { Actor, Deps } from '#server/deps.ts';
import type { Queryable } from '#server/platform/db.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import type { BanSummary, CommunityStructure, MembersPage, MemberSummary } from '#shared/communities.ts';
import { AppError, forbidden, notFound } from '#shared/errors.ts';
import type { Audience, LeaveReason } from '#shared/events.ts';
import type { AccountId, CommunityId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { OverrideSummary } from '#shared/roles.ts';
import type { Profile } from '#shared/users.ts';
import { admitReader, endGrants, expelReader } from '../audience/members.service.ts';
import {
  channelAudience,
  groupAudiences,
  lockCommunity,
  overrideChanged,
  raiseVersion,
  type CommunityRow,
} from '../audience/structure.service.ts';
import { loadProfiles } from '../users/users.service.ts';
import {
  findMember,
  isBanned,
  listBans,
  pageMembers,
  revokeInvitesOf,
  type MemberRow,
} from './communities.queries.ts';
import { communityStructure, requireCommunityRoom } from './communities.service.ts';

interface Who {
  readonly communityId: CommunityId;
  readonly accountId: AccountId;
}

async function profilesById(
  q: Queryable,
  accountIds: readonly AccountId[],
): Promise<Map<AccountId, Profile>> {
  const profiles = await loadProfiles(q, accountIds);
  return new Map(profiles.map((profile) => [profile.accountId, profile]));
}

async function memberSummaries(q: Queryable, rows: readonly MemberRow[]): Promise<MemberSummary[]> {
  const profiles = await profilesById(
    q,
    rows.map((row) => row.accountId),
  );
  return rows.flatMap(({ accountId, nickname, roleIds, joinedAt }) => {
    const profile = profiles.get(accountId);
    return profile ? [{ profile, nickname, roleIds, joinedAt: joinedAt.getTime() }] : [];
  });
}

export async function listMembers(
  deps: Deps,
  actor: Actor,
  input: {
    readonly communityId: CommunityId;
    readonly after?: { readonly joinedAt: number; readonly accountId: AccountId } | undefined;
    readonly limit: number;
  },
): Promise<MembersPage> {
  const { communityId, after, limit } = input;
  await requireAction(deps.db, actor, 'member.list', { communityId });
  const rows = await pageMembers(deps.db, communityId, {
    after: after ? { ...after, joinedAt: new Date(after.joinedAt) } : null,
    limit: limit + 1,
  });
  return { members: await memberSummaries(deps.db, rows.slice(0, limit)), hasMore: rows.length > limit };
}

/** Refuses the banned, and the one too many. */
async function requireAdmission(tx: Tx, community: CommunityRow, accountId: AccountId): Promise<void> {
  if (await isBanned(tx, community.communityId, accountId)) throw forbidden('banned');
  const max = limits.communityMembers;
  if (community.memberCount >= max)
    throw new AppError({ code: 'limit_reached', limit: 'communityMembers', max });
  await requireCommunityRoom(tx, accountId);
}

/**
 * Makes somebody a member. The caller holds the community's lock and knows they are none yet. Throws
 * `forbidden{banned}` and `limit_reached`. Own sockets enter first; then they are shown the community, and
 * everybody is shown them.
 */
export async function joinCommunity(
  tx: Tx,
  deps: Deps,
  who: { readonly community: CommunityRow; readonly accountId: AccountId },
): Promise<CommunityStructure> {
  const { accountId } = who;
  const { communityId } = who.community;
  await requireAdmission(tx, who.community, accountId);
  const joinedAt = new Date(deps.clock.now());
  await tx.prisma.member.create({ data: { communityId, accountId, joinedAt } });
  const { version, memberCount } = await raiseVersion(tx, communityId, { members: 1 });
  await admitReader(tx, deps, { communityId, accountId });
  const community = await communityStructure(tx, accountId, communityId);
  const row = await findMember(tx, communityId, accountId);
  const [member] = row ? await memberSummaries(tx, [row]) : [];
  if (!community || !member) throw notFound();
  tx.afterCommit(() => {
    deps.live.publish({ to: 'account', accountId }, { type: 'community.joined', community });
    deps.live.publish(
      { to: 'community', communityId },
      { type: 'member.joined', communityId, version, member, memberCount },
    );
  });
  return community;
}

/** The structure of a member, or null: joining twice is no error. */
export const findOwnStructure = (q: Queryable, who: Who): Promise<CommunityStructure | null> =>
  communityStructure(q, who.accountId, who.communityId);

/** Those who see the places hear that overrides by name are gone. */
export async function publishEndedGrants(
  tx: Tx,
  deps: Deps,
  what: { community: CommunityRow; overrides: readonly OverrideSummary[] },
): Promise<void> {
  const { community } = what;
  for (const override of what.overrides) {
    const audiences: readonly Audience[] = override.channelId
      ? [await channelAudience(tx, override.channelId)]
      : override.groupId
        ? (await groupAudiences(tx, community, override.groupId)).audiences
        : [];
    const event = overrideChanged(community, override);
    tx.afterCommit(() => audiences.forEach((audience) => deps.live.publish(audience, event)));
  }
}

/** Ends a membership; the caller holds the community's lock. Epochs rise in every channel they read. */
export async function removeMember(
  tx: Tx,
  deps: Deps,
  gone: Who & { readonly reason: LeaveReason },
): Promise<void> {
  const { communityId, accountId, reason } = gone;
  await expelReader(tx, deps, { communityId, accountId });
  const overrides = await endGrants(tx, { communityId, accountId });
  await tx.prisma.member.delete({ where: { communityId_accountId: { communityId, accountId } } });
  const community = await raiseVersion(tx, communityId, { members: -1 });
  const { version, memberCount } = community;
  tx.afterCommit(() => {
    deps.live.publish({ to: 'account', accountId }, { type: 'community.left', communityId, reason });
    deps.live.publish(
      { to: 'community', communityId },
      { type: 'member.left', communityId, version, accountId, reason, memberCount },
    );
  });
  await publishEndedGrants(tx, deps, { community, overrides });
}

export function leaveCommunity(
  deps: Deps,
  actor: Actor,
  input: { readonly communityId: CommunityId },
): Promise<void> {
  const { communityId } = input;
  const { accountId } = actor;
  return transaction(deps.db, async (tx) => {
    await lockCommunity(tx, communityId);
    await requireAction(tx, actor, 'community.leave', { communityId });
    await removeMember(tx, deps, { communityId, accountId, reason: 'left' });
  });
}

export function kickMember(deps: Deps, actor: Actor, input: Who): Promise<void> {
  const { communityId, accountId } = input;
  return transaction(deps.db, async (tx) => {
    await lockCommunity(tx, communityId);
    await requireAction(tx, actor, 'member.kick', { communityId, targetAccountId: accountId });
    await revokeInvitesOf(tx, { ...input, now: new Date(deps.clock.now()) });
    await removeMember(tx, deps, { communityId, accountId, reason: 'kicked' });
  });
}

/** Bans a member, or somebody who is none yet. The first ban's reason stays. */
export function banMember(
  deps: Deps,
  actor: Actor,
  input: Who & { readonly reason?: string | undefined },
): Promise<void> {
  const { communityId, accountId, reason = '' } = input;
  return transaction(deps.db, async (tx) => {
    await lockCommunity(tx, communityId);
    const facts = await requireAction(tx, actor, 'member.ban', { communityId, targetAccountId: accountId });
    const now = new Date(deps.clock.now());
    await tx.prisma.ban.upsert({
      where: { communityId_accountId: { communityId, accountId } },
      create: { communityId, accountId, reason, bannedById: actor.accountId, createdAt: now },
      update: {},
    });
    await revokeInvitesOf(tx, { communityId, accountId, now });
    if (facts.target?.isMember) await removeMember(tx, deps, { communityId, accountId, reason: 'banned' });
  });
}

export function unbanMember(deps: Deps, actor: Actor, input: Who): Promise<void> {
  const { communityId, accountId } = input;
  return transaction(deps.db, async (tx) => {
    await requireAction(tx, actor, 'member.unban', { communityId });
    const { count } = await tx.prisma.ban.deleteMany({ where: { communityId, accountId } });
    if (count === 0) throw notFound();
  });
}

/** Newest first, at most 1,000. */
export async function getBans(
  deps: Deps,
  actor: Actor,
  input: { readonly communityId: CommunityId },
): Promise<readonly BanSummary[]> {
  await requireAction(deps.db, actor, 'member.unban', input);
  const rows = await listBans(deps.db, input.communityId);
  const profiles = await profilesById(
    deps.db,
    rows.map((row) => row.accountId),
  );
  return rows.flatMap(({ accountId, reason, bannedBy, createdAt }) => {
    const profile = profiles.get(accountId);
    return profile ? [{ profile, reason, bannedBy, createdAt: createdAt.getTime() }] : [];
  });
}

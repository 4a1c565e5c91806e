// Who holds which role. One member's view may change: they are shown what they gained and told what they lost.
import { requireAction } from '#server/access.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, CommunityId, GroupId, RoleId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { recompute } from '../audience/audience.service.ts';
import {
  announce,
  communityOfRole,
  groupEvents,
  groupsSeenBy,
  lockCommunity,
  raiseVersion,
  type CommunityRow,
} from '../audience/structure.service.ts';
import { findMemberRoles, listGroupIds } from './roles.queries.ts';

interface Assignment {
  readonly roleId: RoleId;
  readonly accountId: AccountId;
}

/** Groups the member sees that they did not see, and the other way round. */
async function publishGroupChanges(
  tx: Tx,
  deps: Deps,
  what: { community: CommunityRow; accountId: AccountId; before: Set<GroupId>; after: Set<GroupId> },
): Promise<void> {
  const { community, accountId, before, after } = what;
  const { communityId, version } = community;
  const gained = await groupEvents(
    tx,
    community,
    [...after].filter((id) => !before.has(id)),
  );
  const lost = [...before].filter((id) => !after.has(id));
  const events: LiveEvent[] = [
    ...gained,
    ...lost.map((groupId): LiveEvent => ({ type: 'group.deleted', communityId, version, groupId })),
  ];
  tx.afterCommit(() => events.forEach((event) => deps.live.publish({ to: 'account', accountId }, event)));
}

async function publishMember(
  tx: Tx,
  deps: Deps,
  what: { community: CommunityRow; accountId: AccountId },
): Promise<void> {
  const { accountId } = what;
  const { communityId, version } = what.community;
  const member = await findMemberRoles(tx, communityId, accountId);
  if (!member) throw notFound();
  const event: LiveEvent = { type: 'member.updated', communityId, version, accountId, ...member };
  tx.afterCommit(() => deps.live.publish({ to: 'community', communityId }, event));
}

/** Does the change of one member's roles and everything that follows from it. */
async function changeRoles(
  tx: Tx,
  deps: Deps,
  what: { communityId: CommunityId; accountId: AccountId; change: () => Promise<void> },
): Promise<void> {
  const { communityId, accountId } = what;
  const groupIds = await listGroupIds(tx, communityId);
  const before = await groupsSeenBy(tx, communityId, { accountId, groupIds });
  await what.change();
  const changes = await recompute(tx, deps, { communityId, accountId });
  const after = await groupsSeenBy(tx, communityId, { accountId, groupIds });
  const community = await raiseVersion(tx, communityId);
  await publishMember(tx, deps, { community, accountId });
  await announce(tx, deps, { community, changes });
  await publishGroupChanges(tx, deps, { community, accountId, before, after });
}

async function requireAssignment(
  tx: Tx,
  actor: Actor,
  input: Assignment & { readonly grant?: { readonly bits: number } },
): Promise<{ communityId: CommunityId; held: readonly RoleId[] }> {
  const { roleId, accountId, grant } = input;
  const { communityId } = await lockCommunity(tx, await communityOfRole(tx, roleId));
  const refs = { communityId, roleId, targetAccountId: accountId, ...(grant && { grant }) };
  const facts = await requireAction(tx, actor, 'role.assign', refs);
  if (facts.targetRole?.position === 0) throw new AppError({ code: 'conflict', what: 'everyone_role' });
  const member = await findMemberRoles(tx, communityId, accountId);
  return { communityId, held: member?.roleIds ?? [] };
}

/** Gives a role one ranks above, with no bit one lacks, to somebody one outranks (or oneself). */
export function assignRole(deps: Deps, actor: Actor, input: Assignment): Promise<void> {
  const { roleId, accountId } = input;
  return transaction(deps.db, async (tx) => {
    const { communityId, held } = await requireAssignment(tx, actor, input);
    if (held.includes(roleId)) return;
    if (held.length >= limits.rolesPerMember) {
      throw new AppError({ code: 'limit_reached', limit: 'rolesPerMember', max: limits.rolesPerMember });
    }
    const change = async (): Promise<void> => {
      await tx.prisma.memberRole.create({ data: { communityId, accountId, roleId } });
    };
    await changeRoles(tx, deps, { communityId, accountId, change });
  });
}

export function unassignRole(deps: Deps, actor: Actor, input: Assignment): Promise<void> {
  const { roleId, accountId } = input;
  return transaction(deps.db, async (tx) => {
    const { communityId, held } = await requireAssignment(tx, actor, { ...input, grant: { bits: 0 } });
    if (!held.includes(roleId)) return;
    const change = async (): Promise<void> => {
      await tx.prisma.memberRole.deleteMany({ where: { communityId, accountId, roleId } });
    };
    await changeRoles(tx, deps, { communityId, accountId, change });
  });
}

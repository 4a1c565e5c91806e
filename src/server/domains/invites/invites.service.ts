// One link carries a signed-out person through registration into the community. Codes hold 96 random bits.
import { toBase64Url } from '#crypto/verify.ts';
import { requireAction } from '#server/access.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { requireDiskRoom } from '#server/disk-room.ts';
import { randomToken } from '#server/platform/ids.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import { AppError } from '#shared/errors.ts';
import type { AccountId, CommunityId } from '#shared/ids.ts';
import type { InvitePreview, InviteSummary } from '#shared/invites.ts';
import { limits } from '#shared/limits.ts';
import { permission } from '#shared/permissions.ts';
import { lockCommunity } from '../audience/structure.service.ts';
import { findOwnStructure, joinCommunity } from '../communities/members.service.ts';
import { loadProfiles } from '../users/users.service.ts';
import {
  communityOfInvite,
  countLiveInvites,
  findPreview,
  hasReaderRoom,
  listLiveInvites,
  takeUse,
} from './invites.queries.ts';

export { communityOfInvite } from './invites.queries.ts';

const inviteInvalid = (): AppError => new AppError({ code: 'invite_invalid' });

async function requireInviteRoom(tx: Tx, communityId: CommunityId, now: Date): Promise<void> {
  const { invitesPerCommunity, readersPerChannel } = limits;
  if ((await countLiveInvites(tx, communityId, now)) >= invitesPerCommunity) {
    throw new AppError({ code: 'limit_reached', limit: 'invitesPerCommunity', max: invitesPerCommunity });
  }
  if (!(await hasReaderRoom(tx, communityId, readersPerChannel))) {
    throw new AppError({ code: 'limit_reached', limit: 'readersPerChannel', max: readersPerChannel });
  }
}

/** Throws `limit_reached` when nobody could join by it: the channels are full. */
export function createInvite(
  deps: Deps,
  actor: Actor,
  input: {
    readonly communityId: CommunityId;
    readonly maxUses?: number | undefined;
    readonly expiresInMs?: number | undefined;
  },
): Promise<InviteSummary> {
  const { communityId, maxUses = null, expiresInMs } = input;
  return transaction(deps.db, async (tx) => {
    await lockCommunity(tx, communityId);
    await requireAction(tx, actor, 'invite.create', { communityId });
    requireDiskRoom(deps);
    const now = deps.clock.now();
    await requireInviteRoom(tx, communityId, new Date(now));
    const code = randomToken(limits.inviteCodeBytes);
    const expiresAt = expiresInMs === undefined ? null : now + expiresInMs;
    await tx.prisma.invite.create({
      data: {
        code,
        communityId,
        createdById: actor.accountId,
        maxUses,
        expiresAt: expiresAt === null ? null : new Date(expiresAt),
        createdAt: new Date(now),
      },
    });
    const [creator] = await loadProfiles(tx, [actor.accountId]);
    const createdByName = creator?.displayName ?? '';
    return { code, communityId, createdByName, uses: 0, maxUses, expiresAt, createdAt: now };
  });
}

/** Invites that still work: all of them for those who manage the community, else the own ones. */
export async function listInvites(
  deps: Deps,
  actor: Actor,
  input: { readonly communityId: CommunityId },
): Promise<readonly InviteSummary[]> {
  const { communityId } = input;
  const facts = await requireAction(deps.db, actor, 'invite.list', { communityId });
  const isManager = ((facts.community?.bits ?? 0) & permission.manageCommunity) !== 0;
  return listLiveInvites(deps.db, communityId, {
    now: new Date(deps.clock.now()),
    createdBy: isManager ? null : actor.accountId,
  });
}

/** By who made it, or who manages the community. Revoking twice is no error. */
export function revokeInvite(deps: Deps, actor: Actor, input: { readonly code: string }): Promise<void> {
  const { code } = input;
  return transaction(deps.db, async (tx) => {
    const communityId = await communityOfInvite(tx, code);
    if (communityId === null) throw inviteInvalid();
    await requireAction(tx, actor, 'invite.revoke', { communityId, inviteCode: code });
    await tx.prisma.invite.updateMany({
      where: { code, revokedAt: null },
      data: { revokedAt: new Date(deps.clock.now()) },
    });
  });
}

/** What anybody holding the link may see. Throws `invite_invalid` for unknown, revoked, expired and used-up codes alike. */
export async function previewInvite(deps: Deps, input: { readonly code: string }): Promise<InvitePreview> {
  const found = await findPreview(deps.db, input.code, new Date(deps.clock.now()));
  if (!found) throw inviteInvalid();
  const { genesis, ...preview } = found;
  return { ...preview, inviterGenesis: genesis && toBase64Url(genesis) };
}

/**
 * Joins by an invite inside the caller's transaction (registration makes the account there too). Members get the
 * community back without a use being counted. Throws `invite_invalid`, `forbidden{banned}`, `limit_reached`.
 */
export async function acceptInviteIn(
  tx: Tx,
  deps: Deps,
  by: { readonly accountId: AccountId; readonly code: string },
): Promise<CommunityStructure> {
  const { accountId, code } = by;
  const communityId = await communityOfInvite(tx, code);
  if (communityId === null) throw inviteInvalid();
  const community = await lockCommunity(tx, communityId);
  const own = await findOwnStructure(tx, { communityId, accountId });
  if (own) return own;
  if (!(await takeUse(tx, code, new Date(deps.clock.now())))) throw inviteInvalid();
  return joinCommunity(tx, deps, { community, accountId });
}

export function acceptInvite(
  deps: Deps,
  actor: Actor,
  input: { readonly code: string },
): Promise<CommunityStructure> {
  return transaction(deps.db, async (tx) => {
    await requireAction(tx, actor, 'invite.accept', {});
    return acceptInviteIn(tx, deps, { accountId: actor.accountId, code: input.code });
  });
}

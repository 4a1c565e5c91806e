// Taking an account out of every community for good: what it owned goes on with somebody else or, where nobody else
// is, ends with it; nothing named after it is left.
import type { Deps } from '#server/deps.ts';
import type { Queryable } from '#server/platform/db.ts';
import type { Tx } from '#server/platform/transaction.ts';
import type { AccountId, CommunityId } from '#shared/ids.ts';
import { recompute } from '../audience/audience.service.ts';
import { endOverrides } from '../audience/members.service.ts';
import { lockCommunity, publishCommunity, raiseVersion } from '../audience/structure.service.ts';
import { dissolveCommunity } from './communities.service.ts';
import { listTies, setOwner, type Tie } from './erasure.queries.ts';
import { publishEndedGrants, removeMember } from './members.service.ts';

/** What becomes of the communities an account owns: the next owner, or null where nobody else is in it. */
export async function successions(q: Queryable, accountId: AccountId): Promise<Tie[]> {
  return (await listTies(q, accountId)).filter((tie) => tie.isOwner);
}

/** Locks every community the account is tied to, in order of id. Returns their ids. */
export async function lockTies(tx: Tx, accountId: AccountId): Promise<CommunityId[]> {
  const ties = await listTies(tx, accountId);
  for (const { communityId } of ties) await lockCommunity(tx, communityId);
  return ties.map((tie) => tie.communityId);
}

/** The new owner sees and may do everything no override denies: too wide a change to spell out, so clients refetch. */
async function handOver(
  tx: Tx,
  deps: Deps,
  to: { readonly communityId: CommunityId; readonly accountId: AccountId },
): Promise<void> {
  const { communityId, accountId } = to;
  await setOwner(tx, communityId, accountId);
  await recompute(tx, deps, { communityId, accountId });
  const community = await raiseVersion(tx, communityId, { versions: 2 });
  tx.afterCommit(() => publishCommunity(deps, community));
}

async function eraseFrom(tx: Tx, deps: Deps, gone: { tie: Tie; accountId: AccountId }): Promise<void> {
  const { tie, accountId } = gone;
  const { communityId, isOwner, isMember, successorId } = tie;
  if (isOwner && successorId === null) return dissolveCommunity(tx, deps, communityId);
  // Who goes makes room before who follows is let into every channel.
  if (isMember) await removeMember(tx, deps, { communityId, accountId, reason: 'left' });
  if (isOwner && successorId !== null) await handOver(tx, deps, { communityId, accountId: successorId });
  const overrides = await endOverrides(tx, { communityId, accountId });
  if (overrides.length === 0) return;
  const community = await raiseVersion(tx, communityId);
  // Also those who see none of the places hear the version.
  tx.afterCommit(() => publishCommunity(deps, community));
  await publishEndedGrants(tx, deps, { community, overrides });
}

/**
 * Takes the account out of every community. The caller holds the locks of `lockTies` and the account's row, so that it
 * enters none meanwhile.
 */
export async function eraseFromCommunities(tx: Tx, deps: Deps, accountId: AccountId): Promise<void> {
  for (const tie of await listTies(tx, accountId)) await eraseFrom(tx, deps, { tie, accountId });
}

// The end of an account. Nothing stands in its way but the one thing an instance cannot be without: its only owner,
// while others live there. What is erased, what stays and why: deletion.queries.ts.
import type { Deps } from '#server/deps.ts';
import type { Actor } from '#server/deps.ts';
import { closeDms } from '#server/domains/channels/dms.service.ts';
import { eraseFromCommunities, lockTies, successions } from '#server/domains/communities/erasure.service.ts';
import { revokeSessions } from '#server/domains/sessions/sessions.service.ts';
import { buryAccount, loadProfiles } from '#server/domains/users/users.service.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import type { DeletionPlan } from '#shared/account.ts';
import { AppError, forbidden } from '#shared/errors.ts';
import type { AccountId } from '#shared/ids.ts';
import type { StoredCredential } from './credentials.queries.ts';
import { lockCredential } from './credentials.queries.ts';
import { eraseRows, isNeededOwner, lockAccount, releaseOwnership } from './deletion.queries.ts';
import { requirePassword, type Caller } from './password.service.ts';

const conflict = (what: string): AppError => new AppError({ code: 'conflict', what });

/** What deleting the account would mean: shown before anybody is asked for a password. */
export async function getDeletionPlan(deps: Deps, actor: Actor): Promise<DeletionPlan> {
  const { accountId } = actor;
  const owned = await successions(deps.db, accountId);
  const profiles = await loadProfiles(
    deps.db,
    owned.flatMap((tie) => tie.successorId ?? []),
  );
  return {
    isOwnerNeeded: await isNeededOwner(deps.db, accountId),
    communities: owned.map(({ communityId, name, successorId }) => ({
      communityId,
      name,
      successor: profiles.find((profile) => profile.accountId === successorId) ?? null,
    })),
  };
}

/**
 * Locks what the account is tied to, in the order everybody locks (communities by id, then the account). A tie made
 * in between is a `conflict`: trying again finds it.
 */
async function lockAll(tx: Tx, checked: StoredCredential): Promise<void> {
  const { accountId } = checked;
  const locked = await lockTies(tx, accountId);
  if (!(await lockAccount(tx, accountId))) throw new AppError({ code: 'unauthenticated' });
  const ties = await lockTies(tx, accountId);
  if (ties.some((communityId) => !locked.includes(communityId))) throw conflict('communities');
  const credential = await lockCredential(tx, accountId);
  if (credential?.secretHash !== checked.secretHash) throw conflict('vault');
}

async function erase(tx: Tx, deps: Deps, accountId: AccountId): Promise<void> {
  // Sessions end first: what follows is not for them.
  await revokeSessions(tx, deps, { accountId });
  await buryAccount(tx, deps, accountId);
  await eraseFromCommunities(tx, deps, accountId);
  await closeDms(tx, deps, accountId);
  await eraseRows(tx, accountId, new Date(deps.clock.now()));
  await releaseOwnership(tx, accountId);
  tx.afterCommit(() => deps.live.closeAccount(accountId));
}

/**
 * Deletes the account for good, against the password and the typed username. Communities it owns go to the next in
 * rank, or end with it when nobody else is in them. Throws `bad_credentials`, `locked_out`, `conflict` (another
 * username than typed, or something changed meanwhile), `forbidden{owner}` (the only owner of an instance others are on).
 */
export async function deleteAccount(
  deps: Deps,
  caller: Caller,
  input: { readonly loginSecret: string; readonly username: string },
): Promise<void> {
  const { accountId } = caller.actor;
  const checked = await requirePassword(deps, caller, input.loginSecret);
  if (checked.username !== input.username) throw conflict('username');
  await transaction(deps.db, async (tx) => {
    await lockAll(tx, checked);
    if (await isNeededOwner(tx, accountId)) throw forbidden('owner');
    await erase(tx, deps, accountId);
  });
  deps.log.info('account.deleted', { accountId });
}

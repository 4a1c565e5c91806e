// People: own account, profiles of people one shares a community or conversation with.
import type { Actor, Deps } from '#server/deps.ts';
import type { Queryable } from '#server/platform/db.ts';
import { isUniqueViolation } from '#server/platform/db-errors.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { AppError, notFound } from '#shared/errors.ts';
import type { AccountId } from '#shared/ids.ts';
import type { OwnAccount, Profile } from '#shared/users.ts';
import {
  buryAccountRow,
  changeProfile,
  changeUsername,
  findAccount,
  knownAccounts,
  listAccounts,
  profileScopes,
  type AccountRow,
  type ProfileChange,
} from './users.queries.ts';

export { knownAccounts, sharingChannel, visibleAccounts } from './users.queries.ts';

/** What others may see; a deleted account shows nothing of itself. */
export function profileOf(row: AccountRow): Profile {
  const isDeleted = row.deletedAt !== null;
  return {
    accountId: row.id,
    username: isDeleted ? '' : (row.username ?? ''),
    displayName: isDeleted ? '' : row.displayName,
    bio: isDeleted ? '' : row.bio,
    pronouns: isDeleted ? '' : row.pronouns,
    isDeleted,
  };
}

function ownAccountOf(row: AccountRow): OwnAccount {
  const { instanceRole, presence, version } = row;
  return { ...profileOf(row), instanceRole, presence, version };
}

/** The account as its owner sees it. */
export async function requireOwnAccount(q: Queryable, accountId: AccountId): Promise<OwnAccount> {
  const row = await findAccount(q, accountId);
  if (!row) throw notFound();
  return ownAccountOf(row);
}

/** Profiles without asking who may see them: for events and pages whose audience is decided already. */
export async function loadProfiles(q: Queryable, accountIds: readonly AccountId[]): Promise<Profile[]> {
  if (accountIds.length === 0) return [];
  return (await listAccounts(q, accountIds)).map(profileOf);
}

export async function getOwnAccount(deps: Deps, actor: Actor): Promise<OwnAccount> {
  const row = await deps.accounts.push(actor.accountId);
  if (!row) throw notFound();
  return ownAccountOf(row);
}

/** Profiles of those asked for whom the actor may know; the others are left out, and none at all is `not_found`. */
export async function getProfiles(
  deps: Deps,
  actor: Actor,
  input: { readonly accountIds: readonly AccountId[] },
): Promise<readonly Profile[]> {
  const known = await knownAccounts(deps.db, actor.accountId, input.accountIds);
  if (known.length === 0) throw notFound();
  return loadProfiles(deps.db, known);
}

/** Changes the own profile; everybody who shares a community or conversation hears it. */
export function updateProfile(deps: Deps, actor: Actor, input: ProfileChange): Promise<OwnAccount> {
  return transaction(deps.db, async (tx) => {
    const row = await changeProfile(tx, actor.accountId, input);
    if (!row) throw notFound();
    return publishAccount(tx, deps, { row, scopes: await profileScopes(tx, actor.accountId) });
  });
}

/** The account hears what it is now, everybody who saw the profile what it shows. */
function publishAccount(
  tx: Tx,
  deps: Deps,
  changed: { readonly row: AccountRow; readonly scopes: Awaited<ReturnType<typeof profileScopes>> },
): OwnAccount {
  const { communities, dms } = changed.scopes;
  const account = ownAccountOf(changed.row);
  const { accountId } = account;
  tx.afterCommit(() => {
    deps.live.publish({ to: 'account', accountId }, { type: 'account.updated', account });
    const event = { type: 'profile.updated', profile: profileOf(changed.row) } as const;
    for (const communityId of communities) deps.live.publish({ to: 'community', communityId }, event);
    for (const channelId of dms) deps.live.publish({ to: 'channel', channelId, communityId: null }, event);
  });
  return account;
}

/** Gives the account another name; the former one is free at once. Throws `taken`. */
export async function renameAccount(
  tx: Tx,
  deps: Deps,
  change: { readonly accountId: AccountId; readonly username: string },
): Promise<OwnAccount> {
  const { accountId, username } = change;
  const row = await changeUsername(tx, accountId, username).catch((cause: unknown) => {
    throw isUniqueViolation(cause) ? new AppError({ code: 'taken' }) : cause;
  });
  if (!row) throw notFound();
  return publishAccount(tx, deps, { row, scopes: await profileScopes(tx, accountId) });
}

/** Makes the account a tombstone. Call it while memberships still say who saw the profile: they hear of it. */
export async function buryAccount(tx: Tx, deps: Deps, accountId: AccountId): Promise<void> {
  const scopes = await profileScopes(tx, accountId);
  const row = await buryAccountRow(tx, accountId, new Date(deps.clock.now()));
  if (!row) throw notFound();
  publishAccount(tx, deps, { row, scopes });
}

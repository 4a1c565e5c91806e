// Another username. Keys, messages and memberships hang on the account's id, so nothing else changes.
import type { Deps } from '#server/deps.ts';
import { renameAccount } from '#server/domains/users/users.service.ts';
import { transaction } from '#server/platform/transaction.ts';
import { reservedUsernames } from '#shared/auth.ts';
import { AppError } from '#shared/errors.ts';
import type { OwnAccount } from '#shared/users.ts';
import { requirePassword, type Caller } from './password.service.ts';

/**
 * Changes the name one logs in with and is found by; the former one is free for anybody at once. Everybody who sees
 * the profile hears it. Throws `bad_credentials`, `locked_out`, `taken` (reserved names too).
 */
export async function changeUsername(
  deps: Deps,
  caller: Caller,
  input: { readonly loginSecret: string; readonly username: string },
): Promise<OwnAccount> {
  const { accountId, username: before } = await requirePassword(deps, caller, input.loginSecret);
  const { username } = input;
  if (reservedUsernames.includes(username)) throw new AppError({ code: 'taken' });
  const account = await transaction(deps.db, (tx) => renameAccount(tx, deps, { accountId, username }));
  if (before !== username) deps.log.info('account.renamed', { accountId });
  return account;
}

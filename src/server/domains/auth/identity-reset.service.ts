// Starting over: who can prove to be the account's owner, but can open its keys by nothing any more, gets another
// identity under the same account (decision 0031). One transaction: another log, another vault, no backup, no device and
// no session of before. Others see it as an identity reset, which no server can do quietly.
import { vaultHeader } from '#crypto/verify.ts';
import type { Deps } from '#server/deps.ts';
import { eraseBackup } from '#server/domains/backup/backup.service.ts';
import {
  replaceLog,
  requireFoundedLog,
  type FoundedLog,
} from '#server/domains/devices/account-log.service.ts';
import { revokeSessions } from '#server/domains/sessions/sessions.service.ts';
import { hashLoginSecret } from '#server/platform/password.ts';
import { transaction } from '#server/platform/transaction.ts';
import { decodeBytes } from '#server/proof.ts';
import type * as z from 'zod/mini';
import type { resetIdentityInput } from '#shared/account.ts';
import { AppError } from '#shared/errors.ts';
import {
  findCredentialOf,
  lockCredential,
  storeCredential,
  type StoredCredential,
} from './credentials.queries.ts';
import { isStored, requirePassword, type Caller } from './password.service.ts';
import { requireVault } from './register.service.ts';
import { dropLinks, dropReset } from './reset.queries.ts';

type ResetIdentity = z.infer<typeof resetIdentityInput>;

const conflict = (what: string): AppError => new AppError({ code: 'conflict', what });

/** Whether this very reset was accepted before and only its answer was lost. */
async function isRepeat(deps: Deps, caller: Caller, input: ResetIdentity): Promise<boolean> {
  const stored = await findCredentialOf(deps.db, { accountId: caller.actor.accountId });
  if (!stored) return false;
  const asked = { vault: decodeBytes(input.vault), secret: input.recoveryAuth };
  return isStored({ vault: stored.vault, hash: stored.recoveryHash }, asked);
}

/** A log and a vault that begin anew: of this account, of one identity, and not of the one there is. */
function requireNewIdentity(
  checked: StoredCredential,
  input: ResetIdentity,
): { readonly log: FoundedLog; readonly vault: Uint8Array } {
  const { accountId } = checked;
  const { deviceId, deviceLabel: label } = input;
  const log = requireFoundedLog({ accountId, deviceId, label, log: input.log });
  const vault = requireVault(input.vault, log);
  const { aid } = vaultHeader(checked.vault);
  if (Buffer.compare(aid, log.state.aid) === 0)
    throw new AppError({ code: 'bad_proof', what: 'account_log' });
  return { log, vault };
}

/**
 * Gives the account another identity, against the password and the typed username, from a session without a device: one
 * with a device has keys and nothing to start over for. Password, name, memberships and the second step stay; all other
 * sessions end, all devices are retired, the backup is erased. Repeating an accepted reset is answered like the first
 * time. Throws `bad_credentials`, `locked_out`, `bad_proof`, `conflict` (the session has a device, another username than
 * typed, the credential changed meanwhile, the device id is taken), `limit_reached`.
 */
export async function resetIdentity(deps: Deps, caller: Caller, input: ResetIdentity): Promise<void> {
  const { accountId, sessionId, deviceId } = caller.actor;
  if (await isRepeat(deps, caller, input)) return;
  if (deviceId !== null) throw conflict('session_device');
  const checked = await requirePassword(deps, caller, input.loginSecret);
  if (checked.username !== input.username) throw conflict('username');
  const { log, vault } = requireNewIdentity(checked, input);
  const recoveryHash = await hashLoginSecret(decodeBytes(input.recoveryAuth));
  await transaction(deps.db, async (tx) => {
    await replaceLog(tx, deps, log);
    const stored = await lockCredential(tx, accountId);
    const isCurrent =
      stored?.secretHash === checked.secretHash && Buffer.compare(stored.vault, checked.vault) === 0;
    if (!isCurrent) throw conflict('vault');
    await storeCredential(tx, accountId, { vault, recoveryHash });
    await eraseBackup(tx, accountId);
    await dropLinks(tx, accountId);
    await dropReset(tx, accountId);
    await revokeSessions(tx, deps, { accountId, exceptSessionId: sessionId });
  });
  deps.log.info('account.identity_reset', { accountId });
}

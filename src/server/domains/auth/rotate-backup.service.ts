// Another backup key: the vault that holds it and the list that begins with it are taken together, so that whoever opens
// the vault never meets a list of another key (decision 0021).
import { hasSameSlots } from '#crypto/verify.ts';
import type { RequestInfo } from '#server/context.ts';
import type { Deps, DeviceActor } from '#server/deps.ts';
import { backupStatus, beginNextBackup } from '#server/domains/backup/backup.service.ts';
import { transaction } from '#server/platform/transaction.ts';
import { decodeBytes, requireProof } from '#server/proof.ts';
import type * as z from 'zod/mini';
import type { rotateBackupInput } from '#shared/account.ts';
import { AppError } from '#shared/errors.ts';
import { requirePassword, swapCredential } from './password.service.ts';

/**
 * Takes the vault with another backup key and the first entries of that key's list, both or neither. Nobody's sessions
 * end: password and recovery code open what they opened. Repeating an accepted rotation is answered like the first time.
 * Throws `bad_credentials`, `locked_out`, `bad_proof` (the vault has other doors; entry or manifest), `conflict` (vault or
 * list changed meanwhile), `not_found` (the device was removed), `limit_reached`, `too_large`.
 */
export async function rotateBackup(
  deps: Deps,
  caller: { readonly actor: DeviceActor; readonly request: RequestInfo },
  input: z.infer<typeof rotateBackupInput>,
): Promise<{ count: number }> {
  const { actor } = caller;
  const vault = decodeBytes(input.vault);
  const checked = await requirePassword(deps, caller, input.loginSecret);
  const { version } = await backupStatus(deps, actor);
  if (Buffer.compare(checked.vault, vault) === 0 && version === input.version)
    return { count: input.entries.length };
  const isSameDoors = requireProof('vault', () => hasSameSlots(checked.vault, vault));
  if (!isSameDoors) throw new AppError({ code: 'bad_proof', what: 'vault' });
  const stored = await transaction(deps.db, async (tx) => {
    // The account's row first, like starting over: no two of these wait for each other.
    const begun = await beginNextBackup(tx, deps, { actor, next: input });
    await swapCredential(tx, checked, { vault });
    return begun;
  });
  deps.log.info('account.backup_rotated', { accountId: actor.accountId });
  return stored;
}

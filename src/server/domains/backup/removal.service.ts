// A removed device and the backup: what it vouched for last is vouched for by whoever removes it, in the transaction that
// removes it, so that a new browser never meets a backup of a removed device (decision 0034).
import type { LogEntry } from '#crypto/verify.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { appendLog } from '#server/domains/devices/account-log.service.ts';
import type { Tx } from '#server/platform/transaction.ts';
import type * as z from 'zod/mini';
import type { appendLogInput, Vouching } from '#shared/devices.ts';
import { AppError } from '#shared/errors.ts';
import { isVouchedBy, vouchForBackup } from './backup.service.ts';

/**
 * Appends one entry to the own log and, with the removal of a device, takes the remover's manifest over the backup; both or
 * neither. Throws as `appendLog`, and `conflict` (the backup has grown, or its manifest is by the removed device and none
 * came), `bad_proof` (the manifest, or one with another entry), `device_required`, `not_found` (the caller's device was
 * removed, also by this very entry).
 */
export function appendEntry(deps: Deps, actor: Actor, input: z.infer<typeof appendLogInput>): Promise<void> {
  const { entry, label, backup } = input;
  const inSame = (tx: Tx, appended: LogEntry): Promise<void> => vouch(tx, deps, { actor, appended, backup });
  return appendLog(deps, actor, { entry, label, inSame });
}

async function vouch(
  tx: Tx,
  deps: Deps,
  given: { readonly actor: Actor; readonly appended: LogEntry; readonly backup: Vouching | undefined },
): Promise<void> {
  const { backup, appended, actor } = given;
  const { accountId, deviceId } = actor;
  const { body } = appended;
  if (body.op !== 'revokeDevice') {
    if (backup) throw new AppError({ code: 'bad_proof', what: 'backup_manifest' });
    return;
  }
  if (backup && 'manifest' in backup) {
    if (deviceId === null) throw new AppError({ code: 'device_required' });
    await vouchForBackup(tx, deps, { actor: { ...actor, deviceId }, manifest: backup.manifest });
    return;
  }
  // Whoever cannot read the backup takes a device away all the same. The word of one that left by itself is good still.
  const isTaken = body.reason === 'removed' || body.reason === 'lost';
  if (backup || !isTaken || !(await isVouchedBy(tx, accountId, body.deviceId))) return;
  throw new AppError({ code: 'conflict', what: 'backup' });
}

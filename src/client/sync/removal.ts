// Taking another device of one's own off the account (decision 0034): what it backed up is verified first, and the removal
// carries this device's word for it, so that a new browser reads everything from the moment the device is off.
import { failureOf } from '#client/api/errors.ts';
import type { Api } from '#client/api/trpc.ts';
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import type { CryptoApi, Removal } from '#client/crypto/protocol.ts';
import type { DeviceId } from '#shared/ids.ts';
import type { Backup } from './backup.svelte.ts';
import type { Keys } from './keys.ts';

export interface RemovalOptions {
  readonly crypto: CryptoApi;
  readonly api: Api;
  readonly keys: Keys;
  readonly backup: Backup;
  now(): number;
}

/** The account's log and its backup may move on in between, a few times. */
const TRIES = 5;

/**
 * Takes a device off the account for good; it may be off already. What can go wrong with the backup does not keep a device
 * on the account, least of all one that appends to it without end: after some tries it is taken off without a word for the
 * backup. Throws what went wrong.
 */
export async function removeDevice(options: RemovalOptions, deviceId: DeviceId): Promise<void> {
  const { crypto, api, keys, backup } = options;
  await backup.catchUpAnywhere();
  let isVouched = true;
  for (let left = TRIES; ; left--) {
    try {
      const made = await crypto.revokeDevice({ deviceId, now: options.now() });
      await api.devices.append.mutate(isVouched ? made : unvouched(made));
      return;
    } catch (error) {
      // Another device was faster.
      if (error instanceof CryptoCallError && error.code === 'revoked') return;
      const what = refusedOf(error);
      if (left === 1 || what === null) throw error;
      if (what === 'backup') await backup.catchUpAnywhere();
      await keys.refreshOwnLog();
      isVouched = what === 'log' || (what === 'backup' && left > 2);
    }
  }
}

/** What another try may do something about; null: nothing. */
function refusedOf(error: unknown): 'log' | 'backup' | 'manifest' | null {
  const failure = failureOf(error);
  if (failure.code === 'conflict') return failure.what === 'backup' ? 'backup' : 'log';
  return failure.code === 'bad_proof' && failure.what === 'backup_manifest' ? 'manifest' : null;
}

const unvouched = ({ entry }: Removal): Removal => ({ entry, backup: { isUnread: true } });

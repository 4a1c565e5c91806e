// Taking another device off the account (decision 0034): the log entry, and with it this device's word for the backup, which
// the removed one may have been the last to give.
import {
  createRevokeDevice,
  merkleRoot,
  signBackupManifest,
  toBase64Url,
  uuidToBytes,
} from '#crypto/index.ts';
import type { Vouching } from '#shared/devices.ts';
import type { BackupRecord } from './backup-records.ts';
import { frontierOf, isLevel } from './backup-steps.ts';
import { signerOf, type EngineCore, type Own } from './engine-core.ts';
import type { LinkCalls, Removal } from './link-calls.ts';
import { keys } from './records.ts';

export class Removing implements Pick<LinkCalls, 'revokeDevice'> {
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  revokeDevice({ deviceId, now }: { deviceId: string; now: number }): Promise<Removal> {
    return this.#core.run(async (unit, own) => {
      const target = { deviceId: uuidToBytes(deviceId), reason: 'removed' } as const;
      const entry = toBase64Url(createRevokeDevice(own.log, target, signerOf(own)));
      const backup = vouch(own, (await unit.get<BackupRecord>(keys.backup)) ?? null, now);
      return backup ? { entry, backup } : { entry };
    });
  }
}

/** Signed is only what this device verified, and all of it; null: it saw that nothing is backed up. */
function vouch(own: Own, record: BackupRecord | null, now: number): Vouching | null {
  if (!record || !isLevel(record, own)) return { isUnread: true };
  const { version, count } = record;
  if (count === 0) return null;
  const { deviceId, secretKey } = signerOf(own);
  const root = merkleRoot(frontierOf(record));
  const fields = { aid: own.log.aid, version, count, root, createdAt: now, deviceId };
  return { manifest: toBase64Url(signBackupManifest(fields, secretKey)) };
}

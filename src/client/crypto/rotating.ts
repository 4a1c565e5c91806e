// Another backup key (protocol 3.2, 3.12; decision 0021): made when a device was taken from the account, durable before the
// server sees anything of it, and handed to the devices that are left.
import {
  appendLeaves,
  CryptoError,
  EMPTY_FRONTIER,
  equalBytes,
  fromBase64Url,
  H,
  merkleLeaf,
  merkleRoot,
  resealVault,
  rotateBackup,
  signBackupManifest,
  toBase64Url,
  vaultHeader,
  type OpenVault,
} from '#crypto/index.ts';
import type { DeviceId } from '#shared/ids.ts';
import type { Accounts } from './accounts.ts';
import { adoptBackupKey, keepBackupKey } from './backup-keys.ts';
import type { BackupRotation, RotationCalls } from './backup-protocol.ts';
import type { BackupRecord, RotationRecord } from './backup-records.ts';
import { backupKeyOf, frontierOf, isLevel } from './backup-steps.ts';
import type { EngineCore, Own } from './engine-core.ts';
import { handOut, handedOut } from './key-handout.ts';
import { keys } from './records.ts';
import type { GivenVault } from './vault-calls.ts';
import { doorOf, openGiven } from './vault-doors.ts';

/** What a rotation is made from. */
interface Base {
  readonly record: BackupRecord;
  readonly encoded: Uint8Array;
  readonly opened: OpenVault;
  readonly now: number;
}

const shown = ({ version, closedCount, vault, entries, manifest }: RotationRecord): BackupRotation => ({
  version,
  closedCount,
  vault,
  entries,
  manifest,
});

export class Rotating implements RotationCalls {
  readonly #core: EngineCore;
  readonly #accounts: Accounts;

  constructor(core: EngineCore, accounts: Accounts) {
    this.#core = core;
    this.#accounts = accounts;
  }

  rotateBackup({ accountId, vault, now }: GivenVault & { now: number }): Promise<BackupRotation | null> {
    const key = doorOf(this.#accounts.passwordKeys());
    const encoded = fromBase64Url(vault);
    return this.#core.run(async (unit, own) => {
      const opened = await openGiven(unit, { accountId, encoded, key, aid: own.log.aid });
      const { backupKey, backupVersion: version } = opened.secrets;
      const { self } = own;
      if (version > self.backupVersion) {
        await keepBackupKey(unit, { version, key: backupKey });
        return null;
      }
      // This device has it from another one, which the server cannot have told before it took the vault.
      if (version < self.backupVersion) throw new CryptoError('stale_record', 'vault of before the rotation');
      if (!equalBytes(backupKey, self.backupKey)) throw new CryptoError('mismatch', 'vault with another key');
      const record = await unit.get<BackupRecord>(keys.backup);
      if (!record || !isLevel(record, own)) throw new CryptoError('not_allowed', 'backup is not verified');
      const sent = await unit.get<RotationRecord>(keys.backupRotation);
      if (sent && isSame(sent, own, { record, encoded })) return shown(sent);
      const made = this.#make(own, { record, encoded, opened, now });
      unit.put(keys.backupRotation, made);
      // Also by itself: what was sent before may still arrive, and a key that counts there must not be lost here.
      await keepBackupKey(unit, made);
      return shown(made);
    });
  }

  #make(own: Own, { record, encoded, opened, now }: Base): RotationRecord {
    const { rng } = this.#core;
    const { aid, headSeq: logSeq } = own.log;
    const { next, first } = rotateBackup(backupKeyOf(own), { tree: frontierOf(record), logSeq }, rng);
    const { version, key } = next;
    const tree = appendLeaves(EMPTY_FRONTIER, [merkleLeaf(first)]);
    const { deviceId, signing } = own.self.secrets;
    const fields = { aid, version, count: tree.count, root: merkleRoot(tree), createdAt: now, deviceId };
    const secrets = { ...opened.secrets, backupKey: key, backupVersion: version };
    const vault = resealVault(encoded, { opened, secrets }, rng);
    return {
      version,
      key,
      logSeq,
      madeFrom: H(encoded),
      revision: vaultHeader(vault).revision,
      closedCount: record.count,
      vault: toBase64Url(vault),
      entries: [toBase64Url(first)],
      manifest: toBase64Url(signBackupManifest(fields, signing.secretKey)),
      hashes: tree.hashes,
    };
  }

  backupRotated({ version, count }: { version: number; count: number }): Promise<void> {
    return this.#core.run(async (unit, own) => {
      const sent = await unit.get<RotationRecord>(keys.backupRotation);
      const record = await unit.get<BackupRecord>(keys.backup);
      // Adopted already, by what the server showed.
      if (!record || sent?.version !== version || own.self.backupVersion >= version) return;
      if (count !== sent.entries.length)
        throw new CryptoError('mismatch', 'backup has another number of entries');
      const adopted = await adoptBackupKey(unit, own, { version, key: sent.key, record });
      const { hashes, logSeq: rotatedAt } = sent;
      unit.put(keys.backup, { ...adopted, count, hashes, rotatedAt, before: null } satisfies BackupRecord);
      const known = (await unit.get<number>(keys.vaultRevision)) ?? 0;
      unit.put(keys.vaultRevision, Math.max(known, sent.revision));
    });
  }

  handBackupKey({ now }: { now: number }): ReturnType<RotationCalls['handBackupKey']> {
    return this.#core.run((unit, own) => handOut(unit, own, { now, rng: this.#core.rng }));
  }

  backupKeyHanded({ deviceIds }: { deviceIds: readonly DeviceId[] }): Promise<void> {
    return this.#core.run((unit, own) => handedOut(unit, own, deviceIds));
  }
}

/** Nothing it was made from has moved: not the list, not the vault, not who belongs to the account. */
function isSame(
  sent: RotationRecord,
  { log }: Own,
  { record, encoded }: Pick<Base, 'record' | 'encoded'>,
): boolean {
  return (
    sent.version === record.version + 1 &&
    sent.closedCount === record.count &&
    sent.logSeq === log.headSeq &&
    equalBytes(sent.madeFrom, H(encoded))
  );
}

// Backup appends as a device makes them: real entries, a real tree, a signed manifest.
import {
  appendLeaves,
  EMPTY_FRONTIER,
  merkleLeaf,
  merkleRoot,
  openVault,
  resealVault,
  sealBackupEntry,
  signBackupManifest,
  toBase64Url,
  uuidToBytes,
  systemRng as rng,
  type DeviceSecrets,
} from '#crypto/index.ts';
import type { Identity } from './keys.ts';
import type { Person } from './people.ts';

/** Who appends: an identity, with another of its devices where one is named. */
export type Appender = Pick<Identity, 'state' | 'deviceId' | 'device'>;

export interface AppendOptions {
  /** Entries there before; `before` are their bytes. */
  readonly count: number;
  readonly before?: readonly Uint8Array[];
  /** How many to add, or which. */
  readonly entries: number | readonly Uint8Array[];
  readonly version?: number;
  readonly by?: { readonly deviceId: string; readonly device: DeviceSecrets };
}

/** A sealed entry of so many bytes of payload under a key of its own. */
export function backupEntry(person: Appender, length = 40): Uint8Array {
  const key = { aid: person.state.aid, version: 1, key: rng.bytes(32) };
  return sealBackupEntry(key, { kind: 1, id: rng.bytes(16), payload: new Uint8Array(length) }, rng);
}

/** The input of `backup.append`. */
export function backupAppend(person: Appender, options: AppendOptions) {
  const { count, before = [], version = 1, by = person } = options;
  const entries =
    typeof options.entries === 'number'
      ? Array.from({ length: options.entries }, () => backupEntry(person))
      : options.entries;
  const tree = appendLeaves(EMPTY_FRONTIER, [...before, ...entries].map(merkleLeaf));
  const fields = {
    aid: person.state.aid,
    version,
    count: tree.count,
    root: merkleRoot(tree),
    createdAt: Date.now(),
    deviceId: uuidToBytes(by.deviceId),
  };
  const manifest = signBackupManifest(fields, by.device.signing.secretKey);
  return {
    version,
    expectedCount: count,
    entries: entries.map(toBase64Url),
    manifest: toBase64Url(manifest),
  };
}

/** The input of `account.rotateBackup` from this vault; entries of no meaning, under a manifest by a device. */
export function backupRotation(
  person: Pick<Person, keyof Identity | 'loginSecret'>,
  from: { readonly vault: Uint8Array; readonly version: number; readonly closedCount: number },
  by?: AppendOptions['by'],
) {
  const { vault, version, closedCount } = from;
  const opened = openVault(vault, person.code, { aid: person.state.aid, minRevision: 0 });
  const secrets = { ...opened.secrets, backupKey: rng.bytes(32), backupVersion: version };
  const made = backupAppend(person, { count: 0, entries: 1, version, ...(by ? { by } : {}) });
  return {
    loginSecret: person.loginSecret,
    vault: toBase64Url(resealVault(vault, { opened, secrets }, rng)),
    version,
    closedCount,
    entries: made.entries,
    manifest: made.manifest,
  };
}

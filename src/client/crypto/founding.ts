// A new identity: root, first device, vault and recovery code. For a new account, and for one that starts over.
import {
  createAddDevice,
  createGenesis,
  createVault,
  ed25519KeyPair,
  extendAccountLog,
  generateDevice,
  newRecoveryCode,
  openAccountLog,
  randomId,
  recoveryAuthSecret,
  toBase64Url,
  type AccountLogState,
  type DeviceSecrets,
  type PasswordKeys,
  type Rng,
} from '#crypto/index.ts';

/** A device and the entry with which the root certifies it. */
export interface AddedDevice {
  readonly entry: Uint8Array;
  readonly log: AccountLogState;
  readonly secrets: DeviceSecrets;
}

/** Makes a device and the entry with which the root certifies it. */
export function addDevice(
  log: AccountLogState,
  rootSecret: Uint8Array,
  made: { rng: Rng; now: number },
): AddedDevice {
  const { rng, now } = made;
  const wanted = { aid: log.aid, deviceId: randomId(rng), kind: 'full' as const, createdAt: now };
  const { secrets, cert } = generateDevice(wanted, rng);
  const entry = createAddDevice(log, cert, { kind: 'root', secretKey: rootSecret });
  return { entry, log: extendAccountLog(log, [entry]), secrets };
}

/** What the server gets of a new identity, and what its owner writes down. */
export interface Founding {
  readonly log: readonly string[];
  readonly vault: string;
  readonly recoveryAuth: string;
  /** Shown once, in groups; re-typed in part before anything counts. */
  readonly recoveryCode: string;
}

/** Makes the identity of an account: everything in it is new, whatever the account had before. */
export function found(
  accountId: Uint8Array,
  password: PasswordKeys,
  made: { rng: Rng; now: number },
): { readonly shown: Founding; readonly added: AddedDevice; readonly backupKey: Uint8Array } {
  const { rng, now } = made;
  const recoveryCode = newRecoveryCode(rng);
  const root = ed25519KeyPair(rng);
  const backupKey = rng.bytes(32);
  const genesis = createGenesis({ accountId, root, createdAt: now }, rng);
  const added = addDevice(openAccountLog([genesis]), root.secretKey, made);
  const { slotKey, params } = password;
  const vault = createVault(
    { accountId, rootSecret: root.secretKey, backupKey, backupVersion: 1 },
    { code: recoveryCode, password: { kind: 'password', slotKey, params } },
    rng,
  );
  const shown = {
    log: [genesis, added.entry].map(toBase64Url),
    vault: toBase64Url(vault),
    recoveryAuth: toBase64Url(recoveryAuthSecret(recoveryCode)),
    recoveryCode,
  };
  return { shown, added, backupKey };
}

// Real keys for tests: what a browser makes at registration and keeps, made by src/crypto.
import {
  bytesToUuid,
  createAddDevice,
  createGenesis,
  createVault,
  EMPTY_PREKEY_RECORD,
  generateDevice,
  makePrekeySet,
  newRecoveryCode,
  openVault,
  rewrapVault,
  openAccountLog,
  signAttach,
  systemRng,
  toBase64Url,
  uuidToBytes,
  fromBase64Url,
  ed25519KeyPair,
  type AccountLogState,
  type DeviceSecrets,
  type KeyPair,
  type PrekeyRecord,
  type VaultKey,
} from '#crypto/index.ts';
import type { AccountId, DeviceId } from '#shared/ids.ts';

const rng = systemRng;

/** A random UUIDv4 as bytes: account and device ids are the client's choice. */
export function newId(): Uint8Array {
  const id = rng.bytes(16);
  id[6] = ((id[6] ?? 0) & 0x0f) | 0x40;
  id[8] = ((id[8] ?? 0) & 0x3f) | 0x80;
  return id;
}

/** What one person's browser knows. */
export interface Identity {
  readonly accountId: AccountId;
  readonly root: KeyPair;
  readonly deviceId: DeviceId;
  readonly device: DeviceSecrets;
  /** Genesis and the first device. */
  readonly log: readonly Uint8Array[];
  readonly state: AccountLogState;
  readonly vault: Uint8Array;
  /** Opens `vault`. */
  readonly code: VaultKey;
  /** base64url, 32 bytes each; in the product derived from password and recovery code. */
  readonly loginSecret: string;
  readonly recoveryAuth: string;
}

const kdfParams = { v: 1, m: 65_536, t: 3, p: 1 } as const;

const newPassword = () => {
  const params = { ...kdfParams, salt: rng.bytes(16) };
  return { kind: 'password', slotKey: rng.bytes(32), params } as const;
};

function makeVault(accountId: Uint8Array, root: KeyPair): Pick<Identity, 'vault' | 'code'> {
  const secrets = { accountId, rootSecret: root.secretKey, backupKey: rng.bytes(32), backupVersion: 1 };
  const code = newRecoveryCode(rng);
  const vault = createVault(secrets, { code, password: newPassword() }, rng);
  return { vault, code: { kind: 'code', code } };
}

/** The vault under another password, one revision on, with what the server is told of the password. */
export function nextPassword(identity: Pick<Identity, 'state' | 'code'>, vault: Uint8Array) {
  const opened = openVault(vault, identity.code, { aid: identity.state.aid, minRevision: 0 });
  const key = newPassword();
  return {
    vault: toBase64Url(rewrapVault(vault, { opened, key }, rng)),
    kdf: { ...kdfParams, salt: toBase64Url(key.params.salt) },
    newLoginSecret: toBase64Url(rng.bytes(32)),
  };
}

/** A person's keys; with an account id, what they start over with. */
export function makeIdentity(now = Date.now(), accountId = newId()): Identity {
  const root = ed25519KeyPair(rng);
  const genesis = createGenesis({ accountId, root, createdAt: now }, rng);
  const founded = openAccountLog([genesis]);
  const deviceId = newId();
  const { secrets, cert } = generateDevice({ aid: founded.aid, deviceId, kind: 'full', createdAt: now }, rng);
  const added = createAddDevice(founded, cert, { kind: 'root', secretKey: root.secretKey });
  const log = [genesis, added];
  return {
    accountId: bytesToUuid(accountId) as AccountId,
    root,
    deviceId: bytesToUuid(deviceId) as DeviceId,
    device: secrets,
    log,
    state: openAccountLog(log),
    ...makeVault(accountId, root),
    loginSecret: toBase64Url(rng.bytes(32)),
    recoveryAuth: toBase64Url(rng.bytes(32)),
  };
}

/** A second device of the same account and the entry, signed by the root, that adds it. */
export function makeSecondDevice(
  identity: Pick<Identity, 'root' | 'state'>,
  now = Date.now(),
): { deviceId: DeviceId; device: DeviceSecrets; entry: Uint8Array } {
  const deviceId = newId();
  const { aid } = identity.state;
  const { secrets, cert } = generateDevice({ aid, deviceId, kind: 'full', createdAt: now }, rng);
  const entry = createAddDevice(identity.state, cert, { kind: 'root', secretKey: identity.root.secretKey });
  return { deviceId: bytesToUuid(deviceId) as DeviceId, device: secrets, entry };
}

/** The registration input of a person. */
export function registration(identity: Identity, username: string) {
  return {
    username,
    displayName: username,
    kdf: { ...kdfParams, salt: toBase64Url(rng.bytes(16)) },
    loginSecret: identity.loginSecret,
    recoveryAuth: identity.recoveryAuth,
    accountId: identity.accountId,
    deviceId: identity.deviceId,
    deviceLabel: 'Test browser',
    log: identity.log.map(toBase64Url),
    vault: toBase64Url(identity.vault),
  };
}

/** What somebody sends to start over under the same account, from these keys. */
export function startingOver(fresh: Identity, proof: { username: string; loginSecret: string }) {
  return {
    ...proof,
    deviceId: fresh.deviceId,
    deviceLabel: 'New browser',
    log: fresh.log.map(toBase64Url),
    recoveryAuth: fresh.recoveryAuth,
    vault: toBase64Url(fresh.vault),
  };
}

/** The signature over the server's challenge. */
export function attachSignature(device: DeviceSecrets, sessionId: string, challenge: string): string {
  const request = { sessionId: uuidToBytes(sessionId), challenge: fromBase64Url(challenge) };
  return toBase64Url(signAttach(device, request));
}

/** The next prekey set of a device as an upload, and the record that holds its secrets. */
export function makeUpload(
  device: DeviceSecrets,
  options: { units?: number; now?: number; record?: PrekeyRecord } = {},
): { upload: { set: string; units: string[] }; record: PrekeyRecord } {
  const { units = 2, now = Date.now(), record: before = EMPTY_PREKEY_RECORD } = options;
  const record = makePrekeySet(before, { device, now, units }, rng);
  if (!record.pending) throw new Error('no upload was made');
  const { set, units: encoded } = record.pending;
  return { upload: { set: toBase64Url(set), units: encoded.map(toBase64Url) }, record };
}

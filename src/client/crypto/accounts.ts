// Getting in: a new account, log-in by password, certifying this browser as a device, leaving.
import {
  bytesToUuid,
  createAddDevice,
  createGenesis,
  createRevokeDevice,
  createVault,
  CryptoError,
  derivePasswordKeys,
  ed25519KeyPair,
  EMPTY_PREKEY_RECORD,
  extendAccountLog,
  findDevice,
  fromBase64Url,
  generateDevice,
  newKdfParams,
  newRecoveryCode,
  openAccountLog,
  openVault,
  randomId,
  recoveryAuthSecret,
  signAttach,
  toBase64Url,
  uuidToBytes,
  type AccountLogState,
  type DeviceSecrets,
  type PasswordKeys,
  type Rng,
} from '#crypto/index.ts';
import type { KdfParams } from '#shared/auth.ts';
import type { AccountId, DeviceId, SessionId } from '#shared/ids.ts';
import type { EngineCore } from './engine-core.ts';
import type { CryptoApi, PreparedAccount } from './protocol.ts';
import { keys, type PeerRecord, type SelfRecord } from './records.ts';

/** A device that exists in memory until the server accepted its account or its log entry. */
export interface Candidate {
  readonly self: SelfRecord;
  readonly log: AccountLogState;
}

type AccountCalls = Pick<
  CryptoApi,
  | 'prepareAccount'
  | 'deriveLogin'
  | 'findDevice'
  | 'certifyDevice'
  | 'adopt'
  | 'open'
  | 'signAttach'
  | 'revokeOwnDevice'
  | 'wipe'
>;

interface AddedDevice {
  readonly entry: Uint8Array;
  readonly log: AccountLogState;
  readonly secrets: DeviceSecrets;
}

/** Makes a device and the entry with which the root certifies it. */
function addDevice(
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

const uuidOf = (bytes: Uint8Array): string => bytesToUuid(bytes);

export class Accounts implements AccountCalls {
  readonly #core: EngineCore;
  #candidate: Candidate | null = null;
  #password: PasswordKeys | null = null;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  async prepareAccount({ password, now }: { password: string; now: number }): Promise<PreparedAccount> {
    const { rng, argon2 } = this.#core;
    const passwordKeys = await derivePasswordKeys(password, newKdfParams(rng), argon2);
    const recoveryCode = newRecoveryCode(rng);
    const accountId = randomId(rng);
    const root = ed25519KeyPair(rng);
    const backupKey = rng.bytes(32);
    const genesis = createGenesis({ accountId, root, createdAt: now }, rng);
    const added = addDevice(openAccountLog([genesis]), root.secretKey, { rng, now });
    const { slotKey, params } = passwordKeys;
    const vault = createVault(
      { accountId, rootSecret: root.secretKey, backupKey, backupVersion: 1 },
      { code: recoveryCode, password: { kind: 'password', slotKey, params } },
      rng,
    );
    const self = this.#become(added, {
      accountId: uuidOf(accountId) as AccountId,
      backupKey,
      backupVersion: 1,
      now,
    });
    return {
      accountId: self.accountId,
      deviceId: self.deviceId,
      kdf: { v: 1, m: params.m, t: params.t, p: 1, salt: toBase64Url(params.salt) },
      loginSecret: toBase64Url(passwordKeys.loginSecret),
      recoveryAuth: toBase64Url(recoveryAuthSecret(recoveryCode)),
      log: [genesis, added.entry].map(toBase64Url),
      vault: toBase64Url(vault),
      recoveryCode,
    };
  }

  async deriveLogin({
    password,
    kdf,
  }: {
    password: string;
    kdf: KdfParams;
  }): Promise<{ loginSecret: string }> {
    const params = { ...kdf, salt: fromBase64Url(kdf.salt) };
    this.#password = await derivePasswordKeys(password, params, this.#core.argon2);
    return { loginSecret: toBase64Url(this.#password.loginSecret) };
  }

  /** What `deriveLogin` made last, until a device is opened. Throws `not_allowed` without. */
  passwordKeys(): PasswordKeys {
    if (!this.#password) throw new CryptoError('not_allowed', 'derive the log-in first');
    return this.#password;
  }

  /** The password was replaced: its keys open the vault from here on. */
  usePasswordKeys(password: PasswordKeys): void {
    this.#password = password;
  }

  findDevice({ accountId }: { accountId: AccountId }): Promise<DeviceId | null> {
    return this.#core.runOn(
      accountId,
      async (unit) => (await unit.get<SelfRecord>(keys.self))?.deviceId ?? null,
    );
  }

  async certifyDevice(input: {
    accountId: AccountId;
    vault: string;
    log: readonly string[];
    now: number;
  }): Promise<{ deviceId: DeviceId; entry: string }> {
    const { log, secrets } = await this.#openOwn(input, this.passwordKeys());
    const added = addDevice(log, secrets.rootSecret, { rng: this.#core.rng, now: input.now });
    const { backupKey, backupVersion } = secrets;
    const { accountId, now } = input;
    const self = this.#become(added, { accountId, backupKey, backupVersion, now });
    return { deviceId: self.deviceId, entry: toBase64Url(added.entry) };
  }

  /** Log and vault as the server hands them out, neither older than this browser has seen them before. */
  #openOwn(
    input: { accountId: AccountId; vault: string; log: readonly string[] },
    { slotKey, params }: PasswordKeys,
  ): Promise<{ log: AccountLogState; secrets: ReturnType<typeof openVault>['secrets'] }> {
    return this.#core.runOn(input.accountId, async (unit) => {
      const known = await unit.get<PeerRecord>(keys.peer(input.accountId));
      const log = extendAccountLog(known?.log ?? null, input.log.map(fromBase64Url));
      if (uuidOf(log.accountId) !== input.accountId)
        throw new CryptoError('mismatch', 'log of another account');
      const minRevision = (await unit.get<number>(keys.vaultRevision)) ?? 0;
      const key = { kind: 'password', slotKey, params } as const;
      const { secrets, header } = openVault(fromBase64Url(input.vault), key, { aid: log.aid, minRevision });
      unit.put(keys.vaultRevision, header.revision);
      return { log, secrets };
    });
  }

  #become(
    added: AddedDevice,
    rest: Pick<SelfRecord, 'accountId' | 'backupKey' | 'backupVersion'> & { now: number },
  ): SelfRecord {
    const { now, ...account } = rest;
    const { secrets } = added;
    const self = { ...account, deviceId: uuidOf(secrets.deviceId) as DeviceId, secrets, createdAt: now };
    this.#candidate = { self, log: added.log };
    return self;
  }

  /** A device that another one of the account certified: as one from the vault, it counts with `adopt`. */
  hold(candidate: Candidate): void {
    this.#candidate = candidate;
  }

  async adopt(): Promise<void> {
    const candidate = this.#candidate;
    if (!candidate) throw new CryptoError('not_allowed', 'nothing to adopt');
    const { self, log } = candidate;
    await this.#core.runOn(self.accountId, async (unit) => {
      // Whatever an earlier device of this account left in this browser belongs to keys that are gone.
      const isOfDevice = (key: string) => key !== keys.vaultRevision && !key.startsWith(keys.verifiedAll);
      for (const key of (await unit.list('')).keys()) if (isOfDevice(key)) unit.remove(key);
      const peer: PeerRecord = { log, alarm: null, offered: null, behind: false };
      unit.put(keys.self, self);
      unit.put(keys.peer(self.accountId), peer);
      unit.put(keys.aid(log.aid), self.accountId);
      unit.put(keys.prekeys, EMPTY_PREKEY_RECORD);
    });
    this.#candidate = null;
    this.#password = null;
    this.#core.open(self.accountId);
  }

  async open({ accountId }: { accountId: AccountId }): Promise<boolean> {
    const deviceId = await this.findDevice({ accountId });
    if (deviceId === null) return false;
    this.#password = null;
    this.#core.open(accountId);
    return true;
  }

  signAttach({ sessionId, challenge }: { sessionId: SessionId; challenge: string }): Promise<string> {
    return this.#core.run(async (_unit, own) => {
      const request = { sessionId: uuidToBytes(sessionId), challenge: fromBase64Url(challenge) };
      return toBase64Url(signAttach(own.self.secrets, request));
    });
  }

  revokeOwnDevice(): Promise<string> {
    return this.#core.run(async (_unit, { self, log }) => {
      const { deviceId, signing } = self.secrets;
      if (findDevice(log, deviceId)?.revokedAtSeq !== null)
        throw new CryptoError('revoked', 'device is revoked');
      const signer = { kind: 'device', deviceId, secretKey: signing.secretKey } as const;
      return toBase64Url(createRevokeDevice(log, { deviceId, reason: 'logged_out' }, signer));
    });
  }

  async wipe(): Promise<void> {
    await this.#core.run(async (unit) => {
      for (const key of (await unit.list('')).keys()) unit.remove(key);
    });
    this.#core.close();
  }
}

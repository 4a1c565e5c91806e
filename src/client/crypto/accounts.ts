// Getting in: a new account, log-in by password, certifying this browser as a device, leaving.
import {
  bytesToUuid,
  createRevokeDevice,
  CryptoError,
  derivePasswordKeys,
  EMPTY_PREKEY_RECORD,
  equalBytes,
  extendAccountLog,
  findDevice,
  fromBase64Url,
  newKdfParams,
  openVault,
  randomId,
  signAttach,
  toBase64Url,
  uuidToBytes,
  vaultHeader,
  type AccountLogState,
  type OpenVault,
  type PasswordKeys,
} from '#crypto/index.ts';
import type { KdfParams } from '#shared/auth.ts';
import type { AccountId, DeviceId, SessionId } from '#shared/ids.ts';
import { codeOf, signerOf, type EngineCore } from './engine-core.ts';
import { addDevice, found, type AddedDevice } from './founding.ts';
import type { CryptoApi, PreparedAccount, PreparedReset } from './protocol.ts';
import { keys, type PeerRecord, type SelfRecord } from './records.ts';

/** A device that exists in memory until the server accepted its account or its log entry. */
export interface Candidate {
  readonly self: SelfRecord;
  readonly log: AccountLogState;
  /** Of the vault that came into being with it; absent where the vault was there before. */
  readonly vaultRevision?: number;
}

type AccountCalls = Pick<
  CryptoApi,
  | 'prepareAccount'
  | 'prepareReset'
  | 'deriveLogin'
  | 'findDevice'
  | 'certifyDevice'
  | 'adopt'
  | 'open'
  | 'signAttach'
  | 'revokeOwnDevice'
  | 'wipe'
>;

/** Throws `bad_mac` also where the slot is of a password with other parameters: this one opens nothing here. */
function openByPassword(
  vault: Uint8Array,
  { slotKey, params }: PasswordKeys,
  expected: { readonly aid: Uint8Array; readonly minRevision: number },
): OpenVault {
  try {
    return openVault(vault, { kind: 'password', slotKey, params }, expected);
  } catch (error) {
    const isOtherPassword = codeOf(error) === 'mismatch' && equalBytes(vaultHeader(vault).aid, expected.aid);
    throw isOtherPassword ? new CryptoError('bad_mac', 'slot of another password') : error;
  }
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
    const { loginSecret, params } = passwordKeys;
    return {
      ...this.#found(randomId(rng), passwordKeys, now),
      kdf: { v: 1, m: params.m, t: params.t, p: 1, salt: toBase64Url(params.salt) },
      loginSecret: toBase64Url(loginSecret),
    };
  }

  async prepareReset({ accountId, now }: { accountId: AccountId; now: number }): Promise<PreparedReset> {
    return this.#found(uuidToBytes(accountId), this.passwordKeys(), now);
  }

  #found(accountId: Uint8Array, password: PasswordKeys, now: number): PreparedReset {
    const { shown, added, backupKey } = found(accountId, password, { rng: this.#core.rng, now });
    const account = { accountId: uuidOf(accountId) as AccountId, backupKey, backupVersion: 1 };
    const self = this.#become(added, { ...account, now });
    // Whatever vault this browser saw before is of keys that are given up.
    const { revision } = vaultHeader(fromBase64Url(shown.vault));
    this.#candidate = { self, log: added.log, vaultRevision: revision };
    return { ...shown, accountId: self.accountId, deviceId: self.deviceId };
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
    hasStartedOver?: boolean;
    now: number;
  }): Promise<{ deviceId: DeviceId; entry: string }> {
    const { log, secrets } = await this.#openOwn(input, this.passwordKeys());
    const added = addDevice(log, secrets.rootSecret, { rng: this.#core.rng, now: input.now });
    const { backupKey, backupVersion } = secrets;
    const { accountId, now } = input;
    const self = this.#become(added, { accountId, backupKey, backupVersion, now });
    return { deviceId: self.deviceId, entry: toBase64Url(added.entry) };
  }

  /**
   * Log and vault as the server hands them out, neither older than this browser has seen them before. Where their person
   * said that they started over elsewhere, what it saw before is of another identity and says nothing.
   */
  #openOwn(
    input: { accountId: AccountId; vault: string; log: readonly string[]; hasStartedOver?: boolean },
    password: PasswordKeys,
  ): Promise<{ log: AccountLogState; secrets: ReturnType<typeof openVault>['secrets'] }> {
    return this.#core.runOn(input.accountId, async (unit) => {
      const isNew = input.hasStartedOver === true;
      const known = isNew ? undefined : await unit.get<PeerRecord>(keys.peer(input.accountId));
      const log = extendAccountLog(known?.log ?? null, input.log.map(fromBase64Url));
      if (uuidOf(log.accountId) !== input.accountId)
        throw new CryptoError('mismatch', 'log of another account');
      const minRevision = isNew ? 0 : ((await unit.get<number>(keys.vaultRevision)) ?? 0);
      const expected = { aid: log.aid, minRevision };
      const { secrets, header } = openByPassword(fromBase64Url(input.vault), password, expected);
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
    const { self, log, vaultRevision } = candidate;
    await this.#core.runOn(self.accountId, async (unit) => {
      // Whatever an earlier device of this account left in this browser belongs to keys that are gone.
      const isOfDevice = (key: string) => key !== keys.vaultRevision && !key.startsWith(keys.verifiedAll);
      for (const key of (await unit.list('')).keys()) if (isOfDevice(key)) unit.remove(key);
      const peer: PeerRecord = { log, alarm: null, offered: null, behind: false };
      unit.put(keys.self, self);
      if (vaultRevision !== undefined) unit.put(keys.vaultRevision, vaultRevision);
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
    return this.#core.run(async (_unit, own) => {
      const { log } = own;
      const signer = signerOf(own);
      const { deviceId } = signer;
      if (findDevice(log, deviceId)?.revokedAtSeq !== null)
        throw new CryptoError('revoked', 'device is revoked');
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

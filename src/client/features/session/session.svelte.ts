// Getting in and out: what the instance offers, registration with its recovery code, log-in on a known or a new
// browser, restoring the session after a reload.
import { failureOf, type CallFailure } from '#client/api/errors.ts';
import { CryptoCallError, type CryptoClient } from '#client/crypto/crypto-client.ts';
import type { PreparedAccount } from '#client/crypto/protocol.ts';
import { deviceLabel } from '#client/lib/device-label.ts';
import type { SessionGrant } from '#shared/auth.ts';
import type { AccountId } from '#shared/ids.ts';
import type { InstanceInfo } from '#shared/instance.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import { isSignedOut, Tokens } from './tokens.ts';

export type SessionStatus = 'starting' | 'signed-out' | 'signed-in' | 'unreachable';

/** Why a way in did not open: a typed answer of the server, or a code of the crypto worker. */
export type EntryFailure = CallFailure | { readonly code: 'weak_kdf' | 'old_vault' | 'keys' };

export interface Registration {
  readonly username: string;
  readonly displayName: string;
  readonly inviteCode?: string | undefined;
  /** Set-up of a new instance; the token is absent on the machine itself. */
  readonly setup?: { readonly token?: string | undefined } | undefined;
}

/** What a log-in is busy with; each step may take a second or more. */
export type LoginStep = 'deriving' | 'asking' | 'opening';

const ACCOUNT_KEY = 'chatalot.account';

/** The sync engine is a script of its own: who is signed out need not wait for it. */
const loadSync = () => import('#client/sync/workspace.svelte.ts');

export class Session {
  readonly #crypto: CryptoClient;
  readonly #tokens = new Tokens();
  #status = $state<SessionStatus>('starting');
  #instance = $state.raw<InstanceInfo | null>(null);
  #workspace = $state.raw<Workspace | null>(null);
  #wasEnded = $state(false);
  #isLeaving = false;
  #prepared: PreparedAccount | null = null;

  constructor(crypto: CryptoClient) {
    this.#crypto = crypto;
  }

  get status(): SessionStatus {
    return this.#status;
  }

  get instance(): InstanceInfo | null {
    return this.#instance;
  }

  /** Present exactly while signed in. */
  get workspace(): Workspace | null {
    return this.#workspace;
  }

  /** True after the session ended without this browser asking for it (revoked elsewhere), until the next way in. */
  get wasEnded(): boolean {
    return this.#wasEnded;
  }

  get crypto(): CryptoClient['api'] {
    return this.#crypto.api;
  }

  /** For calls before anybody is signed in (invite previews, names that are free). */
  get http(): Tokens['http'] {
    return this.#tokens.http;
  }

  /** Whether the identity an invite link names is the one the server shows for its maker. Needs no account. */
  isInvitePinned(link: { accountId: AccountId; genesis: string; pin: string }): Promise<boolean> {
    return this.#crypto.api.checkInvitePin(link);
  }

  /** Reads what the instance offers and takes up the session of the last visit, if it still stands. */
  async start(): Promise<void> {
    this.#status = 'starting';
    try {
      this.#instance = await this.http.instance.info.query();
      const accountId = localStorage.getItem(ACCOUNT_KEY) as AccountId | null;
      if (accountId === null || !(await this.#crypto.api.open({ accountId }))) return this.#signedOut();
      await this.#enter(await this.#tokens.renew());
    } catch (error) {
      if (isSignedOut(error) || error instanceof CryptoCallError) this.#signedOut();
      else this.#status = 'unreachable';
    }
  }

  async refreshInstance(): Promise<void> {
    this.#instance = await this.http.instance.info.query();
  }

  async isUsernameFree(username: string): Promise<boolean> {
    return (await this.http.auth.available.query({ username })).available;
  }

  /** Makes the keys and answers the recovery code; nothing reaches the server before `register`. Takes seconds. */
  async prepare(password: string): Promise<string> {
    this.#prepared = await this.#crypto.api.prepareAccount({ password, now: Date.now() });
    return this.#prepared.recoveryCode;
  }

  /**
   * Registers what was prepared and signs in. Throws an error that `entryFailure` reads; the keys are kept then, so
   * that the recovery code somebody wrote down stays good for another try.
   */
  async register(registration: Registration): Promise<void> {
    if (!this.#prepared) throw new CryptoCallError('keys');
    // A script that does not load must not leave an account behind.
    await loadSync();
    const { username, displayName, inviteCode, setup } = registration;
    const { recoveryCode: _shown, log, ...keys } = this.#prepared;
    const grant = await this.http.auth.register.mutate({
      ...keys,
      log: [...log],
      username,
      displayName,
      deviceLabel: deviceLabel(),
      ...(inviteCode === undefined ? {} : { inviteCode }),
      ...(setup === undefined ? {} : { setup }),
    });
    this.#tokens.take(grant);
    await this.#crypto.api.adopt();
    this.#prepared = null;
    await this.#enter(grant);
    if (setup) await this.refreshInstance();
  }

  /** Logs in; on a browser without keys of this account the vault certifies it as a new device. */
  async login(input: {
    username: string;
    password: string;
    onStep?: (step: LoginStep) => void;
  }): Promise<{ isNewDevice: boolean }> {
    const { username, password, onStep } = input;
    const { api } = this.#crypto;
    onStep?.('deriving');
    const kdf = await this.http.auth.kdf.query({ username });
    const { loginSecret } = await api.deriveLogin({ password, kdf });
    onStep?.('asking');
    const grant = await this.http.auth.login.mutate({ username, loginSecret });
    onStep?.('opening');
    return this.settleIn(grant, { loginSecret, derive: () => api.deriveLogin({ password, kdf }) });
  }

  /**
   * Signs in with a grant by the password whose keys the worker holds: as the device this browser is, or as a new one
   * certified from the vault. `derive` makes those keys again.
   */
  async settleIn(
    grant: SessionGrant,
    password: { loginSecret: string; derive: () => Promise<unknown> },
  ): Promise<{ isNewDevice: boolean }> {
    const { accountId } = grant;
    this.#tokens.take(grant);
    const hasDevice = (await this.#crypto.api.findDevice({ accountId })) !== null;
    const isKnown = hasDevice && (await this.#reopen(grant));
    // Opening the device that is none any more let go of the password's keys.
    if (hasDevice && !isKnown) await password.derive();
    if (!isKnown) await this.#certify(accountId, password.loginSecret);
    await this.#enter(grant);
    return { isNewDevice: !isKnown };
  }

  /** True when the device this browser holds still belongs to the account and is bound to the session. */
  async #reopen(grant: SessionGrant): Promise<boolean> {
    await this.#crypto.api.open({ accountId: grant.accountId });
    try {
      await this.#attach(grant);
      return true;
    } catch (error) {
      const { code } = failureOf(error);
      if (code === 'bad_proof' || code === 'not_found') return false;
      throw error;
    }
  }

  async #certify(accountId: AccountId, loginSecret: string): Promise<void> {
    const { api } = this.#crypto;
    const { vault } = await this.http.vault.get.mutate({ loginSecret });
    const [own] = await this.http.devices.logs.query({ accounts: [{ accountId, fromSeq: 0 }] });
    const log = own?.entries ?? [];
    const { entry } = await api.certifyDevice({ accountId, vault, log, now: Date.now() });
    await this.http.devices.append.mutate({ entry, label: deviceLabel() });
    await api.adopt();
  }

  /** Binds the session to this device (protocol P9). */
  async #attach(grant: SessionGrant): Promise<void> {
    const deviceId = await this.#crypto.api.findDevice({ accountId: grant.accountId });
    if (deviceId === null) throw new CryptoCallError('keys');
    const { challenge } = await this.http.devices.challenge.mutate();
    const signature = await this.#crypto.api.signAttach({ sessionId: grant.sessionId, challenge });
    await this.http.devices.attach.mutate({ deviceId, signature });
  }

  async #enter(grant: SessionGrant): Promise<void> {
    const { accountId } = grant;
    const deviceId = await this.#crypto.api.findDevice({ accountId });
    if (deviceId === null) throw new CryptoCallError('keys');
    if (grant.deviceId !== deviceId) await this.#attach(grant);
    localStorage.setItem(ACCOUNT_KEY, accountId);
    this.#crypto.use(accountId);
    const { Workspace } = await loadSync();
    const workspace = new Workspace({
      crypto: this.#crypto,
      token: () => this.#tokens.valid(),
      currentToken: () => this.#tokens.current(),
      onRefused: () => void this.#checkStanding(),
    });
    this.#workspace?.close();
    this.#workspace = workspace;
    this.#wasEnded = false;
    this.#status = 'signed-in';
    workspace.start();
  }

  /** Ends the session. The device keeps its keys, so that logging in again needs no new device. */
  async logout(options: { everywhere?: boolean } = {}): Promise<void> {
    await this.#leave(async () => {
      await this.#tokens.valid();
      await this.http.auth.logout.mutate(options);
    });
    this.#signedOut();
  }

  /** "Log out and remove": the account revokes this device, and its keys and messages leave this browser. */
  async logoutAndRemove(): Promise<void> {
    const { api } = this.#crypto;
    await this.#leave(async () => {
      await this.#tokens.valid();
      // The last chance of keys that are on this device only.
      await this.#workspace?.backup.run();
      const entry = await api.revokeOwnDevice();
      await this.http.devices.append.mutate({ entry });
      // Revoking the device ended its sessions too; this is for a session that was not bound to it.
      await this.http.auth.logout.mutate({}).catch(() => undefined);
    });
    this.#workspace?.close();
    await api.wipe();
    this.#signedOut();
  }

  /** Runs what ends the account, then forgets it here: keys, messages, session. */
  async leaveForGood(end: () => Promise<void>): Promise<void> {
    await this.#leave(async () => {
      await this.#tokens.valid();
      await end();
    });
    this.#workspace?.close();
    await this.#crypto.api.wipe();
    this.#signedOut();
  }

  /** Runs what ends the session. That the session is over already is no failure, and no surprise to be told. */
  async #leave(run: () => Promise<void>): Promise<void> {
    this.#isLeaving = true;
    try {
      await run();
    } catch (error) {
      if (!isSignedOut(error)) throw error;
    } finally {
      this.#isLeaving = false;
    }
  }

  /** A socket was refused: only a refused renewal says that the session itself is over. */
  async #checkStanding(): Promise<void> {
    try {
      await this.#tokens.renew();
    } catch (error) {
      if (!isSignedOut(error) || this.#status !== 'signed-in' || this.#isLeaving) return;
      this.#signedOut();
      this.#wasEnded = true;
    }
  }

  #signedOut(): void {
    this.#workspace?.close();
    this.#workspace = null;
    this.#tokens.drop();
    localStorage.removeItem(ACCOUNT_KEY);
    this.#crypto.use(null);
    this.#status = 'signed-out';
  }
}

/** What went wrong on the way in. */
export function entryFailure(error: unknown): EntryFailure {
  if (!(error instanceof CryptoCallError)) return failureOf(error);
  if (error.code === 'weak_kdf') return { code: 'weak_kdf' };
  return { code: error.code === 'stale_record' ? 'old_vault' : 'keys' };
}

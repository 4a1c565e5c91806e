// Getting in and out: what the instance offers, registration with its recovery code, log-in on a known or a new
// browser, restoring the session after a reload.
import { isSessionRefused } from '#client/api/errors.ts';
import { CryptoCallError, type CryptoClient } from '#client/crypto/crypto-client.ts';
import type { PreparedAccount } from '#client/crypto/protocol.ts';
import { deviceLabel } from '#client/lib/device-label.ts';
import type { SessionGrant } from '#shared/auth.ts';
import type { AccountId } from '#shared/ids.ts';
import type { InstanceInfo } from '#shared/instance.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import { attachDevice } from './attach.ts';
import { Tokens } from './tokens.ts';
import type { Entry, HeldPassword, PasskeyEntry, PasswordEntry, WayIn } from './way-in.ts';

export { entryFailure, type EntryFailure } from './entry-failure.ts';

type SessionStatus = 'starting' | 'signed-out' | 'signed-in' | 'unreachable';

export interface Registration {
  readonly username: string;
  readonly displayName: string;
  readonly inviteCode?: string | undefined;
  /** Set-up of a new instance; the token is absent on the machine itself. */
  readonly setup?: { readonly token?: string | undefined } | undefined;
}

const ACCOUNT_KEY = 'chatalot.account';

/** The sync engine and the words of the app are scripts of their own: who is signed out need not wait for them. */
const loadSync = async () => {
  const [sync] = await Promise.all([
    import('#client/sync/workspace.svelte.ts'),
    import('#client/lib/messages/app-texts.ts'),
  ]);
  return sync;
};

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
      if (isSessionRefused(error) || error instanceof CryptoCallError) this.#signedOut();
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
  async login(input: PasswordEntry): Promise<{ isNewDevice: boolean }> {
    return this.#comeIn(await (await this.#wayIn()).byPassword(input));
  }

  /** Logs in by a passkey of this page; on a browser without keys the password opens the vault. */
  async loginWithPasskey(input: PasskeyEntry): Promise<{ isNewDevice: boolean }> {
    return this.#comeIn(await (await this.#wayIn()).byPasskey(input));
  }

  /** Signs in with a grant by the password whose keys the worker holds. */
  async settleIn(grant: SessionGrant, password: HeldPassword): Promise<{ isNewDevice: boolean }> {
    return this.#comeIn(await (await this.#wayIn()).byGrant(grant, password));
  }

  /** Signs in with the grant of a link: as the device that another one of the account has just certified. */
  async enterLinked(grant: SessionGrant): Promise<void> {
    await this.#comeIn(await (await this.#wayIn()).byLink(grant));
  }

  /** A script of its own: most visits find a session. */
  async #wayIn(): Promise<WayIn> {
    const { WayIn } = await import('./way-in.ts');
    return new WayIn(this.#crypto.api, this.#tokens);
  }

  async #comeIn({ grant, isNewDevice }: Entry): Promise<{ isNewDevice: boolean }> {
    await this.#enter(grant);
    return { isNewDevice };
  }

  async #enter(grant: SessionGrant): Promise<void> {
    const { accountId } = grant;
    const deviceId = await this.#crypto.api.findDevice({ accountId });
    if (deviceId === null) throw new CryptoCallError('keys');
    if (grant.deviceId !== deviceId) await attachDevice(this.#crypto.api, this.http, grant);
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
      // The last chance of keys that are on this device, or on their way to it, only.
      await this.#workspace?.keys.pullMail().catch(() => undefined);
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
      if (!isSessionRefused(error)) throw error;
    } finally {
      this.#isLeaving = false;
    }
  }

  /** A socket was refused: only a refused renewal says that the session itself is over. */
  async #checkStanding(): Promise<void> {
    try {
      await this.#tokens.renew();
    } catch (error) {
      if (!isSessionRefused(error) || this.#status !== 'signed-in' || this.#isLeaving) return;
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

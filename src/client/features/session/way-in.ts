// From what a person knows or holds to a session bound to this browser's device: by password and second step, or by
// passkey. On a browser without keys of the account the vault certifies it as a new device.
import { failureOf } from '#client/api/errors.ts';
import type { CryptoClient } from '#client/crypto/crypto-client.ts';
import type { LoginGrant, SessionGrant } from '#shared/auth.ts';
import type { EntryFailure } from './entry-failure.ts';
import { attachDevice } from './attach.ts';
import { certify, type AskKeys } from './closed-keys.ts';
import { assertPasskey } from './passkeys.ts';
import type { Tokens } from './tokens.ts';
import { withFactor, type AskFactor } from './with-factor.ts';

/** What a log-in is busy with; each step may take a second or more. */
export type LoginStep = 'deriving' | 'asking' | 'opening';

/** A session bound to a device of the account that this browser holds. */
export interface Entry {
  readonly grant: SessionGrant;
  readonly isNewDevice: boolean;
}

export interface PasswordEntry {
  readonly username: string;
  readonly password: string;
  readonly onStep?: (step: LoginStep) => void;
  /** Called where the account asks for a second step, again for each one that was wrong. */
  readonly askFactor?: AskFactor;
  /** Called where the password is right and opens no keys. */
  readonly askKeys?: AskKeys;
}

export interface PasskeyEntry {
  readonly onStep?: (step: LoginStep) => void;
  /** Called on a browser without keys of the account, again for each password that was wrong. */
  readonly askPassword: (username: string, failure: EntryFailure | null) => Promise<string>;
  /** Called where the password is right and opens no keys. */
  readonly askKeys?: AskKeys;
}

/** A password that was just set, whose keys the worker holds. */
export interface HeldPassword {
  readonly loginSecret: string;
  /** Makes those keys again. */
  readonly derive: () => Promise<unknown>;
  /** Called where it opens no keys. */
  readonly askKeys?: AskKeys;
}

/** Takes the log-in secret of the password whose keys the worker holds. */
type UseSecret = (loginSecret: string) => Promise<void>;
/** Finds the password; `isForgotten`: the worker let go of keys derived before. */
type Unlock = (use: UseSecret, isForgotten: boolean) => Promise<void>;

export class WayIn {
  readonly #crypto: CryptoClient['api'];
  readonly #tokens: Tokens;

  constructor(crypto: CryptoClient['api'], tokens: Tokens) {
    this.#crypto = crypto;
    this.#tokens = tokens;
  }

  async byPassword(input: PasswordEntry): Promise<Entry> {
    const { username, password, onStep, askFactor, askKeys } = input;
    const { http } = this.#tokens;
    onStep?.('deriving');
    const kdf = await http.auth.kdf.query({ username });
    const { loginSecret } = await this.#crypto.deriveLogin({ password, kdf });
    onStep?.('asking');
    const grant = await withFactor(askFactor, (factor) =>
      http.auth.login.mutate({ username, loginSecret, ...(factor && { factor }) }),
    );
    onStep?.('opening');
    const unlock: Unlock = async (use, isForgotten) => {
      if (isForgotten) await this.#crypto.deriveLogin({ password, kdf });
      await use(loginSecret);
    };
    return this.#settle(grant, unlock, askKeys);
  }

  async byPasskey(input: PasskeyEntry): Promise<Entry> {
    const { onStep, askPassword, askKeys } = input;
    const { http } = this.#tokens;
    onStep?.('asking');
    const assertion = await assertPasskey(await http.auth.passkeyChallenge.mutate());
    const grant = await http.auth.passkeyLogin.mutate({ assertion });
    onStep?.('opening');
    const unlock: Unlock = async (use) => {
      const { username } = await http.users.me.query();
      const kdf = await http.auth.kdf.query({ username });
      for (let failure: EntryFailure | null = null; ;) {
        const password = await askPassword(username, failure);
        onStep?.('deriving');
        const { loginSecret } = await this.#crypto.deriveLogin({ password, kdf });
        onStep?.('opening');
        try {
          return await use(loginSecret);
        } catch (error) {
          failure = failureOf(error);
          if (failure.code !== 'bad_credentials') throw error;
        }
      }
    };
    return this.#settle(grant, unlock, askKeys);
  }

  /** By a grant for the password whose keys the worker holds. */
  byGrant(grant: SessionGrant, password: HeldPassword): Promise<Entry> {
    const unlock: Unlock = async (use, isForgotten) => {
      if (isForgotten) await password.derive();
      await use(password.loginSecret);
    };
    return this.#settle({ ...grant, factorTicket: null }, unlock, password.askKeys);
  }

  /** By the grant of a link: as the device that another one of the account has just certified. */
  async byLink(grant: SessionGrant): Promise<Entry> {
    const { accountId } = grant;
    const { http } = this.#tokens;
    this.#tokens.take(grant);
    try {
      const [own] = await http.devices.logs.query({ accounts: [{ accountId, fromSeq: 0 }] });
      await this.#crypto.linkCertified({ log: own?.entries ?? [] });
      await this.#crypto.adopt();
    } catch (error) {
      // Without keys the session is good for nothing: it must not stay behind in the list.
      await http.auth.logout.mutate({}).catch(() => undefined);
      this.#tokens.drop();
      throw error;
    }
    return { grant, isNewDevice: true };
  }

  async #settle(grant: LoginGrant, unlock: Unlock, askKeys?: AskKeys): Promise<Entry> {
    this.#tokens.take(grant);
    const { accountId } = grant;
    const isHere = (await this.#crypto.findDevice({ accountId })) !== null;
    const isKnown = isHere && (await this.#reopen(grant));
    try {
      // Opening a device that is none any more let go of the password's keys.
      const held = { crypto: this.#crypto, tokens: this.#tokens, grant, askKeys };
      if (!isKnown) await unlock((loginSecret) => certify({ ...held, loginSecret }), isHere);
    } catch (error) {
      // Without keys the session is good for nothing: it must not stay behind in the list.
      await this.#tokens.http.auth.logout.mutate({}).catch(() => undefined);
      this.#tokens.drop();
      throw error;
    }
    return { grant, isNewDevice: !isKnown };
  }

  /** True when the device this browser holds still belongs to the account and is bound to the session. */
  async #reopen(grant: SessionGrant): Promise<boolean> {
    await this.#crypto.open({ accountId: grant.accountId });
    try {
      await attachDevice(this.#crypto, this.#tokens.http, grant);
      return true;
    } catch (error) {
      const { code } = failureOf(error);
      if (code === 'bad_proof' || code === 'not_found') return false;
      throw error;
    }
  }
}

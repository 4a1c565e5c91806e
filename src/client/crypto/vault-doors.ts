// New doors to the vault: another password, another recovery code, or both by the code that is left. What was made
// counts only once the server has it (`vaultStored`): until then the doors there were are the ones there are.
import {
  bytesToUuid,
  CryptoError,
  derivePasswordKeys,
  fromBase64Url,
  newKdfParams,
  newRecoveryCode,
  normalizeRecoveryCode,
  openVault,
  recoveryAuthSecret,
  rewrapVault,
  toBase64Url,
  vaultHeader,
  type OpenVault,
  type PasswordKeys,
  type VaultKey,
} from '#crypto/index.ts';
import type { AccountId } from '#shared/ids.ts';
import type { Accounts } from './accounts.ts';
import type { EngineCore } from './engine-core.ts';
import { keys, type PeerRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';
import type { GivenVault, MadePassword, MadeRecovery, VaultCalls } from './vault-calls.ts';

/** What is made and not yet accepted by the server. */
interface Pending {
  readonly accountId: AccountId;
  readonly revision: number;
  readonly password: PasswordKeys | null;
}

/** A vault as the server handed it out, opened. */
interface Opened {
  readonly encoded: Uint8Array;
  readonly opened: OpenVault;
}

export const doorOf = ({ slotKey, params }: PasswordKeys): VaultKey => ({
  kind: 'password',
  slotKey,
  params,
});

function madePassword({ params, loginSecret }: PasswordKeys): Omit<MadePassword, 'vault'> {
  const { m, t, salt } = params;
  return {
    kdf: { v: 1, m, t, p: 1, salt: toBase64Url(salt) },
    newLoginSecret: toBase64Url(loginSecret),
  };
}

const madeRecovery = (code: string): Omit<MadeRecovery, 'vault'> => ({
  recoveryCode: code,
  newRecoveryAuth: toBase64Url(recoveryAuthSecret(code)),
});

/** Opens a vault of this identity, not older than this browser knows of the account. Throws as `openVault`. */
export async function openGiven(
  unit: UnitOfWork,
  given: { accountId: AccountId; encoded: Uint8Array; key: VaultKey; aid: Uint8Array },
): Promise<OpenVault> {
  const { accountId, encoded, key, aid } = given;
  const minRevision = (await unit.get<number>(keys.vaultRevision)) ?? 0;
  const opened = openVault(encoded, key, { aid, minRevision });
  if (bytesToUuid(opened.secrets.accountId) !== accountId)
    throw new CryptoError('mismatch', 'vault of another account');
  unit.put(keys.vaultRevision, opened.header.revision);
  return opened;
}

export class VaultDoors implements VaultCalls {
  readonly #core: EngineCore;
  readonly #accounts: Accounts;
  #pending: Pending | null = null;

  constructor(core: EngineCore, accounts: Accounts) {
    this.#core = core;
    this.#accounts = accounts;
  }

  async recoveryAuth({ code }: { code: string }): Promise<string> {
    return toBase64Url(recoveryAuthSecret(normalizeRecoveryCode(code)));
  }

  async newLogin({ newPassword }: { newPassword: string }): Promise<Omit<MadePassword, 'vault'>> {
    const password = await this.#derive(newPassword);
    this.#accounts.usePasswordKeys(password);
    return madePassword(password);
  }

  async makePassword(input: GivenVault & { newPassword: string }): Promise<MadePassword> {
    const given = await this.#open(input, doorOf(this.#accounts.passwordKeys()));
    const password = await this.#derive(input.newPassword);
    const vault = this.#rewrap(input.accountId, given, { key: doorOf(password), password });
    return { ...madePassword(password), vault };
  }

  async makeRecoveryCode(input: GivenVault): Promise<MadeRecovery> {
    const given = await this.#open(input, doorOf(this.#accounts.passwordKeys()));
    const code = newRecoveryCode(this.#core.rng);
    const vault = this.#rewrap(input.accountId, given, { key: { kind: 'code', code }, password: null });
    return { ...madeRecovery(code), vault };
  }

  async makeRecovered(
    input: GivenVault & { code: string; newPassword: string },
  ): Promise<MadePassword & MadeRecovery> {
    const given = await this.#open(input, { kind: 'code', code: normalizeRecoveryCode(input.code) });
    const password = await this.#derive(input.newPassword);
    const code = newRecoveryCode(this.#core.rng);
    const key = [{ kind: 'code', code } as const, doorOf(password)];
    const vault = this.#rewrap(input.accountId, given, { key, password });
    return { ...madePassword(password), ...madeRecovery(code), vault };
  }

  async vaultStored(): Promise<void> {
    const pending = this.#pending;
    if (!pending) return;
    await this.#core.runOn(pending.accountId, async (unit) => {
      const known = (await unit.get<number>(keys.vaultRevision)) ?? 0;
      unit.put(keys.vaultRevision, Math.max(known, pending.revision));
    });
    if (pending.password) this.#accounts.usePasswordKeys(pending.password);
    this.#pending = null;
  }

  #derive(password: string): Promise<PasswordKeys> {
    const { rng, argon2 } = this.#core;
    return derivePasswordKeys(password, newKdfParams(rng), argon2);
  }

  /**
   * Opens the vault: of the identity and not older than this browser knows of the account. A browser that never saw
   * the account takes the identity from the vault: only who holds the code could have made one that opens.
   */
  #open({ accountId, vault }: GivenVault, key: VaultKey): Promise<Opened> {
    const encoded = fromBase64Url(vault);
    return this.#core.runOn(accountId, async (unit) => {
      const known = await unit.get<PeerRecord>(keys.peer(accountId));
      const aid = known?.log.aid ?? vaultHeader(encoded).aid;
      return { encoded, opened: await openGiven(unit, { accountId, encoded, key, aid }) };
    });
  }

  #rewrap(
    accountId: AccountId,
    { encoded, opened }: Opened,
    made: { readonly key: VaultKey | readonly VaultKey[]; readonly password: PasswordKeys | null },
  ): string {
    const next = rewrapVault(encoded, { opened, key: made.key }, this.#core.rng);
    this.#pending = { accountId, revision: vaultHeader(next).revision, password: made.password };
    return toBase64Url(next);
  }
}

// The part of the crypto worker's interface that changes the doors of the vault. Whatever a call makes is held in
// memory and counts once the server has it; no call returns a slot key, the vault key or a private key.
import type { KdfParams } from '#shared/auth.ts';
import type { AccountId } from '#shared/ids.ts';

/** The vault as the server handed it out, base64url. */
export interface GivenVault {
  readonly accountId: AccountId;
  readonly vault: string;
}

/** A new password as the server gets it, and the vault it opens: one revision on. */
export interface MadePassword {
  readonly kdf: KdfParams;
  readonly newLoginSecret: string;
  readonly vault: string;
}

/** A new recovery code (shown once, re-typed in part), what the server gets of it, and the vault it opens. */
export interface MadeRecovery {
  readonly recoveryCode: string;
  readonly newRecoveryAuth: string;
  readonly vault: string;
}

/** Every opening refuses a vault of another account or an older one than this browser saw (`mismatch`, `stale_record`). */
export interface VaultCalls {
  /** What the server is shown to prove the code. Fails with `malformed` or `mismatch` for a code that was mistyped. */
  recoveryAuth(input: { code: string }): Promise<string>;
  /** A new password as the server gets it, where nothing here opens the vault; its keys count as those of `deriveLogin`. */
  newLogin(input: { newPassword: string }): Promise<Omit<MadePassword, 'vault'>>;
  /** Wraps the password slot anew, under fresh parameters; the other slots stay byte-identical. `deriveLogin` comes first. */
  makePassword(input: GivenVault & { newPassword: string }): Promise<MadePassword>;
  /** Wraps the recovery slot anew; the others stay byte-identical. `deriveLogin` comes first. */
  makeRecoveryCode(input: GivenVault): Promise<MadeRecovery>;
  /** Opens by the recovery code and wraps both slots anew, under a new password and a new code. */
  makeRecovered(
    input: GivenVault & { code: string; newPassword: string },
  ): Promise<MadePassword & MadeRecovery>;
  /** The server accepted what was made last: no older vault is taken from now on. */
  vaultStored(): Promise<void>;
}

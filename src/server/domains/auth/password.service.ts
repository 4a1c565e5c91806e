// Changing the password or the recovery code. Hashes, key-stretching parameters and vault are swapped together: at
// every moment one password and one code open the account, and they open its vault too.
import { vaultHeader } from '#crypto/verify.ts';
import type { RequestInfo } from '#server/context.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { revokeSessions } from '#server/domains/sessions/sessions.service.ts';
import { addressKey } from '#server/platform/address.ts';
import { hashLoginSecret, verifyLoginSecret } from '#server/platform/password.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { decodeBytes, requireProof } from '#server/proof.ts';
import type * as z from 'zod/mini';
import type { changePasswordInput, changeRecoveryInput } from '#shared/account.ts';
import type { KdfParams } from '#shared/auth.ts';
import { AppError } from '#shared/errors.ts';
import {
  findCredentialOf,
  lockCredential,
  storeCredential,
  type CredentialChange,
  type StoredCredential,
} from './credentials.queries.ts';
import { requireUnlocked } from './guard.ts';
import { dropReset } from './reset.queries.ts';

export interface Caller {
  readonly actor: Actor;
  readonly request: RequestInfo;
}

const badCredentials = (): AppError => new AppError({ code: 'bad_credentials' });
const conflict = (): AppError => new AppError({ code: 'conflict', what: 'vault' });
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/**
 * The caller's credential, against the log-in secret of the password; guessing is bounded like signing in. Throws
 * `bad_credentials`, `locked_out`.
 */
export async function requirePassword(
  deps: Deps,
  caller: Caller,
  loginSecret: string,
): Promise<StoredCredential> {
  const row = await findCredentialOf(deps.db, { accountId: caller.actor.accountId });
  if (!row) throw badCredentials();
  const address = addressKey(caller.request.address);
  await requireUnlocked(deps, row.username, address);
  if (!(await verifyLoginSecret(row.secretHash, decodeBytes(loginSecret)))) {
    await deps.lockout.fail(row.username, address);
    throw badCredentials();
  }
  await deps.lockout.succeed(row.username, address);
  return row;
}

/** The parameters as they are stored. */
export const storedKdf = (kdf: KdfParams) => ({ v: kdf.v, m: kdf.m, t: kdf.t, salt: decodeBytes(kdf.salt) });

/** Throws `bad_proof` for the vault of another account or one that lost a door, `conflict` for one not made from the stored one. */
function requireNextVault(stored: Uint8Array, next: Uint8Array): void {
  const before = requireProof('vault', () => vaultHeader(stored));
  const after = requireProof('vault', () => vaultHeader(next));
  const hasDoors = before.slots.every((kind) => after.slots.includes(kind));
  if (!isSame(before.aid, after.aid) || !hasDoors) throw new AppError({ code: 'bad_proof', what: 'vault' });
  if (after.revision !== before.revision + 1 || after.vaultVersion !== before.vaultVersion) throw conflict();
}

/**
 * Swaps what opens the account inside the caller's transaction. `checked` is what the proof was held against: when
 * it was replaced meanwhile, nothing is changed and it is a `conflict`.
 */
export async function swapCredential(
  tx: Tx,
  checked: StoredCredential,
  change: CredentialChange & { readonly vault: Uint8Array },
): Promise<void> {
  const stored = await lockCredential(tx, checked.accountId);
  const isCurrent = stored?.secretHash === checked.secretHash && stored.recoveryHash === checked.recoveryHash;
  if (!stored || !isCurrent) throw conflict();
  requireNextVault(stored.vault, change.vault);
  await storeCredential(tx, checked.accountId, change);
  await dropReset(tx, checked.accountId);
}

/** Whether this very change is stored already: a repeat after a lost answer. */
export async function isStored(
  stored: { readonly vault: Uint8Array; readonly hash: string },
  asked: { readonly vault: Uint8Array; readonly secret: string },
): Promise<boolean> {
  return isSame(stored.vault, asked.vault) && verifyLoginSecret(stored.hash, decodeBytes(asked.secret));
}

/**
 * Replaces the password: parameters, hash and vault in one transaction. Every other session of the account ends.
 * Repeating an accepted change is answered like the first time. Throws `bad_credentials`, `locked_out`, `bad_proof`,
 * `conflict` (the vault was changed meanwhile).
 */
export async function changePassword(
  deps: Deps,
  caller: Caller,
  input: z.infer<typeof changePasswordInput>,
): Promise<void> {
  const { accountId, sessionId } = caller.actor;
  const vault = decodeBytes(input.vault);
  const before = await findCredentialOf(deps.db, { accountId });
  const stored = before && { vault: before.vault, hash: before.secretHash };
  if (stored && (await isStored(stored, { vault, secret: input.newLoginSecret }))) return;
  const checked = await requirePassword(deps, caller, input.loginSecret);
  const secretHash = await hashLoginSecret(decodeBytes(input.newLoginSecret));
  await transaction(deps.db, async (tx) => {
    await swapCredential(tx, checked, { vault, password: { kdf: storedKdf(input.kdf), secretHash } });
    await revokeSessions(tx, deps, { accountId, exceptSessionId: sessionId });
  });
  deps.log.info('account.password_changed', { accountId });
}

/**
 * Replaces the recovery code; the former one opens nothing from then on. Repeating an accepted change is answered
 * like the first time. Throws as `changePassword`.
 */
export async function changeRecovery(
  deps: Deps,
  caller: Caller,
  input: z.infer<typeof changeRecoveryInput>,
): Promise<void> {
  const { accountId } = caller.actor;
  const vault = decodeBytes(input.vault);
  const checked = await requirePassword(deps, caller, input.loginSecret);
  const stored = { vault: checked.vault, hash: checked.recoveryHash };
  if (await isStored(stored, { vault, secret: input.newRecoveryAuth })) return;
  const recoveryHash = await hashLoginSecret(decodeBytes(input.newRecoveryAuth));
  await transaction(deps.db, (tx) => swapCredential(tx, checked, { vault, recoveryHash }));
  deps.log.info('account.recovery_changed', { accountId });
}

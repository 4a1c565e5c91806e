// Getting in by the recovery code. The server sees only a secret derived from it (protocol P10); unknown names get
// the same answers in the same time, and guessing is bounded like signing in, on a count of its own.
import type { RequestInfo } from '#server/context.ts';
import type { Deps } from '#server/deps.ts';
import {
  createSession,
  revokeSessions,
  type IssuedSession,
} from '#server/domains/sessions/sessions.service.ts';
import { addressKey } from '#server/platform/address.ts';
import { hashLoginSecret, verifyLoginSecret } from '#server/platform/password.ts';
import { transaction } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes } from '#server/proof.ts';
import type * as z from 'zod/mini';
import type { recoverInput, recoveryVaultInput, RecoveryGrant } from '#shared/account.ts';
import { AppError, forbidden } from '#shared/errors.ts';
import { findCredentialOf, type StoredCredential } from './credentials.queries.ts';
import { requireUnlocked } from './guard.ts';
import { isStored, storedKdf, swapCredential } from './password.service.ts';
import { turnOffTotp } from './second-factor.service.ts';

/** No username has a slash: who mistyped a password ten times may still use the code, and the other way round. */
const lockoutName = (username: string): string => `${username}/recovery`;

async function requireCode(
  deps: Deps,
  request: RequestInfo,
  input: z.infer<typeof recoveryVaultInput>,
): Promise<StoredCredential> {
  const name = lockoutName(input.username);
  const address = addressKey(request.address);
  await requireUnlocked(deps, name, address);
  const row = await findCredentialOf(deps.db, { username: input.username });
  await deps.lockout.slowDown(name, false);
  const isRight = await verifyLoginSecret(row?.recoveryHash ?? null, decodeBytes(input.recoveryAuth));
  if (!row || !isRight) {
    await deps.lockout.fail(name, address);
    throw new AppError({ code: 'bad_credentials' });
  }
  await deps.lockout.succeed(name, address);
  if (row.isSuspended) throw forbidden('suspended');
  return row;
}

/** The vault, against the recovery code's secret. Throws `bad_credentials`, `locked_out`, `forbidden` (suspended). */
export async function recoveryVault(
  deps: Deps,
  request: RequestInfo,
  input: z.infer<typeof recoveryVaultInput>,
): Promise<RecoveryGrant> {
  const { accountId, vault } = await requireCode(deps, request, input);
  return { accountId, vault: encodeBytes(vault) };
}

/** The credential when this very recovery was accepted before and only its answer was lost. */
async function findRepeat(deps: Deps, input: z.infer<typeof recoverInput>): Promise<StoredCredential | null> {
  const row = await findCredentialOf(deps.db, { username: input.username });
  if (!row || row.isSuspended) return null;
  const asked = { vault: decodeBytes(input.vault), secret: input.newRecoveryAuth };
  return (await isStored({ vault: row.vault, hash: row.recoveryHash }, asked)) ? row : null;
}

/**
 * Sets a new password and a new recovery code, ends every session and opens one for this browser, all or nothing.
 * The code used opens nothing from then on, and log-in asks for no second step any more. Repeating an accepted recovery opens another session. Throws
 * `bad_credentials`, `locked_out`, `forbidden` (suspended), `bad_proof`, `conflict`.
 */
export async function recover(
  deps: Deps,
  request: RequestInfo,
  input: z.infer<typeof recoverInput>,
): Promise<IssuedSession> {
  const origin = { userAgent: request.userAgent, address: request.address };
  const repeated = await findRepeat(deps, input);
  if (repeated) {
    const { accountId } = repeated;
    return transaction(deps.db, (tx) => createSession(tx, deps, { accountId, deviceId: null, origin }));
  }
  const checked = await requireCode(deps, request, input);
  const { accountId } = checked;
  const secretHash = await hashLoginSecret(decodeBytes(input.newLoginSecret));
  const recoveryHash = await hashLoginSecret(decodeBytes(input.newRecoveryAuth));
  const password = { kdf: storedKdf(input.kdf), secretHash };
  const session = await transaction(deps.db, async (tx) => {
    await swapCredential(tx, checked, { vault: decodeBytes(input.vault), password, recoveryHash });
    await revokeSessions(tx, deps, { accountId });
    // The code alone brings everything back (decision 0018): who lost the phone too must not be stuck next time.
    await turnOffTotp(tx, accountId);
    return createSession(tx, deps, { accountId, deviceId: null, origin });
  });
  // The new password is right here: wrong ones typed before it say nothing any more.
  await deps.lockout.succeed(input.username, addressKey(request.address));
  deps.log.info('account.recovered', { accountId });
  return session;
}

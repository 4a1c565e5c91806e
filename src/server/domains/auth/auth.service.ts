// Signing in. The server never sees a password, only a secret the browser derived from it (protocol P10); unknown
// names get the same answers in the same time.
import { createHmac } from 'node:crypto';
import type { RequestInfo } from '#server/context.ts';
import type { Actor, Deps } from '#server/deps.ts';
import {
  createSession,
  revokeSessions,
  type IssuedSession,
} from '#server/domains/sessions/sessions.service.ts';
import { addressKey } from '#server/platform/address.ts';
import { verifyLoginSecret } from '#server/platform/password.ts';
import { hashRefreshToken } from '#server/platform/tokens.ts';
import { transaction } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes } from '#server/proof.ts';
import { reservedUsernames, type KdfParams, type VaultGrant } from '#shared/auth.ts';
import { AppError, forbidden } from '#shared/errors.ts';
import { limits } from '#shared/limits.ts';
import { findCredentialByName, findVault, isUsernameTaken, knowsBrowser } from './auth.queries.ts';

export { grantOf, rotateSession, type IssuedSession } from '#server/domains/sessions/sessions.service.ts';

const saltBytes = 16;

/** The salt an unknown name always gets: looks like any other, and stays the same from day to day. */
function fakeSalt(deps: Deps, username: string): Uint8Array {
  return createHmac('sha256', deps.secrets.kdfFakeKey)
    .update(`kdf-salt/${username}`)
    .digest()
    .subarray(0, saltBytes);
}

/** What the browser needs to derive the login secret; same shape and work for names that do not exist. */
export async function getKdf(deps: Deps, input: { readonly username: string }): Promise<KdfParams> {
  const fake = fakeSalt(deps, input.username);
  const row = await findCredentialByName(deps.db, input.username);
  return {
    v: 1,
    m: row?.kdfMemoryKiB ?? limits.kdfMemoryMinKiB,
    t: row?.kdfPasses ?? limits.kdfPassesMin,
    p: 1,
    salt: encodeBytes(row?.kdfSalt ?? fake),
  };
}

/** Whether a username can still be chosen. */
export async function isAvailable(
  deps: Deps,
  input: { readonly username: string },
): Promise<{ readonly available: boolean }> {
  const isReserved = reservedUsernames.includes(input.username);
  return { available: !(await isUsernameTaken(deps.db, input.username)) && !isReserved };
}

/** Throws `locked_out` while this address must not try this name. */
export async function requireUnlocked(deps: Deps, name: string, address: string): Promise<void> {
  const retryAfterMs = await deps.lockout.lockedForMs(name, address);
  if (retryAfterMs > 0) throw new AppError({ code: 'locked_out', retryAfterMs });
}

export interface LoginInput {
  readonly username: string;
  readonly loginSecret: string;
  /** The refresh token this browser still holds, if any: a browser the account knows is never slowed down. */
  readonly refreshToken: string | undefined;
}

/** Opens a session. Throws `bad_credentials`, `locked_out`, `forbidden` (suspended). */
export async function login(deps: Deps, request: RequestInfo, input: LoginInput): Promise<IssuedSession> {
  const { username } = input;
  const address = addressKey(request.address);
  await requireUnlocked(deps, username, address);
  const row = await findCredentialByName(deps.db, username);
  const token = hashRefreshToken(input.refreshToken ?? '');
  const isKnown = await knowsBrowser(deps.db, row?.accountId ?? null, token);
  await deps.lockout.slowDown(username, isKnown);
  const isRight = await verifyLoginSecret(row?.secretHash ?? null, decodeBytes(input.loginSecret));
  if (!row || !isRight) {
    await deps.lockout.fail(username, address);
    throw new AppError({ code: 'bad_credentials' });
  }
  await deps.lockout.succeed(username, address);
  if (row.isSuspended) throw forbidden('suspended');
  const origin = { userAgent: request.userAgent, address: request.address };
  return transaction(deps.db, (tx) =>
    createSession(tx, deps, { accountId: row.accountId, deviceId: null, origin }),
  );
}

/** Ends this session, or every session of the account. The device stays certified. */
export async function logout(
  deps: Deps,
  actor: Actor,
  input: { readonly everywhere?: boolean | undefined },
): Promise<void> {
  const { accountId, sessionId } = actor;
  const scope = input.everywhere ? { accountId } : { accountId, sessionId };
  await transaction(deps.db, (tx) => revokeSessions(tx, deps, scope));
}

/**
 * Hands out the vault against the login secret in the same call (protocol P10); guessing is bounded like signing
 * in. Throws `bad_credentials`, `locked_out`.
 */
export async function getVault(
  deps: Deps,
  caller: { readonly actor: Actor; readonly request: RequestInfo },
  input: { readonly loginSecret: string },
): Promise<VaultGrant> {
  const { actor, request } = caller;
  const row = await findVault(deps.db, actor.accountId);
  if (!row) throw new AppError({ code: 'bad_credentials' });
  const address = addressKey(request.address);
  await requireUnlocked(deps, row.username, address);
  if (!(await verifyLoginSecret(row.secretHash, decodeBytes(input.loginSecret)))) {
    await deps.lockout.fail(row.username, address);
    throw new AppError({ code: 'bad_credentials' });
  }
  await deps.lockout.succeed(row.username, address);
  return { vault: encodeBytes(row.vault), vaultVersion: row.vaultVersion, accountId: actor.accountId };
}

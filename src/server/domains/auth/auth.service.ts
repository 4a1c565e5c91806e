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
import { verifyLoginSecret } from '#server/platform/password.ts';
import { hashRefreshToken } from '#server/platform/tokens.ts';
import { transaction } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes } from '#server/proof.ts';
import { reservedUsernames, type KdfParams } from '#shared/auth.ts';
import { AppError, forbidden } from '#shared/errors.ts';
import { limits } from '#shared/limits.ts';
import type { Factor } from '#shared/second-factor.ts';
import { findCredentialByName, isUsernameTaken, knowsBrowser } from './auth.queries.ts';
import { guarded } from './guard.ts';
import { requireSecondFactor } from './second-factor.service.ts';

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

export interface LoginInput {
  readonly username: string;
  readonly loginSecret: string;
  readonly factor?: Factor | undefined;
  /** The refresh token this browser still holds, if any: a browser the account knows is never slowed down. */
  readonly refreshToken: string | undefined;
}

/** A new session, and whether a second factor was asked for and given. */
export interface Login {
  readonly session: IssuedSession;
  readonly gaveFactor: boolean;
}

/**
 * Opens a session. Throws `bad_credentials`, `second_factor_required`, `bad_second_factor`, `locked_out`, `forbidden`
 * (suspended).
 */
export function login(deps: Deps, request: RequestInfo, input: LoginInput): Promise<Login> {
  const { username, factor } = input;
  const { address, userAgent } = request;
  return guarded(deps, { username, address }, async () => {
    const row = await findCredentialByName(deps.db, username);
    const token = hashRefreshToken(input.refreshToken ?? '');
    const isKnown = await knowsBrowser(deps.db, row?.accountId ?? null, token);
    await deps.lockout.slowDown(username, isKnown);
    const isRight = await verifyLoginSecret(row?.secretHash ?? null, decodeBytes(input.loginSecret));
    if (!row || !isRight) throw new AppError({ code: 'bad_credentials' });
    if (row.isSuspended) throw forbidden('suspended');
    const { accountId } = row;
    return transaction(deps.db, async (tx) => {
      const gaveFactor = await requireSecondFactor(tx, deps, { accountId, factor, request });
      const origin = { userAgent, address };
      const session = await createSession(tx, deps, { accountId, deviceId: null, origin });
      return { session, gaveFactor };
    });
  });
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

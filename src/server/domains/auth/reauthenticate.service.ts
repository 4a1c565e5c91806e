// Proving oneself: what log-in, the vault and re-authentication have in common.
import type { RequestInfo } from '#server/context.ts';
import type { Actor, Deps } from '#server/deps.ts';
import {
  createSession,
  markAuthenticated,
  type IssuedSession,
} from '#server/domains/sessions/sessions.service.ts';
import { verifyLoginSecret } from '#server/platform/password.ts';
import { transaction } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes } from '#server/proof.ts';
import type { VaultGrant } from '#shared/auth.ts';
import { AppError, forbidden } from '#shared/errors.ts';
import type { Assertion, FactorProof, FactorTicket, Reauthentication } from '#shared/second-factor.ts';
import { findVault } from './auth.queries.ts';
import { guarded } from './guard.ts';
import { usePasskey } from './passkeys.service.ts';
import { factorTicket, requireSecondFactor } from './second-factor.service.ts';

type Caller = { readonly actor: Actor; readonly request: RequestInfo };

const badCredentials = (): AppError => new AppError({ code: 'bad_credentials' });

/**
 * Opens a session by a passkey alone: the authenticator verified the person, so it is possession and knowledge in
 * one. Throws `bad_credentials`, `forbidden` (suspended).
 */
export function loginWithPasskey(
  deps: Deps,
  request: RequestInfo,
  input: { readonly assertion: Assertion },
): Promise<IssuedSession> {
  const { assertion } = input;
  return transaction(deps.db, async (tx) => {
    const used = await usePasskey(tx, deps, { assertion, request });
    if (!used) throw badCredentials();
    if (used.isSuspended) throw forbidden('suspended');
    const origin = { userAgent: request.userAgent, address: request.address };
    return createSession(tx, deps, { accountId: used.accountId, deviceId: null, origin });
  });
}

/**
 * Marks the session fresh for `limits.freshMs`. Throws `bad_credentials`, `second_factor_required`,
 * `bad_second_factor`, `locked_out`.
 */
export async function reauthenticate(
  deps: Deps,
  caller: Caller,
  input: Reauthentication,
): Promise<FactorTicket> {
  const { actor, request } = caller;
  const { accountId, sessionId } = actor;
  if (input.kind === 'passkey') {
    return transaction(deps.db, async (tx) => {
      const used = await usePasskey(tx, deps, { assertion: input.assertion, request });
      if (used?.accountId !== accountId) throw badCredentials();
      await markAuthenticated(tx, deps, sessionId);
      return { factorTicket: factorTicket(deps, sessionId) };
    });
  }
  const row = await findVault(deps.db, accountId);
  if (!row) throw badCredentials();
  return guarded(deps, { username: row.username, address: request.address }, async () => {
    if (!(await verifyLoginSecret(row.secretHash, decodeBytes(input.loginSecret)))) throw badCredentials();
    return transaction(deps.db, async (tx) => {
      const gaveFactor = await requireSecondFactor(tx, deps, { accountId, factor: input.factor, request });
      await markAuthenticated(tx, deps, sessionId);
      return { factorTicket: gaveFactor ? factorTicket(deps, sessionId) : null };
    });
  });
}

/**
 * Hands out the vault against the login secret and, where log-in asks for one, the second factor in the same call
 * (protocol P10): given anew, or by the ticket that log-in or re-authentication answered to this session. Guessing is bounded
 * like signing in. Throws `bad_credentials`, `second_factor_required`, `bad_second_factor`, `locked_out`.
 */
export async function getVault(
  deps: Deps,
  caller: Caller,
  input: { readonly loginSecret: string; readonly factor?: FactorProof | undefined },
): Promise<VaultGrant> {
  const { actor, request } = caller;
  const { accountId, sessionId } = actor;
  const row = await findVault(deps.db, accountId);
  if (!row) throw badCredentials();
  await guarded(deps, { username: row.username, address: request.address }, async () => {
    if (!(await verifyLoginSecret(row.secretHash, decodeBytes(input.loginSecret)))) throw badCredentials();
    await transaction(deps.db, (tx) =>
      requireSecondFactor(tx, deps, { accountId, sessionId, factor: input.factor, request }),
    );
  });
  return { vault: encodeBytes(row.vault), vaultVersion: row.vaultVersion, accountId };
}

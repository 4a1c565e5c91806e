// The log-in without a password: of a new device that one of the account's devices has certified (protocol 3.3).
import type { RequestInfo } from '#server/context.ts';
import type { Deps } from '#server/deps.ts';
import { spendLink } from '#server/domains/links/links.service.ts';
import { createSession, type IssuedSession } from '#server/domains/sessions/sessions.service.ts';
import { transaction } from '#server/platform/transaction.ts';
import { forbidden, notFound } from '#shared/errors.ts';
import { findCredentialOf } from './credentials.queries.ts';

/**
 * Opens a session against the claim of a link, once. Throws `not_found`, `conflict`, `bad_credentials`, `forbidden`
 * (suspended).
 */
export function loginByLink(
  deps: Deps,
  request: RequestInfo,
  input: { readonly mailboxId: string; readonly claim: string },
): Promise<IssuedSession> {
  const origin = { userAgent: request.userAgent, address: request.address };
  return transaction(deps.db, async (tx) => {
    const { accountId } = await spendLink(tx, deps, input);
    const credential = await findCredentialOf(tx, { accountId });
    if (!credential) throw notFound();
    if (credential.isSuspended) throw forbidden('suspended');
    return createSession(tx, deps, { accountId, deviceId: null, origin, isProven: false });
  });
}

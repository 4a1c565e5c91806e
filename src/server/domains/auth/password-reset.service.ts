// A new password by a link that whoever runs the server made. It gets its holder past the log-in and no further: the
// vault stays closed, for the server has nothing that opens it (decision 0031).
import type { RequestInfo } from '#server/context.ts';
import type { Deps } from '#server/deps.ts';
import {
  createSession,
  revokeSessions,
  type IssuedSession,
} from '#server/domains/sessions/sessions.service.ts';
import { requirePerson } from '#server/domains/users/staff.service.ts';
import { addressKey } from '#server/platform/address.ts';
import { hashCode } from '#server/platform/tokens.ts';
import { randomToken } from '#server/platform/ids.ts';
import { hashLoginSecret } from '#server/platform/password.ts';
import { transaction } from '#server/platform/transaction.ts';
import { decodeBytes } from '#server/proof.ts';
import type * as z from 'zod/mini';
import type { resetPasswordInput } from '#shared/account.ts';
import { AppError, forbidden } from '#shared/errors.ts';
import { limits } from '#shared/limits.ts';
import { lockCredential, storeCredential } from './credentials.queries.ts';
import { storedKdf } from './password.service.ts';
import { spendReset, storeReset } from './reset.queries.ts';
import { turnOffTotp } from './second-factor.service.ts';

/**
 * A code for somebody to set a new password with, once, within `limits.passwordResetMs`; one made before it is void.
 * Called by the operator's command line: no action is asked for here. Throws `not_found`.
 */
export async function offerPasswordReset(deps: Deps, username: string): Promise<string> {
  const { accountId } = await requirePerson(deps, username);
  const code = randomToken(limits.passwordResetCodeBytes);
  const now = deps.clock.now();
  const [createdAt, expiresAt] = [new Date(now), new Date(now + limits.passwordResetMs)];
  await storeReset(deps.db, { accountId, codeHash: hashCode(code), createdAt, expiresAt });
  deps.log.info('operator.password_reset_offered', { accountId });
  return code;
}

/**
 * Sets a new password against the code, ends every session and opens one for this browser. Log-in asks for no second
 * step any more, as after the recovery code (decision 0018): who lost everything lost that too. The vault is left as it
 * is. Throws `reset_invalid`, `forbidden` (suspended).
 */
export async function resetPassword(
  deps: Deps,
  request: RequestInfo,
  input: z.infer<typeof resetPasswordInput>,
): Promise<{ readonly session: IssuedSession; readonly username: string }> {
  const secretHash = await hashLoginSecret(decodeBytes(input.newLoginSecret));
  const done = await transaction(deps.db, async (tx) => {
    const accountId = await spendReset(tx, hashCode(input.code), new Date(deps.clock.now()));
    const stored = accountId && (await lockCredential(tx, accountId));
    if (!stored) throw new AppError({ code: 'reset_invalid' });
    if (stored.isSuspended) throw forbidden('suspended');
    await storeCredential(tx, accountId, { password: { kdf: storedKdf(input.kdf), secretHash } });
    await revokeSessions(tx, deps, { accountId });
    await turnOffTotp(tx, accountId);
    const origin = { userAgent: request.userAgent, address: request.address };
    const session = await createSession(tx, deps, { accountId, deviceId: null, origin });
    return { session, username: stored.username };
  });
  // Wrong passwords typed before it say nothing any more.
  await deps.lockout.succeed(done.username, addressKey(request.address));
  deps.log.info('account.password_reset', { accountId: done.session.accountId });
  return done;
}

// From an access token to an actor. The token proves who asks; the session row says whether it still may.
import type { AuthFailure } from './context.ts';
import type { Actor, Deps } from './deps.ts';
import { findActiveSession } from './domains/sessions/sessions.service.ts';

export type Authentication =
  { readonly actor: Actor; readonly failure: null } | { readonly actor: null; readonly failure: AuthFailure };

const nobody = (failure: AuthFailure): Authentication => ({ actor: null, failure });

/** The token's actor, with the device its session is bound to now. */
export async function authenticate(deps: Deps, token: string | null): Promise<Authentication> {
  if (!token) return nobody('unauthenticated');
  const claims = await deps.tokens.verify(token);
  if (!claims) return nobody('unauthenticated');
  const session = await findActiveSession(deps, claims.sessionId);
  if (!session || session.accountId !== claims.accountId) return nobody('session_revoked');
  const { accountId, sessionId, deviceId } = session;
  return { actor: { accountId, sessionId, deviceId }, failure: null };
}

/** The token of an `Authorization: Bearer` header, or null. */
export function bearerToken(header: string | undefined): string | null {
  const match = /^Bearer ([A-Za-z0-9_.-]{1,4096})$/.exec(header ?? '');
  return match?.[1] ?? null;
}

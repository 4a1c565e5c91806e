// Who may make the first account: a browser on this very machine, or whoever holds the token printed at start.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { RequestInfo } from '#server/context.ts';
import type { Deps } from '#server/deps.ts';
import type { Queryable } from '#server/platform/db.ts';
import { isAllowedOrigin } from '#server/platform/http.ts';
import { isLocalHost } from '#server/request-info.ts';
import { AppError } from '#shared/errors.ts';
import type { InstanceInfo } from '#shared/instance.ts';
import { readSettings } from './settings.queries.ts';

export { claimOwnership, readSettings, writeSetting } from './settings.queries.ts';

/** No token is asked from this machine itself, unless the instance is published under another name. */
function isOpenTo(deps: Deps, request: RequestInfo): boolean {
  const isLocalInstance = isLocalHost(new URL(deps.env.publicUrl).hostname);
  const isOwnPage = request.origin === undefined || isAllowedOrigin(request.origin, deps.env.allowedOrigins);
  return isLocalInstance && isOwnPage && request.isLoopback;
}

export function setupState(deps: Deps, request: RequestInfo, hasOwner: boolean): InstanceInfo['setup'] {
  if (hasOwner) return 'done';
  return isOpenTo(deps, request) ? 'open' : 'token';
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Throws `bad_setup_token` unless this request may set the instance up. */
export function requireSetupRight(deps: Deps, request: RequestInfo, token: string | undefined): void {
  if (isOpenTo(deps, request)) return;
  const { setupToken } = deps.env;
  const isRight =
    setupToken !== undefined && token !== undefined && timingSafeEqual(digest(token), digest(setupToken));
  if (!isRight) throw new AppError({ code: 'bad_setup_token' });
}

export async function hasOwner(q: Queryable): Promise<boolean> {
  return (await readSettings(q)).hasOwner;
}

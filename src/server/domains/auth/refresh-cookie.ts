// The refresh token's cookie: never readable by scripts, never sent from another site. A refresh also needs an own
// header and an allowed Origin, so that no form or image can trigger it.
import type { Context, RequestInfo } from '#server/context.ts';
import type { Env } from '#server/platform/env.ts';
import { isAllowedOrigin } from '#server/platform/http.ts';
import { AppError } from '#shared/errors.ts';
import { limits } from '#shared/limits.ts';

const refreshHeader = 'x-chatalot-refresh';

/** `__Host-` needs Secure, so plain http (this machine, tests) has its own name. */
export const refreshCookie = (env: Pick<Env, 'secureCookies'>): string =>
  env.secureCookies ? '__Host-chatalot-refresh' : 'chatalot-refresh';

export function readRefreshToken(ctx: Pick<Context, 'deps' | 'request'>): string | undefined {
  return ctx.request.cookies.get(refreshCookie(ctx.deps.env)) || undefined;
}

export function setRefreshToken(ctx: Pick<Context, 'deps' | 'request'>, token: string): void {
  const maxAge = Math.floor(limits.refreshTokenMs / 1000);
  ctx.request.setCookie?.(refreshCookie(ctx.deps.env), token, { maxAge });
}

export function clearRefreshToken(ctx: Pick<Context, 'deps' | 'request'>): void {
  ctx.request.setCookie?.(refreshCookie(ctx.deps.env), '', { maxAge: 0 });
}

/** Throws `unauthenticated` unless the request is our own page's. */
export function requireOwnPage(env: Pick<Env, 'allowedOrigins'>, request: RequestInfo): void {
  const isOwn = request.headers[refreshHeader] === '1' && isAllowedOrigin(request.origin, env.allowedOrigins);
  if (!isOwn) throw new AppError({ code: 'unauthenticated' });
}

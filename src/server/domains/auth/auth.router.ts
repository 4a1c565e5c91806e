import type { Context } from '#server/context.ts';
import { accountProcedure, publicProcedure, router } from '#server/trpc.ts';
import {
  recoverInput,
  recoveryVaultInput,
  resetPasswordInput,
  type PasswordResetGrant,
} from '#shared/account.ts';
import {
  availableInput,
  kdfInput,
  loginInput,
  logoutInput,
  registerInput,
  vaultGetInput,
  type LoginGrant,
  type SessionGrant,
} from '#shared/auth.ts';
import { AppError } from '#shared/errors.ts';
import { claimLinkInput } from '#shared/links.ts';
import { passkeyLoginInput, reauthenticateInput } from '#shared/second-factor.ts';
import {
  getKdf,
  grantOf,
  isAvailable,
  login,
  logout,
  rotateSession,
  type IssuedSession,
} from './auth.service.ts';
import { loginByLink } from './link-login.service.ts';
import { resetPassword } from './password-reset.service.ts';
import { recover, recoveryVault } from './recovery.service.ts';
import { challengePasskey } from './passkeys.service.ts';
import { getVault, loginWithPasskey, reauthenticate } from './reauthenticate.service.ts';
import { factorTicket } from './second-factor.service.ts';
import { clearRefreshToken, readRefreshToken, requireOwnPage, setRefreshToken } from './refresh-cookie.ts';
import { register } from './register.service.ts';

async function hand(ctx: Context, session: IssuedSession): Promise<SessionGrant> {
  setRefreshToken(ctx, session.refreshToken);
  return grantOf(ctx.deps, session);
}

async function admit(ctx: Context, session: IssuedSession, gaveFactor: boolean): Promise<LoginGrant> {
  const grant = await hand(ctx, session);
  return { ...grant, factorTicket: gaveFactor ? factorTicket(ctx.deps, session.sessionId) : null };
}

async function refresh(ctx: Context): Promise<SessionGrant> {
  requireOwnPage(ctx.deps.env, ctx.request);
  const token = readRefreshToken(ctx);
  if (!token) throw new AppError({ code: 'unauthenticated' });
  try {
    return await hand(ctx, await rotateSession(ctx.deps, token));
  } catch (cause) {
    if (cause instanceof AppError) clearRefreshToken(ctx);
    throw cause;
  }
}

export const authRouter = router({
  kdf: publicProcedure('anonymous')
    .input(kdfInput)
    .query(({ ctx, input }) => getKdf(ctx.deps, input)),
  available: publicProcedure('anonymous')
    .input(availableInput)
    .query(({ ctx, input }) => isAvailable(ctx.deps, input)),
  register: publicProcedure('credentials')
    .input(registerInput)
    .mutation(async ({ ctx, input }) => hand(ctx, await register(ctx.deps, ctx.request, input))),
  login: publicProcedure('credentials')
    .input(loginInput)
    .mutation(async ({ ctx, input }) => {
      const refreshToken = readRefreshToken(ctx);
      const { session, gaveFactor } = await login(ctx.deps, ctx.request, { ...input, refreshToken });
      return admit(ctx, session, gaveFactor);
    }),
  recoveryVault: publicProcedure('credentials')
    .input(recoveryVaultInput)
    .mutation(({ ctx, input }) => recoveryVault(ctx.deps, ctx.request, input)),
  recover: publicProcedure('credentials')
    .input(recoverInput)
    .mutation(async ({ ctx, input }) => hand(ctx, await recover(ctx.deps, ctx.request, input))),
  resetPassword: publicProcedure('credentials')
    .input(resetPasswordInput)
    .mutation(async ({ ctx, input }): Promise<PasswordResetGrant> => {
      const { session, username } = await resetPassword(ctx.deps, ctx.request, input);
      return { ...(await hand(ctx, session)), username };
    }),
  passkeyChallenge: publicProcedure('anonymous').mutation(({ ctx }) =>
    challengePasskey(ctx.deps, ctx.request),
  ),
  passkeyLogin: publicProcedure('credentials')
    .input(passkeyLoginInput)
    .mutation(async ({ ctx, input }) =>
      admit(ctx, await loginWithPasskey(ctx.deps, ctx.request, input), true),
    ),
  reauthenticate: accountProcedure('account.use', 'credentials')
    .input(reauthenticateInput)
    .mutation(({ ctx, input }) => reauthenticate(ctx.deps, ctx, input)),
  claimLink: publicProcedure('credentials')
    .input(claimLinkInput)
    .mutation(async ({ ctx, input }) => hand(ctx, await loginByLink(ctx.deps, ctx.request, input))),
  refresh: publicProcedure('anonymous').mutation(({ ctx }) => refresh(ctx)),
  logout: accountProcedure('account.use', 'mutate')
    .input(logoutInput)
    .mutation(async ({ ctx, input }) => {
      await logout(ctx.deps, ctx.actor, input);
      clearRefreshToken(ctx);
    }),
});

export const vaultRouter = router({
  get: accountProcedure('account.use', 'mutate')
    .input(vaultGetInput)
    .mutation(({ ctx, input }) => getVault(ctx.deps, ctx, input)),
});

// The three kinds of procedure. Each names its action (or is public), is rate limited by class, and answers
// failures as `error.data.app` (AppErrorPayload); an unknown cause is logged and answered as `internal`.
import { initTRPC, TRPCError } from '@trpc/server';
import { requireFresh } from './domains/sessions/sessions.service.ts';
import { liveTransformer } from './platform/live-codec.ts';
import { addressKey } from './platform/address.ts';
import { AppError, type AppErrorPayload } from '#shared/errors.ts';
import { limits, type RateClass } from '#shared/limits.ts';
import type { Action } from '#shared/permissions.ts';
import type { Context, SocketInfo } from './context.ts';
import { appErrorOf, trpcCodeOf } from './error-map.ts';

/** Which action a procedure performs; the architecture test refuses a procedure without either. */
export interface ProcedureMeta {
  readonly action?: Action;
  readonly public?: true;
  readonly needsDevice?: true;
  /** Asks for fresh proof of the person: always, or for some inputs (the service decides). */
  readonly sensitive?: 'always' | 'sometimes';
}

const t = initTRPC
  .context<Context>()
  .meta<ProcedureMeta>()
  .create({
    transformer: liveTransformer,
    isDev: false,
    errorFormatter: ({ shape, error, ctx }) => {
      const app: AppErrorPayload = appErrorOf(error) ?? {
        code: 'internal',
        requestId: ctx?.request.id ?? '',
      };
      return {
        message: app.code,
        code: shape.code,
        data: { code: shape.data.code, httpStatus: shape.data.httpStatus, path: shape.data.path, app },
      };
    },
  });

export const router = t.router;
export const mergeRouters = t.mergeRouters;
export const createCaller = t.createCallerFactory;

/** Services throw AppError; tRPC must know its status. The cause stays the AppError. */
const typedErrors = t.middleware(async ({ next, ctx, path }) => {
  const started = ctx.deps.clock.now();
  const result = await next();
  if (result.ok) return result;
  const app = appErrorOf(result.error);
  if (app !== null) {
    throw new TRPCError({ code: trpcCodeOf(app), message: app.code, cause: new AppError(app) });
  }
  const durationMs = ctx.deps.clock.now() - started;
  ctx.deps.log.error('procedure.failed', {
    procedure: path,
    requestId: ctx.request.id,
    durationMs,
    cause: result.error.cause ?? result.error,
  });
  throw new TRPCError({
    code: 'INTERNAL_SERVER_ERROR',
    message: 'internal',
    cause: new AppError({ code: 'internal', requestId: ctx.request.id }),
  });
});

function enter(socket: SocketInfo, isSubscription: boolean): void {
  if (socket.operations >= limits.socketOperations) {
    throw new AppError({ code: 'limit_reached', limit: 'socketOperations', max: limits.socketOperations });
  }
  if (isSubscription && socket.subscriptions >= limits.socketSubscriptions) {
    throw new AppError({
      code: 'limit_reached',
      limit: 'socketSubscriptions',
      max: limits.socketSubscriptions,
    });
  }
}

/** Begins nothing while the server goes down, and lets it wait for what has begun. */
const counted = t.middleware(async ({ next, ctx }) => {
  ctx.calls.begin();
  try {
    return await next();
  } finally {
    ctx.calls.end();
  }
});

/** Bounds what one socket has in flight. */
const admitted = t.middleware(async ({ next, ctx, type, signal }) => {
  const { socket } = ctx;
  if (!socket) return next();
  const isSubscription = type === 'subscription';
  enter(socket, isSubscription);
  if (isSubscription && signal) {
    socket.subscriptions += 1;
    signal.addEventListener('abort', () => (socket.subscriptions -= 1), { once: true });
  }
  socket.operations += 1;
  try {
    return await next();
  } finally {
    socket.operations -= 1;
  }
});

function rateKey(ctx: Context, isPublic: boolean): string {
  if (isPublic || !ctx.actor) return `address:${addressKey(ctx.request.address)}`;
  return ctx.actor.deviceId ? `device:${ctx.actor.deviceId}` : `session:${ctx.actor.sessionId}`;
}

const limited = (rateClass: RateClass, isPublic: boolean) =>
  t.middleware(async ({ ctx, next }) => {
    const verdict = await ctx.deps.limiter.take(rateClass, rateKey(ctx, isPublic));
    if (!verdict.allowed) throw new AppError({ code: 'rate_limited', retryAfterMs: verdict.retryAfterMs });
    return next();
  });

const signedIn = t.middleware(({ ctx, next }) => {
  const { actor } = ctx;
  if (!actor) throw new AppError({ code: ctx.authFailure });
  return next({ ctx: { actor } });
});

const onDevice = t.middleware(({ ctx, next }) => {
  const { actor } = ctx;
  if (!actor) throw new AppError({ code: ctx.authFailure });
  const { deviceId } = actor;
  if (deviceId === null) throw new AppError({ code: 'device_required' });
  return next({ ctx: { actor: { ...actor, deviceId } } });
});

const fresh = t.middleware(async ({ ctx, next }) => {
  if (!ctx.actor) throw new AppError({ code: ctx.authFailure });
  await requireFresh(ctx.deps.db, ctx.deps, ctx.actor.sessionId);
  return next();
});

const base = t.procedure.use(typedErrors).use(counted).use(admitted);

/** Anybody; limited per address. The names of public procedures are listed in the architecture test. */
export const publicProcedure = (rateClass: RateClass) =>
  base.meta({ public: true }).use(limited(rateClass, true));

/** Signed in, on any session: `ctx.actor` is an Actor. */
export const accountProcedure = (action: Action, rateClass: RateClass) =>
  base.meta({ action }).use(signedIn).use(limited(rateClass, false));

/** Signed in, and the person proved to be themselves within `limits.freshMs` (log-in or `auth.reauthenticate`). */
export const sensitiveProcedure = (action: Action, rateClass: RateClass) =>
  accountProcedure(action, rateClass).meta({ sensitive: 'always' }).use(fresh);

/** Signed in on a session bound to a device (protocol P9): `ctx.actor` is a DeviceActor. */
export const deviceProcedure = (action: Action, rateClass: RateClass) =>
  base.meta({ action, needsDevice: true }).use(onDevice).use(limited(rateClass, false));

/** As `sensitiveProcedure`, on a session bound to a device. */
export const sensitiveDeviceProcedure = (action: Action, rateClass: RateClass) =>
  deviceProcedure(action, rateClass).meta({ sensitive: 'always' }).use(fresh);

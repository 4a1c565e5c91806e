// Composition: builds Deps, the HTTP app, tRPC over HTTP and sockets, and takes all of it down in order.
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createHttpApp } from './platform/http.ts';
import type { Env } from './platform/env.ts';
import { processBus, type Bus } from './platform/bus.ts';
import { RedisBus } from './platform/redis-bus.ts';
import { CLOSE_RESTART, LiveHub } from './platform/live-hub.ts';
import { isMigrated } from './platform/migrate.ts';
import { kinshipOf } from './platform/secrets.ts';
import { registerStatic } from './platform/static.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { encodeLiveFrame } from '#shared/live-frame.ts';
import { authenticate, bearerToken } from './authenticate.ts';
import { Calls } from './calls.ts';
import type { Context, CookieOptions } from './context.ts';
import { createDeps, type DepsOptions } from './create-deps.ts';
import type { Deps } from './deps.ts';
import { parseNodeMessage, type NodeMessage } from './node-messages.ts';
import { Nodes, publishToAll } from './nodes.ts';
import { partPresence } from './domains/live/presence.service.ts';
import { readMissing } from './domains/messages/missing-events.service.ts';
import { createLivePublisher } from './live-publisher.ts';
import { addMetricsRoute } from './metrics-route.ts';
import { nodeReadouts, readouts } from './readouts.ts';
import { describeRequest } from './request-info.ts';
import { appRouter } from './router.ts';
import { serveSockets } from './socket-server.ts';
import { SocketRegistry } from './sockets.ts';
import { topics, type ConnectionData } from './topics.ts';

export interface AppOptions extends DepsOptions {
  /** The built client; absent where another server serves it (development, tests). */
  readonly clientDir?: string | undefined;
}

/** Something that must finish what it began before the database closes. */
export interface Drainable {
  readonly name: string;
  drain(): Promise<void>;
}

export interface App {
  readonly deps: Deps;
  readonly http: FastifyInstance;
  readonly sockets: SocketRegistry;
  readonly hub: LiveHub<LiveEvent, ConnectionData>;
  /** Drained by `close`, in the order they were added. */
  readonly drains: Drainable[];
  /** Listens on env.host and env.port (0: any free port) and returns the port. */
  listen(): Promise<number>;
  /** Tells clients, drains, closes sockets and HTTP. The database stays open: who opened it closes it. */
  close(): Promise<void>;
}

const goodbyeMs = 100;

function createBus({ redis, secrets }: AppOptions): Bus<NodeMessage> {
  if (!redis) return processBus;
  const kinship = kinshipOf(secrets);
  return new RedisBus({ link: redis, kinship, leaseMs: limits.offlineGraceMs, parse: parseNodeMessage });
}

function createHub(options: AppOptions): App['hub'] {
  return new LiveHub<LiveEvent, ConnectionData>({
    maxBufferedBytes: limits.socketBufferedBytes,
    holdMs: limits.seqHoleMs,
    compactor: encodeLiveFrame,
    readMissing: (stream, fromSeq, toSeq) => readMissing(options, { channelId: stream, fromSeq, toSeq }),
    onError: (cause) => options.log.error('live.failed', { cause }),
  });
}

function cookieSetter(env: Env, reply: FastifyReply) {
  return (name: string, value: string, { maxAge }: CookieOptions): void => {
    const parts = [`${name}=${value}`, 'Path=/', `Max-Age=${maxAge}`, 'HttpOnly', 'SameSite=Strict'];
    if (env.secureCookies) parts.push('Secure');
    reply.header('set-cookie', parts.join('; '));
  };
}

type HttpContextInput = { readonly req: FastifyRequest; readonly res: FastifyReply };

async function httpContext(state: State, { req, res }: HttpContextInput): Promise<Context> {
  const { deps, sockets } = state;
  const { actor, failure } = await authenticate(deps, bearerToken(req.headers.authorization));
  const info = describeRequest(req.raw, deps.env, req.id);
  return {
    deps,
    actor,
    authFailure: failure ?? 'unauthenticated',
    request: { ...info, setCookie: cookieSetter(deps.env, res) },
    calls: state.calls,
    bindDevice: (deviceId) => {
      if (actor) sockets.bindDevice(actor.sessionId, deviceId);
    },
  };
}

interface State {
  readonly deps: Deps;
  readonly sockets: SocketRegistry;
  readonly calls: Calls;
  readonly bus: Bus<NodeMessage>;
}

async function buildHttp(options: AppOptions, state: State): Promise<FastifyInstance> {
  const { env, log, db, clientDir } = options;
  const { disk, metrics } = state.deps;
  const ready = async (): Promise<Record<string, boolean | 'degraded' | 'down'>> => {
    const database = await db.ping().then(
      () => true,
      () => false,
    );
    const migrated = database && (await isMigrated(db, env.migrationsDir));
    // Alone for now: people of this node go on, and every other node may be without Redis too.
    const redis = state.bus.isUp ? true : 'down';
    const diskState = disk.isLow ? 'degraded' : true;
    const checks = { database, migrated, accepting: !state.calls.isDraining, disk: diskState } as const;
    return env.redisUrl ? { ...checks, redis } : checks;
  };
  const http = await createHttpApp({ env, log, ready, metrics, bodyLimit: limits.httpBodyBytes });
  addMetricsRoute(http, state.deps);
  await http.register(fastifyTRPCPlugin, {
    prefix: '/trpc',
    trpcOptions: {
      router: appRouter,
      maxBatchSize: 16,
      // Queries may come by POST, so that invite codes and names need not stand in URLs that proxies log.
      allowMethodOverride: true,
      createContext: (input: HttpContextInput) => httpContext(state, input),
    },
  });
  if (clientDir) await registerStatic(http, clientDir);
  return http;
}

/** Builds the server. Nothing listens yet. */
export async function createApp(options: AppOptions): Promise<App> {
  const { env } = options;
  const sockets = new SocketRegistry();
  const hub = createHub(options);
  const onParted = (accountId: AccountId): void => {
    partPresence(deps, accountId).catch((cause: unknown) => options.log.error('presence.failed', { cause }));
  };
  const bus = createBus(options);
  const local = createLivePublisher(hub, sockets, onParted);
  const deps: Deps = createDeps(options, publishToAll(local, bus));
  const nodes = new Nodes({ bus, hub, sockets, local }, deps);
  const calls = new Calls();
  const state: State = { deps, sockets, calls, bus };
  const http = await buildHttp(options, state);
  const entrance = serveSockets(http.server, { deps, hub, sockets, calls });
  const drains: Drainable[] = [
    { name: 'calls', drain: () => calls.idle(limits.drainMs) },
    { name: 'sends', drain: () => deps.sends.drain() },
  ];
  deps.metrics.add(...readouts(deps, hub.metrics, () => sockets.size));
  if (env.redisUrl) deps.metrics.add(...nodeReadouts(bus));
  const stopPresence = deps.presence.start();
  const stopDisk = await deps.disk.start();

  const close = async (): Promise<void> => {
    if (calls.isDraining) return;
    const isQuiet = calls.inFlight === 0;
    calls.close();
    deps.live.publish({ to: 'everyone' }, { type: 'server.draining', reconnectInMs: 1000 });
    for (const each of drains) {
      await each
        .drain()
        .catch((cause: unknown) => options.log.error('drain.failed', { reason: each.name, cause }));
    }
    stopPresence();
    stopDisk();
    // Through the hub first: it sends what it still holds for a connection before it closes it.
    hub.close(topics.everyone, CLOSE_RESTART, 'restart');
    sockets.closeForRestart();
    await new Promise((resolve) => setTimeout(resolve, sockets.size > 0 || !isQuiet ? goodbyeMs : 0));
    await entrance.close();
    await nodes.stop();
    await http.close();
    hub.stop();
  };
  const listen = async (): Promise<number> => {
    await nodes.start();
    await http.listen({ host: env.host, port: env.port });
    const address = http.server.address();
    return typeof address === 'object' && address !== null ? address.port : env.port;
  };
  return { deps, http, sockets, hub, drains, listen, close };
}

// The WebSocket entrance: Origin is checked at the upgrade, the access token comes as the first message within
// 10 s, and from then on the socket lives by its session row.
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import { WebSocketServer, type WebSocket } from 'ws';
import { isAllowedOrigin } from './platform/http.ts';
import { uuidv7 } from './platform/ids.ts';
import { KeepAlive } from './platform/keep-alive.ts';
import { formAsked } from './platform/live-frames.ts';
import { CLOSE_REVOKED, type LiveHub } from './platform/live-hub.ts';
import { liveEncoder } from './platform/live-codec.ts';
import { AppError } from '#shared/errors.ts';
import type { LiveEvent } from '#shared/events.ts';
import { limits } from '#shared/limits.ts';
import { authenticate } from './authenticate.ts';
import type { Calls } from './calls.ts';
import type { Context } from './context.ts';
import type { Deps } from './deps.ts';
import { touchDevices } from './domains/devices/devices.service.ts';
import { findActiveSession, recheckSessions } from './domains/sessions/sessions.service.ts';
import type { ConnectionData } from './topics.ts';
import { describeRequest } from './request-info.ts';
import { appRouter } from './router.ts';
import type { OpenSocket, SocketRegistry } from './sockets.ts';

export interface SocketServerOptions {
  readonly deps: Deps;
  readonly hub: LiveHub<LiveEvent, ConnectionData>;
  readonly sockets: SocketRegistry;
  readonly calls: Calls;
}

const path = '/trpc';

/** Sockets whose token has not come yet are closed when their time is up. */
class Waiting {
  readonly #timers = new Map<WebSocket, NodeJS.Timeout>();

  start(socket: WebSocket): void {
    const expire = (): void => socket.close(CLOSE_REVOKED, 'unauthenticated');
    this.#timers.set(socket, setTimeout(expire, limits.authenticationMs).unref());
    socket.once('close', () => this.end(socket));
  }

  end(socket: WebSocket): void {
    clearTimeout(this.#timers.get(socket));
    this.#timers.delete(socket);
  }
}

/**
 * What refuses a token. tRPC says it to the client and closes in the next turn, without a code: this closes first, so that
 * the client asks for another token instead of trying the same again, which its own clock may think is good.
 */
function refusal(socket: WebSocket, code: 'unauthenticated' | 'session_revoked'): AppError {
  setImmediate(() => socket.close(CLOSE_REVOKED, code));
  return new AppError({ code });
}

function refuse(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function attachUpgrade(server: Server, wss: WebSocketServer, options: SocketServerOptions): void {
  const { env } = options.deps;
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on('error', () => stream.destroy());
    const target = new URL(request.url ?? '/', 'http://localhost');
    if (target.pathname !== path) return refuse(stream, '404 Not Found');
    if (options.calls.isDraining) return refuse(stream, '503 Service Unavailable');
    if (!isAllowedOrigin(request.headers.origin, env.allowedOrigins)) return refuse(stream, '403 Forbidden');
    if (target.searchParams.get('connectionParams') !== '1') return refuse(stream, '401 Unauthorized');
    wss.handleUpgrade(request, stream, head, (socket) => wss.emit('connection', socket, request));
  });
}

function contextOf(options: SocketServerOptions, open: OpenSocket, request: IncomingMessage): Context {
  const { deps, hub, sockets } = options;
  const socket = {
    socket: open.socket,
    stream: request.socket,
    hub,
    form: formAsked(request.url),
    operations: 0,
    subscriptions: 0,
  };
  return {
    deps,
    get actor() {
      return open.actor;
    },
    authFailure: 'unauthenticated',
    request: describeRequest(request, deps.env, uuidv7(deps.clock)),
    socket,
    calls: options.calls,
    bindDevice: (deviceId) => sockets.bindDevice(open.actor.sessionId, deviceId),
  };
}

/** Serves the router on sockets; returns what ends it. */
export function serveSockets(server: Server, options: SocketServerOptions): { close(): Promise<void> } {
  const { deps, sockets } = options;
  const wss = new WebSocketServer({
    noServer: true,
    maxPayload: limits.frameBytes,
    perMessageDeflate: false,
  });
  const waiting = new Waiting();
  const keepAlive = new KeepAlive({ everyMs: limits.signOfLifeMs });
  wss.on('connection', (socket) => {
    waiting.start(socket);
    keepAlive.watch(socket);
  });
  applyWSSHandler({
    wss,
    router: appRouter,
    maxBatchSize: limits.socketOperations,
    experimental_encoder: liveEncoder,
    createContext: async ({ req, res, info }): Promise<Context> => {
      const { actor, failure } = await authenticate(deps, info.connectionParams?.['token'] ?? null);
      if (!actor) throw refusal(res, failure);
      if (res.readyState !== res.OPEN) throw new AppError({ code: 'unauthenticated' });
      const open = sockets.admit(res, actor);
      // Asked again now that a revocation would find the socket: one between the two would have missed it.
      if (!(await findActiveSession(deps, actor.sessionId))) throw refusal(res, 'session_revoked');
      waiting.end(res);
      if (actor.deviceId) await touchDevices(deps, [actor.deviceId]);
      return contextOf(options, open, req);
    },
  });
  attachUpgrade(server, wss, options);
  const timer = setInterval(() => void recheck(options), limits.sessionRecheckMs).unref();
  return {
    close: async () => {
      clearInterval(timer);
      keepAlive.stop();
      for (const client of wss.clients) client.terminate();
      await new Promise<void>((resolve) => wss.close(() => resolve()));
    },
  };
}

/** Reads the session rows of all open sockets again and closes those that may no longer act. */
export async function recheck({
  deps,
  sockets,
}: Pick<SocketServerOptions, 'deps' | 'sockets'>): Promise<void> {
  const asked = sockets.sessionIds();
  if (asked.length === 0) return;
  try {
    const active = await recheckSessions(deps, asked);
    sockets.reconcile(active, asked);
    await touchDevices(
      deps,
      active.flatMap((row) => row.deviceId ?? []),
    );
  } catch (cause) {
    deps.log.error('sockets.recheck_failed', { cause });
  }
}

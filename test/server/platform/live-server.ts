// A real tRPC server over real sockets around a live hub, and the unmodified tRPC client that talks to it.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client';
import { initTRPC } from '@trpc/server';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import superjson from 'superjson';
import { WebSocket, WebSocketServer } from 'ws';
import { liveEncoder, liveTransformer } from '#server/platform/live-codec.ts';
import { LiveHub, type LiveConnection, type LiveHubOptions } from '#server/platform/live-hub.ts';

export interface ProbeEvent {
  readonly type: string;
  readonly n?: number;
  readonly at?: Date;
  readonly text?: string;
}
export type ProbeHub = LiveHub<ProbeEvent, { name: string }>;
export type ProbeConnection = LiveConnection<ProbeEvent, { name: string }>;

interface ProbeContext {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
}

const t = initTRPC.context<ProbeContext>().create({ transformer: liveTransformer });

function createRouter(hub: ProbeHub, opened: (connection: ProbeConnection) => void) {
  return t.router({
    echo: t.procedure.input((value) => value as Date).query(({ input }) => input),
    events: t.procedure.subscription(({ ctx, signal }) => {
      if (!signal) throw new Error('a subscription has a signal');
      const url = new URL(ctx.request.url ?? '/', 'ws://localhost');
      const { connection, events } = hub.open({
        socket: ctx.socket,
        stream: ctx.request.socket,
        signal,
        topics: url.searchParams.getAll('topic'),
        hello: { type: 'hello' },
        data: { name: url.searchParams.get('name') ?? '' },
        filter: (event) => event.type !== 'unwanted',
      });
      opened(connection);
      // Before the client can have had its hello: must not be lost.
      hub.publish('early', { type: 'early' });
      return events;
    }),
  });
}
export type ProbeRouter = ReturnType<typeof createRouter>;

export interface LiveServer {
  readonly hub: ProbeHub;
  readonly opened: ProbeConnection[];
  readonly url: string;
  /** The server's ends of the open sockets. */
  sockets(): WebSocket[];
  client(options: { name?: string; topics: readonly string[] }): ReturnType<typeof connect>;
  close(): Promise<void>;
}

function connect(url: string, options: { name?: string; topics: readonly string[] }) {
  const target = new URL(url);
  for (const topic of options.topics) target.searchParams.append('topic', topic);
  target.searchParams.set('name', options.name ?? '');
  const closes: (number | undefined)[] = [];
  const ws = createWSClient({
    url: target.href,
    WebSocket: WebSocket as never,
    retryDelayMs: () => 20,
    onClose: (cause) => closes.push(cause?.code),
  });
  const api = createTRPCClient<ProbeRouter>({ links: [wsLink({ client: ws, transformer: superjson })] });
  const received: ProbeEvent[] = [];
  const errors: unknown[] = [];
  const subscribe = () =>
    api.events.subscribe(undefined, {
      onData: (event) => received.push(event),
      onError: (cause) => errors.push(cause),
    });
  return { api, ws, received, errors, closes, subscribe };
}

export async function startLiveServer(
  options: Partial<LiveHubOptions<ProbeEvent>> = {},
): Promise<LiveServer> {
  const hub: ProbeHub = new LiveHub({
    readMissing: () => Promise.resolve([]),
    onError: (cause) => {
      throw cause;
    },
    ...options,
  });
  const opened: ProbeConnection[] = [];
  const server = createServer();
  const wss = new WebSocketServer({ server, perMessageDeflate: false });
  applyWSSHandler({
    wss,
    router: createRouter(hub, (connection) => opened.push(connection)),
    experimental_encoder: liveEncoder,
    createContext: ({ req, res }): ProbeContext => ({ socket: res, request: req }),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    hub,
    opened,
    url,
    sockets: () => [...wss.clients],
    client: (clientOptions) => connect(url, clientOptions),
    close: () => {
      for (const socket of wss.clients) socket.terminate();
      wss.close();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Waits until `holds`; fails after two seconds. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 2_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

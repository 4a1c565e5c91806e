// A real tRPC server over real sockets around a live hub, and the unmodified tRPC client that talks to it; or the same
// with the encoder of our own client, which asks for compact frames.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client';
import { initTRPC } from '@trpc/server';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import superjson from 'superjson';
import { WebSocket, WebSocketServer } from 'ws';
import { compactFrames, socketEncoder } from '#client/api/socket-encoder.ts';
import { liveEncoder, liveTransformer } from '#server/platform/live-codec.ts';
import { formAsked } from '#server/platform/live-frames.ts';
import { LiveHub, type LiveConnection, type LiveHubOptions } from '#server/platform/live-hub.ts';
import type { LiveEventOf } from '#shared/events.ts';
import { encodeLiveFrame } from '#shared/live-frame.ts';

type Appended = LiveEventOf<'event.appended'>;

/** What tests publish: anything, and `event.appended` with all it carries. */
export interface ProbeEvent extends Partial<Omit<Appended, 'type'>> {
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

interface RouterOptions {
  readonly early: ProbeEvent;
  readonly opened: (connection: ProbeConnection) => void;
}

function createRouter(hub: ProbeHub, { early, opened }: RouterOptions) {
  return t.router({
    echo: t.procedure.input((value) => value as Date).query(({ input }) => input),
    events: t.procedure.subscription(({ ctx, signal }) => {
      if (!signal) throw new Error('a subscription has a signal');
      const url = new URL(ctx.request.url ?? '/', 'ws://localhost');
      const { connection, events } = hub.open({
        socket: ctx.socket,
        stream: ctx.request.socket,
        signal,
        form: formAsked(ctx.request.url),
        topics: url.searchParams.getAll('topic'),
        hello: { type: 'hello' },
        data: { name: url.searchParams.get('name') ?? '' },
        filter: (event) => event.type !== 'unwanted',
      });
      opened(connection);
      // Before the client can have had its hello: must not be lost.
      hub.publish('early', early);
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
  client(options: ClientOptions): ReturnType<typeof connect>;
  close(): Promise<void>;
}

interface ClientOptions {
  readonly name?: string;
  readonly topics: readonly string[];
  /** Asks for compact frames. */
  readonly compact?: boolean;
}

function connect(url: string, options: ClientOptions) {
  const target = new URL(url);
  if (options.compact) target.search = compactFrames;
  for (const topic of options.topics) target.searchParams.append('topic', topic);
  target.searchParams.set('name', options.name ?? '');
  const closes: (number | undefined)[] = [];
  const seen = { text: 0, binary: 0, broken: 0 };
  class Counting extends WebSocket {
    constructor(address: string) {
      super(address);
      this.on('message', (_, isBinary) => void (seen[isBinary ? 'binary' : 'text'] += 1));
    }
  }
  const ws = createWSClient({
    url: target.href,
    WebSocket: Counting as never,
    retryDelayMs: () => 20,
    onClose: (cause) => closes.push(cause?.code),
    ...(options.compact ? { experimental_encoder: socketEncoder(() => (seen.broken += 1)) } : {}),
  });
  const api = createTRPCClient<ProbeRouter>({ links: [wsLink({ client: ws, transformer: superjson })] });
  const received: ProbeEvent[] = [];
  const errors: unknown[] = [];
  const subscribe = () =>
    api.events.subscribe(undefined, {
      onData: (event) => received.push(event),
      onError: (cause) => errors.push(cause),
    });
  return { api, ws, received, errors, closes, seen, subscribe };
}

export async function startLiveServer(
  options: Partial<LiveHubOptions<ProbeEvent>> = {},
  /** What the topic `early` hears while a subscription opens. */
  early: ProbeEvent = { type: 'early' },
): Promise<LiveServer> {
  const hub: ProbeHub = new LiveHub({
    readMissing: () => Promise.resolve([]),
    onError: (cause) => {
      throw cause;
    },
    compactor: (event) => (event.type === 'event.appended' ? encodeLiveFrame(event as Appended) : null),
    ...options,
  });
  const opened: ProbeConnection[] = [];
  const server = createServer();
  const wss = new WebSocketServer({ server, perMessageDeflate: false });
  applyWSSHandler({
    wss,
    router: createRouter(hub, { early, opened: (connection) => opened.push(connection) }),
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

/** Waits until `holds`; fails after ten seconds. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

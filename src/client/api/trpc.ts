// The two ways to the server: HTTP for getting in and as the fallback, one WebSocket for everything once signed in.
import { createTRPCClient, createWSClient, httpLink, wsLink, type TRPCClient } from '@trpc/client';
import superjson from 'superjson';
import type { AppRouter } from '#server/router.ts';
import { compactFrames, socketEncoder } from './socket-encoder.ts';

export type Api = TRPCClient<AppRouter>;

/** Refresh and log-out carry this header: a form of another site cannot set it. */
const REFRESH_HEADER = 'x-chatalot-refresh';

/** HTTP client. `token` is asked for at every call; null sends none. */
export function createHttpApi(token: () => string | null): Api {
  return createTRPCClient<AppRouter>({
    links: [
      httpLink({
        url: '/trpc',
        transformer: superjson,
        // Everything by POST: names and invite codes stay out of URLs and proxies' logs.
        methodOverride: 'POST',
        headers: () => {
          const bearer = token();
          return bearer === null
            ? { [REFRESH_HEADER]: '1' }
            : { authorization: `Bearer ${bearer}`, [REFRESH_HEADER]: '1' };
        },
        fetch: (input, init) =>
          fetch(input as string, { ...(init as RequestInit), credentials: 'same-origin' }),
      }),
    ],
  });
}

export interface SocketEvents {
  /** Called for every new socket; the token authenticates it for its life. */
  readonly token: () => Promise<string>;
  readonly onOpen: () => void;
  /** Something came: a frame of any kind, the server's question for a sign of life included. */
  readonly onHeard: () => void;
  /** A frame could not be read: something is lost, the socket is of no use any more. */
  readonly onBroken: () => void;
  /** `code` 4401: the session was revoked. */
  readonly onClose: (code: number | undefined) => void;
}

export interface SocketApi {
  readonly api: Api;
  close(): Promise<void>;
}

/** The server asks every socket for a sign of life (limits.signOfLifeMs); tRPC's client answers it and tells nobody. */
function socketThatTells(onHeard: () => void): typeof WebSocket {
  return class extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      this.addEventListener('message', onHeard);
    }
  };
}

/**
 * One socket that does not reconnect by itself: the live connection builds a fresh client for each attempt, so that
 * `live.events` is always the first operation and its id always 1 (architecture §6).
 */
export function createSocketApi(events: SocketEvents): SocketApi {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const client = createWSClient({
    url: `${scheme}://${location.host}/trpc?${compactFrames}`,
    connectionParams: async () => ({ token: await events.token() }),
    onOpen: events.onOpen,
    onClose: (cause) => events.onClose(cause?.code),
    retryDelayMs: () => 0x7fffffff,
    experimental_encoder: socketEncoder(events.onBroken),
    WebSocket: socketThatTells(events.onHeard),
  });
  const api = createTRPCClient<AppRouter>({ links: [wsLink({ client, transformer: superjson })] });
  return { api, close: () => client.close() };
}

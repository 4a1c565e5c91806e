// The stock tRPC client against a test server: HTTP with a cookie jar, and sockets with an Origin.
import {
  createTRPCClient,
  createWSClient,
  httpLink,
  TRPCClientError,
  wsLink,
  type Encoder,
  type TRPCClient,
} from '@trpc/client';
import superjson from 'superjson';
import { WebSocket, type ClientOptions } from 'ws';
import { compactFrames, socketEncoder } from '#client/api/socket-encoder.ts';
import type { AppRouter } from '#server/router.ts';
import type { SessionGrant } from '#shared/auth.ts';
import type { AppErrorPayload } from '#shared/errors.ts';
import { attachSignature, makeIdentity, makeUpload, registration, type Identity } from './keys.ts';
import type { TestServer } from './server.ts';

export type Api = TRPCClient<AppRouter>;

export interface TestClient {
  /** Over HTTP, with this client's cookies and access token. */
  readonly http: Api;
  readonly jar: Map<string, string>;
  grant: SessionGrant | null;
  /** Sent with HTTP requests beside Origin and the token. */
  readonly headers: Record<string, string>;
}

function storeCookies(jar: Map<string, string>, response: Response): void {
  for (const line of response.headers.getSetCookie()) {
    const [pair = '', ...attributes] = line.split('; ');
    const at = pair.indexOf('=');
    if (attributes.includes('Max-Age=0')) jar.delete(pair.slice(0, at));
    else jar.set(pair.slice(0, at), pair.slice(at + 1));
  }
}

/** A browser-like client without a session yet. */
export function testClient(server: TestServer): TestClient {
  const jar = new Map<string, string>();
  const headers: Record<string, string> = { origin: server.origin, 'x-chatalot-refresh': '1' };
  const client: TestClient = { jar, headers, grant: null, http: undefined as never };
  const http = createTRPCClient<AppRouter>({
    links: [
      httpLink({
        url: `${server.url}/trpc`,
        transformer: superjson,
        headers: () => ({
          ...headers,
          cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
          ...(client.grant ? { authorization: `Bearer ${client.grant.accessToken}` } : {}),
        }),
        fetch: async (input, init) => {
          const response = await fetch(input as string, init);
          storeCookies(jar, response);
          return response;
        },
      }),
    ],
  });
  return Object.assign(client, { http });
}

export interface Account extends Identity {
  readonly username: string;
  readonly client: TestClient;
  readonly http: Api;
}

let count = 0;

/** Registers over HTTP with real keys, attaches the device, publishes prekeys. The first account sets up. */
export async function registerAccount(
  server: TestServer,
  options: { readonly username?: string; readonly inviteCode?: string; readonly units?: number } = {},
): Promise<Account> {
  const client = testClient(server);
  const identity = makeIdentity();
  const username = options.username ?? `account${(count += 1)}`;
  const { setup } = await client.http.instance.info.query();
  const admission = setup === 'done' ? {} : { setup: {} };
  const invited = options.inviteCode ? { inviteCode: options.inviteCode } : {};
  const input = { ...registration(identity, username), ...admission, ...invited };
  client.grant = await client.http.auth.register.mutate(input);
  await attachOver(client, identity);
  if (setup !== 'done') await client.http.instance.configure.mutate({ name: 'Test', registration: 'open' });
  const units = options.units ?? 2;
  if (units > 0) await client.http.prekeys.publish.mutate(makeUpload(identity.device, { units }).upload);
  return { ...identity, username, client, http: client.http };
}

/** Binds the client's session to the identity's device. */
export async function attachOver(client: TestClient, identity: Identity): Promise<void> {
  if (!client.grant) throw new Error('not signed in');
  const { challenge } = await client.http.devices.challenge.mutate();
  const signature = attachSignature(identity.device, client.grant.sessionId, challenge);
  await client.http.devices.attach.mutate({ deviceId: identity.deviceId, signature });
}

/** A `ws` constructor that sends an Origin, as browsers do. */
function webSocketFrom(origin: string): typeof globalThis.WebSocket {
  class OriginSocket extends WebSocket {
    constructor(address: string | URL, protocols?: string | string[] | ClientOptions) {
      super(address, protocols as string[], { origin });
    }
  }
  return OriginSocket as unknown as typeof globalThis.WebSocket;
}

export interface LiveClient {
  readonly api: Api;
  /** Binary frames that came. */
  readonly binaryFrames: () => number;
  /** Resolves with the code and reason of the first close. */
  readonly closed: Promise<{ code: number; reason: string }>;
  close(): Promise<void>;
}

/** How our own client reads frames; one that cannot be read fails the test. */
function compactEncoder(onBinary: () => void): Encoder {
  const own = socketEncoder(() => {
    throw new Error('a broken frame');
  });
  return {
    ...own,
    decode(data) {
      if (typeof data !== 'string') onBinary();
      return own.decode(data);
    },
  };
}

/**
 * A socket of this client's session, opened lazily by the first operation. It does not come back once closed. `compact`
 * asks for compact frames, as our own client does.
 */
export function openLive(
  server: TestServer,
  client: Pick<TestClient, 'grant'>,
  options: { readonly compact?: boolean } = {},
): LiveClient {
  let binary = 0;
  let seen: (close: { code: number; reason: string }) => void = () => undefined;
  const closed = new Promise<{ code: number; reason: string }>((resolve) => (seen = resolve));
  const socket = createWSClient({
    url: `${server.url.replace('http', 'ws')}/trpc${options.compact ? `?${compactFrames}` : ''}`,
    WebSocket: webSocketFrom(server.origin),
    connectionParams: () => ({ token: client.grant?.accessToken ?? '' }),
    retryDelayMs: () => 60_000,
    onClose: (cause) => seen({ code: cause?.code ?? 0, reason: '' }),
    ...(options.compact ? { experimental_encoder: compactEncoder(() => (binary += 1)) } : {}),
  });
  const api = createTRPCClient<AppRouter>({ links: [wsLink({ client: socket, transformer: superjson })] });
  return { api, closed, binaryFrames: () => binary, close: () => socket.close() };
}

/** The typed payload a client call was refused with; fails when it was not refused. */
export async function clientRefusal(call: Promise<unknown>): Promise<AppErrorPayload> {
  const outcome = await call.then(
    () => null,
    (cause: unknown) => cause,
  );
  if (outcome instanceof TRPCClientError && outcome.data?.app) return outcome.data.app as AppErrorPayload;
  throw outcome instanceof Error ? outcome : new Error('the call was not refused');
}

// Real sockets: who may open one, how long it lives, and that revocation acts on it at once.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { uuidToBytes, createRevokeDevice, toBase64Url } from '#crypto/index.ts';
import { recheck } from '#server/socket-server.ts';
import type { LiveEvent } from '#shared/events.ts';
import { limits } from '#shared/limits.ts';
import {
  attachOver,
  clientRefusal,
  openLive,
  registerAccount,
  testClient,
  type Account,
} from '../../support/client.ts';
import { startTestServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let ada: Account;

beforeAll(async () => {
  server = await startTestServer();
  ada = await registerAccount(server);
});
afterAll(() => server.close());

const address = (query = '?connectionParams=1') => `${server.url.replace('http', 'ws')}/trpc${query}`;

/** A bare socket: what it got before it closed, and how it closed. */
function bare(url: string, options: { origin?: string; first?: unknown }) {
  const messages: string[] = [];
  const { origin, first } = options;
  const socket = new WebSocket(url, origin === undefined ? {} : { origin });
  const outcome = new Promise<{ status: number } | { code: number }>((resolve) => {
    socket.on('unexpected-response', (_request, response) => resolve({ status: response.statusCode ?? 0 }));
    socket.on('close', (code) => resolve({ code }));
    socket.on('error', () => undefined);
  });
  socket.on('open', () => first !== undefined && socket.send(JSON.stringify(first)));
  socket.on('message', (data) => messages.push((data as Buffer).toString()));
  return { socket, messages, outcome };
}

/** A session of its own, on a new browser of `account`, attached to its device. */
async function anotherBrowser(account: Account) {
  const client = testClient(server);
  const { username, loginSecret } = account;
  client.grant = await client.http.auth.login.mutate({ username, loginSecret });
  await attachOver(client, account);
  return client;
}

/** Opens a socket with a live subscription and waits for its first event. */
async function listen(account: Account, client = account.client) {
  const live = openLive(server, client);
  const events: LiveEvent[] = [];
  await new Promise<void>((resolve, reject) => {
    live.api.live.events.subscribe(undefined, {
      onData: (event) => {
        events.push(event);
        resolve();
      },
      onError: reject,
    });
  });
  return { ...live, events };
}

describe('opening a socket', () => {
  it('needs an allowed Origin, the right path and the promise of a token', async () => {
    const { origin } = server;
    expect(await bare(address(), { origin: 'https://evil.example' }).outcome).toEqual({ status: 403 });
    expect(await bare(address(), {}).outcome).toEqual({ status: 403 });
    expect(await bare(address(''), { origin }).outcome).toEqual({ status: 401 });
    expect(await bare(`${server.url.replace('http', 'ws')}/other`, { origin }).outcome).toEqual({
      status: 404,
    });
  });

  it('closes on a bad token, and says why', async () => {
    const first = { method: 'connectionParams', data: { token: 'not-a-token' } };
    const { outcome, messages } = bare(address(), { origin: server.origin, first });
    expect(await outcome).toEqual({ code: 4401 });
    expect(messages.join()).toContain('"unauthenticated"');
  });

  it('closes when no token comes within 10 s', async () => {
    const started = Date.now();
    const { outcome } = bare(address(), { origin: server.origin });
    expect(await outcome).toEqual({ code: 4401 });
    expect(Date.now() - started).toBeGreaterThanOrEqual(limits.authenticationMs - 100);
  }, 20_000);

  it('refuses frames over 1 MB', async () => {
    const first = { method: 'connectionParams', data: { token: 'x'.repeat(limits.frameBytes) } };
    expect(await bare(address(), { origin: server.origin, first }).outcome).toEqual({ code: 1009 });
  });

  it('is allowed 8 times per device', async () => {
    const bob = await registerAccount(server);
    const open = Array.from({ length: limits.socketsPerDevice }, () => openLive(server, bob.client));
    await Promise.all(open.map((live) => live.api.users.me.query()));
    const token = bob.client.grant?.accessToken ?? '';
    const first = { method: 'connectionParams', data: { token } };
    const ninth = bare(address(), { origin: server.origin, first });
    await ninth.outcome;
    expect(ninth.messages.join()).toContain('"socketsPerDevice"');
    await open[0]?.close();
    await expect.poll(() => server.app.sockets.size).toBe(limits.socketsPerDevice - 1);
    await openLive(server, bob.client).api.users.me.query();
  });
});

describe('a socket in use', () => {
  it('carries at most 4 subscriptions', async () => {
    const live = await listen(ada);
    for (let i = 1; i < limits.socketSubscriptions; i += 1) {
      await new Promise<void>((resolve) => {
        live.api.live.events.subscribe(undefined, { onData: () => resolve() });
      });
    }
    const refused = await new Promise<unknown>((resolve) => {
      live.api.live.events.subscribe(undefined, { onError: (cause) => resolve(cause.data?.app) });
    });
    expect(refused).toEqual({
      code: 'limit_reached',
      limit: 'socketSubscriptions',
      max: limits.socketSubscriptions,
    });
    await live.close();
  });

  it('acts for the device as soon as its session attaches one', async () => {
    const client = testClient(server);
    const { username, loginSecret } = ada;
    client.grant = await client.http.auth.login.mutate({ username, loginSecret });
    const live = openLive(server, client);
    expect((await clientRefusal(live.api.mailbox.pull.query({ after: 0 }))).code).toBe('device_required');
    await attachOver(client, ada);
    expect(await live.api.mailbox.pull.query({ after: 0 })).toEqual([]);
    await live.close();
  });
});

describe('revocation', () => {
  it('tells a revoked session and closes its sockets, subscribed or not', async () => {
    const client = await anotherBrowser(ada);
    const live = await listen(ada, client);
    const idle = openLive(server, client);
    await idle.api.users.me.query();
    const sessionId = client.grant?.sessionId as never;
    await ada.http.sessions.revoke.mutate({ sessionId });
    expect((await live.closed).code).toBe(4401);
    expect((await idle.closed).code).toBe(4401);
    expect(live.events.at(-1)).toEqual({ type: 'session.revoked', sessionId });
    expect((await clientRefusal(client.http.users.me.query())).code).toBe('session_revoked');
    expect((await ada.http.users.me.query()).username).toBe(ada.username);
  });

  it('closes the sockets of a removed device', async () => {
    const bob = await registerAccount(server);
    const live = await listen(bob);
    const target = { deviceId: uuidToBytes(bob.deviceId), reason: 'lost' } as const;
    const entry = createRevokeDevice(bob.state, target, { kind: 'root', secretKey: bob.root.secretKey });
    await bob.http.devices.append.mutate({ entry: toBase64Url(entry) });
    expect((await live.closed).code).toBe(4401);
  });

  it('reaches sockets whose session another node has ended', async () => {
    const client = await anotherBrowser(ada);
    const live = openLive(server, client);
    await live.api.users.me.query();
    const id = client.grant?.sessionId ?? '';
    await server.db.prisma.session.update({ where: { id }, data: { revokedAt: new Date() } });
    const { deps, sockets } = server.app;
    await recheck({ deps, sockets });
    expect((await live.closed).code).toBe(4401);
  });
});

describe('going down', () => {
  it('tells clients, closes their sockets resumably and takes no new ones', async () => {
    const other = await startTestServer({ db: server.db });
    const bob = { ...ada, client: testClient(other) };
    const { username, loginSecret } = ada;
    bob.client.grant = await bob.client.http.auth.login.mutate({ username, loginSecret });
    await attachOver(bob.client, ada);
    const live = openLive(other, bob.client);
    const events: LiveEvent[] = [];
    live.api.live.events.subscribe(undefined, { onData: (event) => events.push(event) });
    await expect.poll(() => events.length).toBeGreaterThan(0);
    await other.close();
    expect((await live.closed).code).toBe(4503);
    expect(events.at(-1)?.type).toBe('server.draining');
    await expect(bob.client.http.instance.info.query()).rejects.toThrow();
  });
});

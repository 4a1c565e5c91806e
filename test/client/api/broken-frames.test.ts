// A server whose frames cannot be read: the real live connection gives the socket up and comes back, nothing of such a
// frame reaches the application, and the page meets no exception (vitest fails on unhandled ones).
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { WebSocketServer as Server, WebSocket as Socket } from 'ws';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LiveConnection } from '#client/api/live.svelte.ts';
import type { LiveEvent } from '#shared/events.ts';
import { encodeLiveFrame } from '#shared/live-frame.ts';
import { appended } from '../support/appended.ts';

/** Client tests resolve packages as a browser does, where `ws` is an empty shell. */
const { WebSocket, WebSocketServer } = createRequire(import.meta.url)(
  '../../../node_modules/ws/index.js',
) as typeof import('ws');

const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 15_000, interval: 20 });

let server: Server;
let live: LiveConnection;
const addresses: string[] = [];
const sockets: Socket[] = [];
const heard: LiveEvent[] = [];
let opened = 0;

const hello = { id: 1, result: { type: 'data', data: { json: { type: 'live.opened', now: 1 } } } };

beforeEach(async () => {
  for (const list of [addresses, sockets, heard]) list.length = 0;
  opened = 0;
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket, request) => {
    addresses.push(request.url ?? '');
    socket.on('message', (data: Buffer) => {
      if (!data.toString().includes('live.events')) return;
      sockets.push(socket);
      socket.send(JSON.stringify(hello));
    });
  });
  await once(server, 'listening');
  const { happyDOM } = window as unknown as { happyDOM: { setURL(url: string): void } };
  happyDOM.setURL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubGlobal('WebSocket', WebSocket);
  live = new LiveConnection({
    token: () => Promise.resolve('token'),
    currentToken: () => null,
    onOpened: () => void (opened += 1),
    onEvent: (event) => heard.push(event),
    onRefused: () => expect.unreachable(),
  });
  live.start();
  await eventually(() => expect(opened).toBe(1));
});
afterEach(async () => {
  live.stop();
  vi.unstubAllGlobals();
  for (const socket of server.clients) socket.terminate();
  await new Promise((resolve) => server.close(resolve));
});

const frame = encodeLiveFrame(appended) ?? new Uint8Array();

it('asks for compact frames and hears their events', async () => {
  expect(addresses).toEqual(['/trpc?frames=1&connectionParams=1']);
  sockets[0]?.send(frame);
  await eventually(() => expect(heard).toHaveLength(1));
  expect(heard).toStrictEqual([appended]);
});

it.each<[string, Uint8Array | string]>([
  ['cut off', frame.subarray(0, -1)],
  ['with a byte too many', Uint8Array.from([...frame, 0])],
  ['of another version', frame.with(0, 2)],
  ['empty', new Uint8Array()],
  ['of JSON in a binary frame', new TextEncoder().encode(JSON.stringify(hello))],
  ['of text that is no JSON', 'not JSON'],
])('comes back after a frame %s', async (_, bad) => {
  sockets[0]?.send(bad);
  // What follows on the socket that was given up is not heard: the gap in between would be missed.
  sockets[0]?.send(frame);
  await eventually(() => {
    live.tryNow();
    expect(opened).toBe(2);
  });
  expect(heard).toEqual([]);
  sockets[1]?.send(frame);
  await eventually(() => expect(heard).toStrictEqual([appended]));
  await eventually(() => expect(server.clients.size).toBe(1));
});

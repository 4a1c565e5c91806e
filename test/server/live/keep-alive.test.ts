// Signs of life on real sockets: who answers stays, who is silent is cut, and the stock client's own answer counts.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { KeepAlive } from '#server/platform/keep-alive.ts';

let http: Server;
let wss: WebSocketServer;
let keepAlive: KeepAlive;

beforeEach(async () => {
  http = createServer();
  wss = new WebSocketServer({ server: http });
  keepAlive = new KeepAlive({ everyMs: 400, slots: 8 });
  wss.on('connection', (socket) => keepAlive.watch(socket));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  keepAlive.stop();
  for (const socket of wss.clients) socket.terminate();
  await new Promise((resolve) => http.close(resolve));
});

/** A socket that answers as tRPC's client does, or is silent; counts how often it was asked. */
async function open(answers: boolean) {
  const socket = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const seen = { asked: 0, closed: null as number | null };
  socket.on('message', (data: Buffer) => {
    if (data.toString() !== 'PING') return;
    seen.asked += 1;
    if (answers) socket.send('PONG');
  });
  socket.on('close', (code) => (seen.closed = code));
  await new Promise((resolve) => socket.once('open', resolve));
  return seen;
}

it('asks again and again, keeps who answers and cuts who does not', async () => {
  const [alive, other, silent] = await Promise.all([open(true), open(true), open(false)]);
  await expect.poll(() => silent.closed, { timeout: 10_000 }).toBe(1006);
  expect(silent.asked).toBe(1);
  await expect.poll(() => Math.min(alive.asked, other.asked), { timeout: 10_000 }).toBeGreaterThan(4);
  expect([alive.closed, other.closed]).toEqual([null, null]);
});

it('forgets who has gone, and asks nobody once it is stopped', async () => {
  const alive = await open(true);
  await expect.poll(() => alive.asked, { timeout: 10_000 }).toBeGreaterThan(0);
  keepAlive.stop();
  const { asked } = alive;
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(alive.asked).toBeLessThanOrEqual(asked + 1);
});

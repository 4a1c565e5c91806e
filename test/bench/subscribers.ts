// Raw sockets that count what arrives. They parse nothing but a marker in a few of them, so that the generator costs
// far less than what it measures.
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';

export interface Tally {
  deliveries: number;
  bytes: number;
}

export interface Subscriber {
  readonly socket: WebSocket;
  readonly tally: Tally;
}

const PING = 'PING';
const MARK_WITHIN = 100;

const opened = (socket: WebSocket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });

/** Counts the messages that arrive, told by `mark` near their beginning; '' counts all but keep-alive. */
function count(socket: WebSocket, mark: string, onFrame: (frame: Buffer) => void): Tally {
  const tally = { deliveries: 0, bytes: 0 };
  const stream = (socket as unknown as { _socket: Socket })._socket;
  let seenBytes = stream.bytesRead;
  socket.on('message', (frame: Buffer) => {
    // tRPC's keep-alive: an unanswered PING ends the socket.
    if (frame.length === PING.length) return socket.send('PONG');
    const bytes = stream.bytesRead - seenBytes;
    seenBytes += bytes;
    if (!frame.subarray(0, MARK_WITHIN).includes(mark)) return;
    tally.deliveries += 1;
    tally.bytes += bytes;
    onFrame(frame);
  });
  return tally;
}

/** The value after `"name":` in a frame of plain JSON, quotes and all. */
function field(frame: Buffer, name: string): string {
  const mark = `"${name}":`;
  const start = frame.indexOf(mark) + mark.length;
  return frame.toString('latin1', start, frame.indexOf(',', start));
}

/** What a benchmark needs of an `event.appended` frame. */
export const readAppended = (frame: Buffer): { eventId: string; channelId: string; seq: number } => ({
  eventId: field(frame, 'eventId').slice(1, -1),
  channelId: field(frame, 'channelId').slice(1, -1),
  seq: Number(field(frame, 'seq')),
});

export async function subscribeRelay(
  port: number,
  onFrame: (frame: Buffer) => void,
  path = '/',
): Promise<Subscriber> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false });
  await opened(socket);
  return { socket, tally: count(socket, '', onFrame) };
}

/** Opens the live subscription as the stock client does: connection parameters, then operation 1. */
export async function subscribeServer(
  at: { port: number; origin: string; token: string },
  onFrame: (frame: Buffer) => void,
): Promise<Subscriber> {
  const url = `ws://127.0.0.1:${at.port}/trpc?connectionParams=1`;
  const socket = new WebSocket(url, { origin: at.origin, perMessageDeflate: false });
  await opened(socket);
  socket.send(JSON.stringify({ method: 'connectionParams', data: { token: at.token } }));
  const hello = new Promise<void>((resolve) => {
    const hear = (frame: Buffer): void => {
      if (!frame.includes('live.opened')) return;
      socket.off('message', hear);
      resolve();
    };
    socket.on('message', hear);
  });
  const input = { json: null, meta: { values: ['undefined'] } };
  socket.send(JSON.stringify({ id: 1, method: 'subscription', params: { path: 'live.events', input } }));
  await hello;
  return { socket, tally: count(socket, 'event.appended', onFrame) };
}

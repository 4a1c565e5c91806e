// Raw sockets that count what arrives, in the form the real client reads. They parse nothing but the head of some frames,
// so that the generator costs far less than what it measures.
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { compactFrames } from '#client/api/socket-encoder.ts';

export interface Tally {
  deliveries: number;
  bytes: number;
}

export interface Subscriber {
  readonly socket: WebSocket;
  readonly tally: Tally;
}

const PING = 'PING';
/** Where a compact frame has its ids and its seq (docs/events.md, "Frames"). */
const CHANNEL_AT = 4;
const EVENT_AT = 20;
const SEQ_AT = 36;

const opened = (socket: WebSocket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });

/** Counts the messages that arrive: all but keep-alive, or those in binary frames. */
function count(socket: WebSocket, which: 'all' | 'binary', onFrame: (frame: Buffer) => void): Tally {
  const tally = { deliveries: 0, bytes: 0 };
  const stream = (socket as unknown as { _socket: Socket })._socket;
  let seenBytes = stream.bytesRead;
  socket.on('message', (frame: Buffer, isBinary: boolean) => {
    // tRPC's keep-alive: an unanswered PING ends the socket.
    if (frame.length === PING.length) return socket.send('PONG');
    const bytes = stream.bytesRead - seenBytes;
    seenBytes += bytes;
    if (which === 'binary' && !isBinary) return;
    tally.deliveries += 1;
    tally.bytes += bytes;
    onFrame(frame);
  });
  return tally;
}

function uuidAt(frame: Buffer, at: number): string {
  const hex = frame.toString('hex', at, at + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function varintAt(frame: Buffer, at: number): number {
  let value = 0;
  for (let group = 0; ; group++) {
    const byte = frame[at + group] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * group);
    if (byte <= 0x7f) return value;
  }
}

/** What a benchmark needs of a compact frame, without decoding the rest. */
export const readAppended = (frame: Buffer): { eventId: string; channelId: string; seq: number } => ({
  eventId: uuidAt(frame, EVENT_AT),
  channelId: uuidAt(frame, CHANNEL_AT),
  seq: varintAt(frame, SEQ_AT),
});

export async function subscribeRelay(
  port: number,
  onFrame: (frame: Buffer) => void,
  path = '/',
): Promise<Subscriber> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false });
  await opened(socket);
  return { socket, tally: count(socket, 'all', onFrame) };
}

/** Opens the live subscription as our client does: compact frames asked for, connection parameters, then operation 1. */
export async function subscribeServer(
  at: { port: number; origin: string; token: string },
  onFrame: (frame: Buffer) => void,
): Promise<Subscriber> {
  const url = `ws://127.0.0.1:${at.port}/trpc?${compactFrames}&connectionParams=1`;
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
  return { socket, tally: count(socket, 'binary', onFrame) };
}

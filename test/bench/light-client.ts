// A reader for thousands: it parses nothing but the seq and id of each event, keeps what it saw as one number, and
// comes back after a break as our client does (compact frames, full jitter, then gap fill).
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { compactFrames } from '#client/api/socket-encoder.ts';
import { origin } from '#test/support/deps.ts';
import { readAppended } from './subscribers.ts';

const PING = 'PING';
const MARK_WITHIN = 100;
const GAP = 500;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** Folds one more event id into what was seen; the same events in the same order give the same number. */
export function fold(digest: number, eventId: string): number {
  let mixed = digest;
  for (let i = 0; i < eventId.length; i++) mixed = (Math.imul(mixed, 31) + eventId.charCodeAt(i)) | 0;
  return mixed;
}

interface GapEvent {
  readonly seq: number;
  readonly eventId: string;
}

export interface LightOptions {
  readonly port: number;
  readonly channelId: string;
  readonly token: () => string;
  /** A live event arrived in its turn. */
  readonly onLive?: (eventId: string) => void;
}

export class LightClient {
  readonly #options: LightOptions;
  /** Everything up to this seq was seen, each once. */
  last = 0;
  digest = 0;
  reconnects = 0;
  /** Events that came by gap fill. */
  filled = 0;
  readonly closeCodes: number[] = [];
  isOnline = false;
  #socket: WebSocket | null = null;
  #attempt = 0;
  #isFilling = false;
  #stopped = false;

  constructor(options: LightOptions) {
    this.#options = options;
    this.#connect();
  }

  /** Stops taking anything from the network, as a sleeping reader does; `resume` goes on. */
  pause(): void {
    this.#stream()?.pause();
  }
  resume(): void {
    this.#stream()?.resume();
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.terminate();
  }

  #stream(): Socket | undefined {
    return (this.#socket as unknown as { _socket?: Socket } | null)?._socket;
  }

  #connect(): void {
    const url = `ws://127.0.0.1:${this.#options.port}/trpc?${compactFrames}&connectionParams=1`;
    const socket = new WebSocket(url, { origin, perMessageDeflate: false, handshakeTimeout: 30_000 });
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('open', () => {
      socket.send(JSON.stringify({ method: 'connectionParams', data: { token: this.#options.token() } }));
      const input = { json: null, meta: { values: ['undefined'] } };
      socket.send(JSON.stringify({ id: 1, method: 'subscription', params: { path: 'live.events', input } }));
    });
    socket.on('message', (frame: Buffer, isBinary: boolean) => {
      if (isBinary) this.#live(frame);
      else this.#hear(socket, frame);
    });
    socket.on('close', (code) => this.#closed(code));
  }

  #closed(code: number): void {
    this.isOnline = false;
    this.#isFilling = false;
    this.closeCodes.push(code);
    if (this.#stopped) return;
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#attempt);
    this.#attempt += 1;
    this.reconnects += 1;
    setTimeout(() => !this.#stopped && this.#connect(), Math.random() * longest);
  }

  #hear(socket: WebSocket, frame: Buffer): void {
    // tRPC's keep-alive: an unanswered PING ends the socket.
    if (frame.length === PING.length) return socket.send('PONG');
    const head = frame.subarray(0, MARK_WITHIN);
    if (head.includes('live.opened')) {
      this.isOnline = true;
      this.#attempt = 0;
      this.#fill();
    } else if (head.includes('"id":2,')) this.#page(frame.toString());
  }

  #live(frame: Buffer): void {
    const { seq, eventId } = readAppended(frame);
    if (seq <= this.last) return;
    if (seq > this.last + 1) return this.#fill();
    this.#take(eventId);
    this.#options.onLive?.(eventId);
  }

  #take(eventId: string): void {
    this.last += 1;
    this.digest = fold(this.digest, eventId);
  }

  #fill(): void {
    if (this.#isFilling) return;
    this.#isFilling = true;
    const { channelId } = this.#options;
    const json = { channelId, fromSeq: this.last + 1, toSeq: this.last + GAP };
    this.#socket?.send(
      JSON.stringify({ id: 2, method: 'query', params: { path: 'messages.gap', input: { json } } }),
    );
  }

  #page(text: string): void {
    this.#isFilling = false;
    const answer = JSON.parse(text) as { result?: { data?: { json: { events: readonly GapEvent[] } } } };
    const events = answer.result?.data?.json.events;
    // Refused for the moment: asked again.
    if (!events) return void setTimeout(() => this.#fill(), 200);
    for (const { seq, eventId } of events) {
      if (seq !== this.last + 1) continue;
      this.filled += 1;
      this.#take(eventId);
    }
    if (events.length > 0) this.#fill();
  }
}

/** The process's resident memory in bytes (proc(5), VmRSS). */
export function residentBytes(status: string): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

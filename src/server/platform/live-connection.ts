// One live subscription of one socket. Until the encoder has attached it, events wait; an attached one is either
// bound (the hub writes shared frames straight to the socket) or plain (a generator yields events through tRPC).
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { SHARED_OPERATION } from '#shared/live-frame.ts';
import { Bind } from './live-codec.ts';
import type { FrameSequence, LiveForm, SharedEvent } from './live-frames.ts';

/** The reader is too slow; it may come back at once and catch up. */
export const CLOSE_SLOW_READER = 4408;

const OPEN = 1;
/** A slow reader may never read the close frame: this long after it the socket is cut. */
const CUT_AFTER_MS = 2_000;
/** A subscription that fails between opening and its first event is forgotten after this time. */
const ATTACH_MS = 15_000;

export interface LiveMetrics {
  /** Open now, and of these attached one way or the other. */
  connections: number;
  bound: number;
  plain: number;
  /** Counted since the start. */
  published: number;
  deliveries: number;
  writes: number;
  bytes: number;
  slowClosed: number;
  holesRead: number;
}

/** What a connection needs of its hub. */
export interface ConnectionHost<E, D> {
  readonly maxBufferedBytes: number;
  readonly metrics: LiveMetrics;
  add(connection: LiveConnection<E, D>, topic: string): void;
  remove(connection: LiveConnection<E, D>, topic: string): void;
  /** The empty sequence of this turn; asks for `flush` at the end of the turn. */
  beginTurn(connection: LiveConnection<E, D>): FrameSequence;
}

export interface OpenOptions<E, D> {
  /** The `ws` socket (tRPC's `res`) and the TCP socket below it (`req.socket`). */
  readonly socket: WebSocket;
  readonly stream: Socket;
  /** The subscription's signal. */
  readonly signal: AbortSignal;
  readonly topics: Iterable<string>;
  /** The first event the client receives. */
  readonly hello: E;
  /** The caller's own, for filters. */
  readonly data: D;
  /** What the client asked for; JSON when it said nothing, and for a plain connection whatever it said. */
  readonly form?: LiveForm;
  /** Events for which it is false are not delivered here. */
  readonly filter?: (event: E) => boolean;
}

type Mode = 'waiting' | 'bound' | 'plain' | 'closed';

export class LiveConnection<E, D = unknown> {
  readonly id: string;
  readonly data: D;
  readonly #host: ConnectionHost<E, D>;
  readonly #options: OpenOptions<E, D>;
  readonly #topics = new Set<string>();
  readonly #attachTimer: NodeJS.Timeout;
  #mode: Mode = 'waiting';
  #form: LiveForm;
  /** Events not yet handed on while waiting or plain, and their bytes. */
  #queue: SharedEvent<E>[] = [];
  #queuedBytes = 0;
  /** Frames of this turn while bound. */
  #turn: FrameSequence | null = null;
  #wake: (() => void) | null = null;
  readonly #onGone = (): void => this.end();

  constructor(id: string, host: ConnectionHost<E, D>, options: OpenOptions<E, D>) {
    this.id = id;
    this.data = options.data;
    this.#host = host;
    this.#options = options;
    this.#form = options.form ?? 'json';
    this.#attachTimer = setTimeout(() => this.end(), ATTACH_MS).unref();
    host.metrics.connections += 1;
    for (const topic of options.topics) this.join(topic);
    options.signal.addEventListener('abort', this.#onGone, { once: true });
    options.socket.once('close', this.#onGone);
    if (options.signal.aborted || options.socket.readyState !== OPEN) this.end();
  }

  get topics(): ReadonlySet<string> {
    return this.#topics;
  }

  get isOpen(): boolean {
    return this.#mode !== 'closed';
  }

  join(topic: string): void {
    if (this.#mode === 'closed' || this.#topics.has(topic)) return;
    this.#topics.add(topic);
    this.#host.add(this, topic);
  }

  leave(topic: string): void {
    if (this.#topics.delete(topic)) this.#host.remove(this, topic);
  }

  /** Whether the connection's own filter lets `event` through. */
  wants(event: E): boolean {
    return this.#options.filter?.(event) ?? true;
  }

  deliver(shared: SharedEvent<E>): void {
    if (this.#mode === 'closed') return;
    this.#host.metrics.deliveries += 1;
    if (this.#mode === 'bound') {
      this.#turn = (this.#turn ?? this.#host.beginTurn(this)).with(shared.frame(this.#form));
      return;
    }
    if (this.#queuedBytes + this.#options.socket.bufferedAmount > this.#host.maxBufferedBytes)
      return this.#cutSlow();
    this.#queuedBytes += shared.frame(this.#form).length;
    this.#queue.push(shared);
    this.#wake?.();
  }

  /** Writes what this turn has gathered, in one call; cuts a reader that has fallen too far behind. */
  flush(): void {
    const turn = this.#turn;
    this.#turn = null;
    const { socket, stream } = this.#options;
    if (!turn || socket.readyState !== OPEN) return;
    // What `ws` would add to this, frames waiting to be compressed, does not exist here.
    if (stream.writableLength > this.#host.maxBufferedBytes) return this.#cutSlow();
    const { metrics } = this.#host;
    metrics.writes += 1;
    metrics.bytes += turn.bytes.length;
    // Between complete frames of `ws`, which writes each of its own at once: nothing is compressed or fragmented.
    stream.write(turn.bytes);
  }

  /** Delivers what is gathered, leaves every topic and closes the socket with `code`. */
  close(code: number, reason: string): void {
    if (this.#mode === 'closed') return;
    this.flush();
    this.end();
    this.#options.socket.close(code, reason);
  }

  /** Leaves every topic and ends the subscription; the socket stays open. */
  end(): void {
    if (this.#mode === 'closed') return;
    const { metrics } = this.#host;
    metrics.connections -= 1;
    if (this.#mode !== 'waiting') metrics[this.#mode] -= 1;
    this.#mode = 'closed';
    clearTimeout(this.#attachTimer);
    // A socket may open and end many subscriptions in its life.
    this.#options.signal.removeEventListener('abort', this.#onGone);
    this.#options.socket.off('close', this.#onGone);
    this.#queue = [];
    this.#turn = null;
    for (const topic of this.#topics) this.#host.remove(this, topic);
    this.#topics.clear();
    this.#wake?.();
  }

  /** What the subscription's resolver returns. */
  async *events(): AsyncGenerator<E, void, undefined> {
    try {
      // The encoder turns the Bind into the hello event; to tRPC and the client's types it is an event.
      yield new Bind((operationId) => this.#attach(operationId)) as E;
      while (this.isOpen) {
        const shared = this.#queue.shift();
        if (!shared) {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          continue;
        }
        this.#queuedBytes -= shared.frame(this.#form).length;
        yield shared.event;
      }
    } finally {
      this.end();
    }
  }

  #attach(operationId: unknown): E {
    if (this.#mode !== 'waiting') return this.#options.hello;
    clearTimeout(this.#attachTimer);
    this.#mode = operationId === SHARED_OPERATION ? 'bound' : 'plain';
    this.#host.metrics[this.#mode] += 1;
    if (this.#mode === 'bound') {
      for (const shared of this.#queue)
        this.#turn = (this.#turn ?? this.#host.beginTurn(this)).with(shared.frame(this.#form));
      this.#queue = [];
    } else {
      // tRPC writes JSON, and compact frames do not say which operation they are for.
      this.#form = 'json';
      this.#queuedBytes = this.#queue.reduce((sum, shared) => sum + shared.frame('json').length, 0);
    }
    return this.#options.hello;
  }

  #cutSlow(): void {
    const { socket } = this.#options;
    this.#host.metrics.slowClosed += 1;
    this.end();
    socket.close(CLOSE_SLOW_READER, 'slow reader');
    setTimeout(() => socket.terminate(), CUT_AFTER_MS).unref();
  }
}

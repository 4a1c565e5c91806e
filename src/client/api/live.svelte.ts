// The live connection: one socket, a fresh tRPC client for each attempt with `live.events` as its first operation,
// full-jitter back-off, and HTTP for calls while there is no socket.
import type { LiveEvent } from '#shared/events.ts';
import { limits } from '#shared/limits.ts';
import { failureOf, isSessionRefused } from './errors.ts';
import { createHttpApi, createSocketApi, type Api, type SocketApi } from './trpc.ts';

export type LiveStatus = 'connecting' | 'online' | 'waiting' | 'stopped';

export interface LiveOptions {
  /** A valid access token; refreshes when needed. Rejects when the session is gone. */
  readonly token: () => Promise<string>;
  readonly currentToken: () => string | null;
  /** The subscription is open and misses nothing from here on: load the bootstrap. */
  readonly onOpened: (serverNow: number) => void;
  readonly onEvent: (event: LiveEvent) => void;
  /** The server refused this socket's session. Its owner finds out whether it is gone; meanwhile the connection is lost. */
  readonly onRefused: () => void;
  /** How long a connection may be silent before it counts as lost, ms. */
  readonly silenceMs?: number;
}

const REVOKED = 4401;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** A connection that has not opened its subscription by then is given up: a half-open one would never say so. */
const OPEN_WITHIN_MS = 15_000;
/** How long the code of a socket that is closing is waited for. */
const CODE_WITHIN_MS = 1000;
const LISTENS_PER_SILENCE = 5;

export class LiveConnection {
  readonly #options: LiveOptions;
  readonly #http: Api;
  #status = $state<LiveStatus>('stopped');
  #socket: SocketApi | null = null;
  #isOpened = false;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  /** When the socket last brought anything, by the wall clock: it goes on while a machine sleeps. */
  #heardAt = 0;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#http = createHttpApi(options.currentToken);
  }

  get status(): LiveStatus {
    return this.#status;
  }

  /** Calls go over the socket once it is open, over HTTP otherwise. */
  get api(): Api {
    return this.#socket && this.#isOpened ? this.#socket.api : this.#http;
  }

  start(): void {
    if (this.#status !== 'stopped') return;
    addEventListener('online', this.#retryNow);
    addEventListener('offline', this.#goOffline);
    // A tab that comes to the front, or a machine that wakes, finds out at once.
    addEventListener('visibilitychange', this.#listen);
    this.#watch = setInterval(this.#listen, this.#silenceMs / LISTENS_PER_SILENCE);
    this.#connect();
  }

  stop(): void {
    this.#status = 'stopped';
    removeEventListener('online', this.#retryNow);
    removeEventListener('offline', this.#goOffline);
    removeEventListener('visibilitychange', this.#listen);
    clearInterval(this.#watch);
    clearTimeout(this.#timer);
    this.#drop();
  }

  /** Tries at once instead of waiting for the back-off. */
  tryNow(): void {
    if (this.#status !== 'waiting') return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  readonly #retryNow = (): void => this.tryNow();

  readonly #goOffline = (): void => {
    if (this.#status !== 'stopped') this.#wait();
  };

  get #silenceMs(): number {
    return this.#options.silenceMs ?? limits.silenceMs;
  }

  /** A connection that broke without a word brings nothing any more, not even the server's questions. */
  readonly #listen = (): void => {
    const socket = this.#socket;
    if (socket && this.#isOpened && Date.now() - this.#heardAt > this.#silenceMs)
      this.#closed(socket, undefined);
  };

  #connect(): void {
    this.#status = 'connecting';
    this.#isOpened = false;
    const socket = createSocketApi({
      token: this.#options.token,
      onOpen: () => undefined,
      onHeard: () => {
        if (socket === this.#socket) this.#heardAt = Date.now();
      },
      onBroken: () => this.#closed(socket, undefined),
      onClose: (code) => this.#closed(socket, code),
    });
    this.#socket = socket;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#closed(socket, undefined), OPEN_WITHIN_MS);
    socket.api.live.events.subscribe(undefined, {
      onData: (event) => this.#hear(socket, event),
      onError: (error) => this.#failed(socket, error),
    });
  }

  #hear(socket: SocketApi, event: LiveEvent): void {
    if (socket !== this.#socket) return;
    if (event.type === 'live.opened') {
      clearTimeout(this.#timer);
      this.#isOpened = true;
      this.#attempt = 0;
      this.#status = 'online';
      this.#options.onOpened(event.now);
      return;
    }
    if (event.type === 'server.draining') this.#attempt = 0;
    this.#options.onEvent(event);
  }

  #failed(socket: SocketApi, error: unknown): void {
    if (isSessionRefused(error)) this.#closed(socket, REVOKED);
    else if (failureOf(error).code !== 'unreachable') this.#closed(socket, undefined);
    // A socket that is closing fails what waits on it before it tells its code: the code says more.
    else setTimeout(() => this.#closed(socket, undefined), CODE_WITHIN_MS);
  }

  #closed(socket: SocketApi, code: number | undefined): void {
    if (socket !== this.#socket || this.#status === 'stopped') return;
    if (code === REVOKED) {
      this.#wait();
      this.#options.onRefused();
      return;
    }
    this.#wait();
  }

  #wait(): void {
    this.#drop();
    this.#status = 'waiting';
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#attempt);
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), Math.random() * longest);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpened = false;
    void socket?.close().catch(() => undefined);
  }
}

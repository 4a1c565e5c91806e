// A light client: one WebSocket that speaks just enough tRPC for calls and the live subscription.
import superjson from 'superjson';
import { WebSocket } from 'ws';
import type { AppErrorPayload } from '#shared/errors.ts';
import type { LiveEvent } from '#shared/events.ts';
import { origin } from './deps.ts';

const PING = 'PING';

/** A call that was refused; `connection` when there was no answer. */
export class RefusedError extends Error {
  readonly code: AppErrorPayload['code'] | 'connection';
  constructor(code: AppErrorPayload['code'] | 'connection') {
    super(`refused: ${code}`);
    this.code = code;
  }
}

interface Waiting {
  resolve(value: unknown): void;
  reject(cause: RefusedError): void;
}

interface Message {
  readonly id?: number;
  readonly result?: { readonly type?: string; readonly data?: { readonly json: unknown } };
  readonly error?: { readonly json: { readonly data?: { readonly app?: AppErrorPayload } } };
}

export interface RawSocketOptions {
  readonly port: number;
  readonly token: string;
  readonly onEvent: (event: LiveEvent) => void;
  readonly onClose: (code: number) => void;
}

export class RawSocket {
  readonly socket: WebSocket;
  readonly #options: RawSocketOptions;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 1;

  constructor(options: RawSocketOptions) {
    this.#options = options;
    const url = `ws://127.0.0.1:${options.port}/trpc?connectionParams=1`;
    this.socket = new WebSocket(url, { origin, perMessageDeflate: false, handshakeTimeout: 10_000 });
    this.socket.on('error', () => undefined);
    this.socket.on('open', () => this.#begin());
    this.socket.on('message', (frame: Buffer) => this.#hear(frame));
    this.socket.on('close', (code) => this.#closed(code));
  }

  /** Calls a procedure. @throws RefusedError */
  call<T>(method: 'query' | 'mutation', path: string, input: unknown): Promise<T> {
    const id = (this.#lastId += 1);
    return new Promise<T>((resolve, reject) => {
      if (this.socket.readyState !== WebSocket.OPEN) return reject(new RefusedError('connection'));
      this.#waiting.set(id, { resolve: resolve, reject });
      const params = { path, input: superjson.serialize(input) };
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  close(): void {
    this.socket.terminate();
  }

  #begin(): void {
    this.socket.send(JSON.stringify({ method: 'connectionParams', data: { token: this.#options.token } }));
    const params = { path: 'live.events', input: superjson.serialize(undefined) };
    this.socket.send(JSON.stringify({ id: 1, method: 'subscription', params }));
  }

  #hear(frame: Buffer): void {
    // tRPC's keep-alive: an unanswered PING ends the socket.
    if (frame.length === PING.length) return this.socket.send('PONG');
    const { id, result, error } = JSON.parse(frame.toString()) as Message;
    if (id === 1) {
      if (result?.type === 'data' && result.data) this.#options.onEvent(result.data.json as LiveEvent);
      return;
    }
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (!waiting || id === undefined) return;
    this.#waiting.delete(id);
    if (error) waiting.reject(new RefusedError(error.json.data?.app?.code ?? 'internal'));
    else waiting.resolve(result?.data?.json);
  }

  #closed(code: number): void {
    for (const { reject } of this.#waiting.values()) reject(new RefusedError('connection'));
    this.#waiting.clear();
    this.#options.onClose(code);
  }
}

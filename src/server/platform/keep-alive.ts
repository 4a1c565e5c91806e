// Asks open sockets for a sign of life and cuts those that give none, so that half-open connections neither linger nor
// count as presence. Sockets take turns by slot and each slot is asked in one go: 10,000 timers of their own would
// wake the process hundreds of times a second. The text is tRPC's: its client answers "PING" with "PONG".
import type { WebSocket } from 'ws';

export interface KeepAliveOptions {
  /** Every socket is asked once in this time. */
  readonly everyMs: number;
  /** Turns in that time. A socket has half of them to answer. */
  readonly slots?: number;
}

const OPEN = 1;

export class KeepAlive {
  readonly #slots: readonly Set<WebSocket>[];
  /** Asked, and silent since. */
  readonly #silent = new Set<WebSocket>();
  readonly #timer: NodeJS.Timeout;
  #turn = 0;

  constructor({ everyMs, slots = 20 }: KeepAliveOptions) {
    this.#slots = Array.from({ length: slots }, () => new Set());
    this.#timer = setInterval(() => this.#next(), everyMs / slots).unref();
  }

  /** Takes a socket in until it closes. Whatever it says is a sign of life. */
  watch(socket: WebSocket): void {
    const slot = this.#slots[this.#turn];
    slot?.add(socket);
    const silent = this.#silent;
    socket.on('message', function (this: WebSocket) {
      silent.delete(this);
    });
    socket.once('close', () => {
      slot?.delete(socket);
      silent.delete(socket);
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #next(): void {
    this.#turn = (this.#turn + 1) % this.#slots.length;
    const askedBefore = this.#slots[(this.#turn + Math.floor(this.#slots.length / 2)) % this.#slots.length];
    for (const socket of askedBefore ?? []) if (this.#silent.has(socket)) socket.terminate();
    for (const socket of this.#slots[this.#turn] ?? []) {
      if (socket.readyState !== OPEN) continue;
      this.#silent.add(socket);
      socket.send('PING');
    }
  }
}

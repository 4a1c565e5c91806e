// Releases each stream's events in the order of their sequence numbers. A hole is waited for briefly, then read
// once for everybody; after that the stream goes on, and what could not be read the clients fetch themselves.

export interface OrderedEvent<E> {
  /** What `seq` counts in, for example a channel's id. */
  readonly stream: string;
  readonly seq: number;
  readonly topics: readonly string[];
  readonly event: E;
}

export interface OrderedStreamsOptions<E> {
  readonly holdMs: number;
  readonly release: (event: OrderedEvent<E>) => void;
  /** Reads the events of `stream` in [fromSeq, toSeq]. */
  readonly readMissing: (
    stream: string,
    fromSeq: number,
    toSeq: number,
  ) => Promise<readonly OrderedEvent<E>[]>;
  readonly onHole: () => void;
  readonly onError: (cause: unknown) => void;
}

interface StreamState<E> {
  /** First seq this process released; what comes later from before it is passed on as it comes. */
  readonly first: number;
  next: number;
  readonly held: Map<number, OrderedEvent<E>>;
  timer: NodeJS.Timeout | null;
  /** The round of `forgetIdle` its newest event fell into. */
  round: number;
}

/** Streams remembered; the longest-quiet one without held events is forgotten first. */
const MAX_STREAMS = 10_000;

export class OrderedStreams<E> {
  readonly #options: OrderedStreamsOptions<E>;
  readonly #streams = new Map<string, StreamState<E>>();
  #round = 0;

  constructor(options: OrderedStreamsOptions<E>) {
    this.#options = options;
  }

  /** Releases `event` now, or once everything before it is there. Repetitions are dropped. */
  accept(event: OrderedEvent<E>): void {
    const state = this.#streams.get(event.stream);
    if (!state) {
      this.#begin(event);
      return;
    }
    this.#streams.delete(event.stream);
    this.#streams.set(event.stream, state);
    state.round = this.#round;
    if (event.seq < state.next) {
      if (event.seq < state.first) this.#options.release(event);
      return;
    }
    state.held.set(event.seq, event);
    this.#advance(event.stream, state);
  }

  /**
   * Forgets at most `limit` streams that had no event since the call before this one and wait for nothing, and
   * returns how many. The map's order is that of the newest events, so it stops at the first stream that had one.
   */
  forgetIdle(limit: number): number {
    let forgotten = 0;
    for (const [stream, state] of this.#streams) {
      if (forgotten >= limit || state.round === this.#round) break;
      if (state.held.size > 0) continue;
      this.#streams.delete(stream);
      forgotten += 1;
    }
    if (forgotten < limit) this.#round += 1;
    return forgotten;
  }

  /** Forgets everything and stops waiting. */
  clear(): void {
    for (const state of this.#streams.values()) if (state.timer) clearTimeout(state.timer);
    this.#streams.clear();
  }

  #begin(event: OrderedEvent<E>): void {
    this.#forgetQuiet();
    const [first, next] = [event.seq, event.seq + 1];
    this.#streams.set(event.stream, { first, next, held: new Map(), timer: null, round: this.#round });
    this.#options.release(event);
  }

  #forgetQuiet(): void {
    if (this.#streams.size < MAX_STREAMS) return;
    for (const [stream, state] of this.#streams) {
      if (state.held.size > 0) continue;
      this.#streams.delete(stream);
      return;
    }
  }

  #advance(stream: string, state: StreamState<E>): void {
    for (let event = state.held.get(state.next); event; event = state.held.get(state.next)) {
      state.held.delete(state.next);
      state.next += 1;
      this.#options.release(event);
    }
    if (state.held.size === 0) {
      if (state.timer) clearTimeout(state.timer);
      state.timer = null;
      return;
    }
    state.timer ??= setTimeout(() => void this.#fill(stream, state), this.#options.holdMs).unref();
  }

  async #fill(stream: string, state: StreamState<E>): Promise<void> {
    const toSeq = Math.min(...state.held.keys()) - 1;
    this.#options.onHole();
    try {
      const missing = await this.#options.readMissing(stream, state.next, toSeq);
      for (const event of missing)
        if (event.seq >= state.next && event.seq <= toSeq) state.held.set(event.seq, event);
    } catch (cause) {
      this.#options.onError(cause);
    }
    // What is still missing is given up: the stream must not stand still.
    for (; state.next <= toSeq; state.next += 1) {
      const event = state.held.get(state.next);
      state.held.delete(state.next);
      if (event) this.#options.release(event);
    }
    state.timer = null;
    this.#advance(stream, state);
  }
}

// Delivers live events to open sockets. Topics are strings; a connection may enter and leave them at any time, and
// leaving counts at once. Each event is serialised once per form that is read, everything a socket gets in one turn of
// the event loop is one write, and a reader that falls behind is cut so that it costs nobody else anything.
import { randomUUID } from 'node:crypto';
import { LiveConnection, type LiveMetrics, type OpenOptions } from './live-connection.ts';
import { FrameSequence, SharedEvent, type Compactor } from './live-frames.ts';
import { OrderedStreams, type OrderedEvent } from './ordered-streams.ts';

export { CLOSE_SLOW_READER, LiveConnection } from './live-connection.ts';
export type { LiveMetrics, OpenOptions } from './live-connection.ts';
export type { OrderedEvent } from './ordered-streams.ts';

/** The session, device or account may no longer be connected. */
export const CLOSE_REVOKED = 4401;
/** The server restarts; come back. */
export const CLOSE_RESTART = 4503;

const DEFAULT_BUFFERED_BYTES = 1024 * 1024;
const DEFAULT_HOLD_MS = 200;

export interface LiveHubOptions<E> {
  /** Bytes a socket may have unsent before it is cut with CLOSE_SLOW_READER. */
  readonly maxBufferedBytes?: number;
  /** How long an ordered event waits for a missing earlier one. */
  readonly holdMs?: number;
  /** For connections of the form `compact`; without it they too read JSON only. */
  readonly compactor?: Compactor<E>;
  /** Reads the events of `stream` with seq in [fromSeq, toSeq] that did not come by themselves. */
  readonly readMissing: (
    stream: string,
    fromSeq: number,
    toSeq: number,
  ) => Promise<readonly OrderedEvent<E>[]>;
  readonly onError: (cause: unknown) => void;
}

export interface PublishOptions<E, D> {
  /** Connection that does not get the event. */
  readonly exclude?: string;
  readonly filter?: (connection: LiveConnection<E, D>) => boolean;
}

export class LiveHub<E, D = unknown> {
  readonly metrics: LiveMetrics = {
    connections: 0,
    bound: 0,
    plain: 0,
    published: 0,
    deliveries: 0,
    writes: 0,
    bytes: 0,
    slowClosed: 0,
    holesRead: 0,
  };
  readonly #maxBufferedBytes: number;
  readonly #compactor: Compactor<E>;
  readonly #topics = new Map<string, Set<LiveConnection<E, D>>>();
  readonly #streams: OrderedStreams<E>;
  /** Connections with frames to write at the end of this turn, and the root of their sequences. */
  #dirty: LiveConnection<E, D>[] = [];
  #turn = new FrameSequence();

  constructor(options: LiveHubOptions<E>) {
    this.#maxBufferedBytes = options.maxBufferedBytes ?? DEFAULT_BUFFERED_BYTES;
    this.#compactor = options.compactor ?? (() => null);
    this.#streams = new OrderedStreams({
      holdMs: options.holdMs ?? DEFAULT_HOLD_MS,
      release: ({ topics, event }) => this.publish(topics, event),
      readMissing: options.readMissing,
      onHole: () => (this.metrics.holesRead += 1),
      onError: options.onError,
    });
  }

  /**
   * Opens the live subscription of a socket. `events` is what the tRPC resolver returns; nothing published to the
   * connection's topics after this call is lost, even before the client has had its first event.
   */
  open(options: OpenOptions<E, D>): { connection: LiveConnection<E, D>; events: AsyncIterable<E> } {
    const connection = new LiveConnection<E, D>(
      randomUUID(),
      {
        maxBufferedBytes: this.#maxBufferedBytes,
        metrics: this.metrics,
        add: (who, topic) => this.#add(who, topic),
        remove: (who, topic) => this.#remove(who, topic),
        beginTurn: (who) => this.#beginTurn(who),
      },
      options,
    );
    return { connection, events: connection.events() };
  }

  /** Delivers `event` to everybody in `topics`, once each. */
  publish(topics: string | readonly string[], event: E, options: PublishOptions<E, D> = {}): void {
    this.metrics.published += 1;
    const shared = new SharedEvent(event, this.#compactor);
    const { exclude, filter } = options;
    const offer = (connection: LiveConnection<E, D>): void => {
      if (connection.id === exclude || filter?.(connection) === false || !connection.wants(event)) return;
      connection.deliver(shared);
    };
    const names = typeof topics === 'string' ? [topics] : topics;
    const [first] = names;
    if (names.length === 1 && first !== undefined) {
      for (const connection of this.#topics.get(first) ?? []) offer(connection);
      return;
    }
    const reached = new Set<LiveConnection<E, D>>();
    for (const name of names) for (const connection of this.#topics.get(name) ?? []) reached.add(connection);
    for (const connection of reached) offer(connection);
  }

  /** Like publish, but each stream's events go out in the order of `seq`. Topics are looked up when it does. */
  publishOrdered(event: OrderedEvent<E>): void {
    this.#streams.accept(event);
  }

  /** Everybody in `who` (say `account:…`) enters `topic`. */
  join(who: string, topic: string): void {
    for (const connection of this.connections(who)) connection.join(topic);
  }

  /** Everybody in `who` leaves `topic`. */
  leave(who: string, topic: string): void {
    for (const connection of this.connections(who)) connection.leave(topic);
  }

  /** Everybody leaves `topic`. */
  dissolve(topic: string): void {
    this.leave(topic, topic);
  }

  /** Closes the sockets of everybody in `who`. */
  close(who: string, code: number, reason: string): void {
    for (const connection of this.connections(who)) connection.close(code, reason);
  }

  /** Who is in `topic` now. */
  connections(topic: string): readonly LiveConnection<E, D>[] {
    return [...(this.#topics.get(topic) ?? [])];
  }

  count(topic: string): number {
    return this.#topics.get(topic)?.size ?? 0;
  }

  /** Forgets the order of at most `limit` streams that were quiet since the last call; returns how many. */
  forgetIdle(limit: number): number {
    return this.#streams.forgetIdle(limit);
  }

  /** Stops waiting for missing events; used when the server goes down. */
  stop(): void {
    this.#streams.clear();
  }

  #add(connection: LiveConnection<E, D>, topic: string): void {
    const members = this.#topics.get(topic);
    if (members) members.add(connection);
    else this.#topics.set(topic, new Set([connection]));
  }

  #remove(connection: LiveConnection<E, D>, topic: string): void {
    const members = this.#topics.get(topic);
    members?.delete(connection);
    if (members?.size === 0) this.#topics.delete(topic);
  }

  #beginTurn(connection: LiveConnection<E, D>): FrameSequence {
    if (this.#dirty.length === 0) setImmediate(() => this.#endTurn());
    this.#dirty.push(connection);
    return this.#turn;
  }

  #endTurn(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    this.#turn = new FrameSequence();
    for (const connection of dirty) connection.flush();
  }
}

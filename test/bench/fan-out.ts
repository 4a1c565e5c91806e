// The two sides of W1: our server and the bare relay, each with its publisher and its subscribers.
import { performance } from 'node:perf_hooks';
import { WebSocket } from 'ws';
import { startChild, type Child, type Cpu } from './child.ts';
import { Latencies } from './latency.ts';
import type { ServerReady } from './server.child.ts';
import { readAppended, subscribeRelay, subscribeServer, type Subscriber } from './subscribers.ts';

const SOCKETS_PER_PERSON = 5;
/** Sockets whose frames are read: for latencies, and that each holds every message once and in order. */
const SAMPLED = 10;
/** An answer's kind stands near its beginning. */
const ERROR_WITHIN = 40;

export interface Side {
  /** Sends the next message, which was planned for `due` (performance.now). */
  publish(due: number): void;
  /** Opens subscriptions until there are `count`. */
  grow(count: number): Promise<void>;
  delivered(): number;
  bytesReceived(): number;
  /** Sends that were answered with a refusal: the server was asked for more than one socket may have in flight. */
  refused(): number;
  cpu(): Promise<Cpu>;
  /** From planned time to arrival at the sampled sockets. */
  readonly latencies: Latencies;
}

const sum = (subscribers: readonly Subscriber[], of: 'deliveries' | 'bytes'): number =>
  subscribers.reduce((total, { tally }) => total + tally[of], 0);

const countsOf = (subscribers: readonly Subscriber[]) => ({
  delivered: () => sum(subscribers, 'deliveries'),
  bytesReceived: () => sum(subscribers, 'bytes'),
});

/** Sampled sockets of our server: which message a frame carries, when it came, and whether its seq was the next. */
class Samples {
  readonly latencies = new Latencies();
  readonly dueAt: number[] = [];
  lastFrame: Buffer = Buffer.alloc(0);
  disordered = 0;
  readonly #position: ReadonlyMap<string, number>;

  constructor(eventIds: readonly string[]) {
    this.#position = new Map(eventIds.map((id, at) => [id, at]));
  }

  /** Listens to one more socket, which must hear message after message. */
  listener(): (frame: Buffer) => void {
    let next = 0;
    return (frame) => {
      const { eventId, seq } = readAppended(frame);
      if (next !== 0 && seq !== next) this.disordered += 1;
      next = seq + 1;
      const due = this.dueAt[this.#position.get(eventId) ?? -1];
      if (due !== undefined) this.latencies.record(performance.now() - due);
      this.lastFrame = frame;
    };
  }
}

export interface ServerSide {
  readonly side: Side;
  readonly database: string;
  /** Bytes of one sealed message. */
  readonly envelopeBytes: number;
  lastFrame(): Buffer;
  /** Deliveries to sampled sockets that were not the message after the one before. */
  disordered(): number;
  stop(): Promise<void>;
}

/** Starts our server with a community that can have up to `subscribers` sockets. */
export async function openServerSide(options: {
  readonly subscribers: number;
  readonly messages: number;
  readonly textBytes: number;
}): Promise<ServerSide> {
  const people = Math.ceil(options.subscribers / SOCKETS_PER_PERSON);
  const args = [people, options.messages, options.textBytes].map(String);
  const child = await startChild<ServerReady>('./server.child.ts', args);
  const { port, origin, tokens, sends, database } = child.ready;
  const samples = new Samples(sends.map(({ eventId }) => eventId));
  const subscribers: Subscriber[] = [];
  const grow = async (count: number): Promise<void> => {
    while (subscribers.length < count) {
      const at = { port, origin, token: tokens[subscribers.length % tokens.length] ?? '' };
      const onFrame = subscribers.length < SAMPLED ? samples.listener() : () => undefined;
      subscribers.push(await subscribeServer(at, onFrame));
    }
  };
  const publisher = await subscribeServer({ port, origin, token: tokens[0] ?? '' }, () => undefined);
  let refused = 0;
  publisher.socket.on('message', (frame: Buffer) => {
    if (frame.subarray(0, ERROR_WITHIN).includes('"error":')) refused += 1;
  });
  const publish = (due: number): void => {
    const at = samples.dueAt.push(due) - 1;
    const params = { path: 'messages.send', input: { json: sends[at] } };
    publisher.socket.send(JSON.stringify({ id: 1000 + at, method: 'mutation', params }));
  };
  const { cpu, stop } = child;
  return {
    side: {
      publish,
      grow,
      cpu,
      refused: () => refused,
      latencies: samples.latencies,
      ...countsOf(subscribers),
    },
    database,
    envelopeBytes: Buffer.from(sends.at(-1)?.envelope ?? '', 'base64url').length,
    lastFrame: () => samples.lastFrame,
    disordered: () => samples.disordered,
    stop,
  };
}

export interface RelaySide {
  readonly side: Side;
  /** Sets the frame that is forwarded again and again. */
  forward(frame: Buffer): void;
  stop(): Promise<void>;
}

export async function openRelaySide(child: Child<{ port: number }>): Promise<RelaySide> {
  const { port } = child.ready;
  const publisher = new WebSocket(`ws://127.0.0.1:${port}/publish`, { perMessageDeflate: false });
  await new Promise((resolve) => publisher.once('open', resolve));
  const latencies = new Latencies();
  const dueAt: number[] = [];
  /** Sockets that come later hear only what is published from then on. */
  const listener = (): (() => void) => {
    let next = dueAt.length;
    return () => latencies.record(performance.now() - (dueAt[next++] ?? Number.NaN));
  };
  const subscribers: Subscriber[] = [];
  const grow = async (count: number): Promise<void> => {
    while (subscribers.length < count) {
      const onFrame = subscribers.length < SAMPLED ? listener() : () => undefined;
      subscribers.push(await subscribeRelay(port, onFrame));
    }
  };
  let frame = Buffer.alloc(0);
  const publish = (due: number): void => {
    dueAt.push(due);
    publisher.send(frame, { binary: true });
  };
  return {
    side: { publish, grow, cpu: child.cpu, refused: () => 0, latencies, ...countsOf(subscribers) },
    forward: (next) => void (frame = Buffer.from(next)),
    stop: child.stop,
  };
}

// W1, fan-out: one channel, 500 subscribers, 200-byte texts, persisted before the acknowledgement, against a bare `ws`
// relay that forwards frames of the same size. Both in this run, round by round; CPU of each server process counts.
import { performance } from 'node:perf_hooks';
import { WebSocket } from 'ws';
import { startChild } from './child.ts';
import { median, percentile, round } from './latency.ts';
import type { ServerReady } from './server.child.ts';
import { subscribeRelay, subscribeServer, type Subscriber } from './subscribers.ts';

const SUBSCRIBERS = Number(process.env['BENCH_SUBSCRIBERS'] ?? 500);
const SOCKETS_PER_PERSON = 5;
const ROUNDS = 3;
const ROUND_SECONDS = 6;
const PER_SECOND = Number(process.env['BENCH_RATE'] ?? 20);
const SAMPLED = 10;
const perRound = ROUND_SECONDS * PER_SECOND;

interface Side {
  readonly name: string;
  readonly subscribers: Subscriber[];
  readonly publish: (at: number) => void;
  readonly cpuSeconds: () => Promise<number>;
  /** Send times by position in the run, and latencies seen by the sampled sockets. */
  readonly sentAt: number[];
  readonly latencies: number[];
  readonly perCpuSecond: number[];
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const total = (side: Side): number => side.subscribers.reduce((sum, s) => sum + s.tally.deliveries, 0);

/** Open loop: message n leaves at its planned time, whatever happened to the ones before. */
async function runRound(
  side: Side,
  first: number,
  rate: number,
): Promise<{ delivered: number; cpu: number }> {
  const before = total(side);
  const cpuBefore = await side.cpuSeconds();
  const start = performance.now();
  for (let i = 0; i < perRound; i++) {
    const due = start + (i * 1000) / rate;
    if (due > performance.now()) await sleep(due - performance.now());
    side.sentAt[first + i] = due;
    side.publish(first + i);
  }
  const expected = before + perRound * side.subscribers.length;
  for (let waited = 0; total(side) < expected && waited < 10_000; waited += 20) await sleep(20);
  return { delivered: total(side) - before, cpu: (await side.cpuSeconds()) - cpuBefore };
}

async function openServerSide(): Promise<{
  side: Side;
  frame: Promise<Buffer>;
  stop: () => Promise<void>;
  database: string;
}> {
  const people = Math.ceil(SUBSCRIBERS / SOCKETS_PER_PERSON);
  const rounds = ROUNDS + 2;
  const child = await startChild<ServerReady>('./server.child.ts', [
    `${people}`,
    `${perRound * rounds}`,
    '200',
  ]);
  const { port, origin, tokens, sends, database } = child.ready;
  const ids = (sends as { eventId: string }[]).map((send) => send.eventId);
  const position = new Map(ids.map((id, at) => [id, at]));
  const side: Side = {
    name: 'chatalot',
    subscribers: [],
    sentAt: [],
    latencies: [],
    perCpuSecond: [],
    cpuSeconds: child.cpuSeconds,
    publish: (at) => {
      const input = { json: sends[at] };
      const message = { id: 1000 + at, method: 'mutation', params: { path: 'messages.send', input } };
      publisher.socket.send(JSON.stringify(message));
    },
  };
  let seen: (frame: Buffer) => void = () => undefined;
  const frame = new Promise<Buffer>((resolve) => (seen = resolve));
  const sample = (received: Buffer): void => {
    const text = received.toString();
    for (const [, id] of text.matchAll(/"eventId":"([0-9a-f-]{36})"/g)) {
      const at = position.get(id ?? '');
      const due = at === undefined ? undefined : side.sentAt[at];
      if (due !== undefined) side.latencies.push(performance.now() - due);
    }
    seen(received);
  };
  for (let i = 0; i < SUBSCRIBERS; i++) {
    const token = tokens[i % tokens.length]!;
    const subscriber = await subscribeServer({ port, origin, token }, i < SAMPLED ? sample : () => undefined);
    side.subscribers.push(subscriber);
  }
  const publisher = await subscribeServer({ port, origin, token: tokens[0]! }, () => undefined);
  return { side, frame, stop: child.stop, database };
}

async function openRelaySide(frame: () => Buffer): Promise<{ side: Side; stop: () => Promise<void> }> {
  const child = await startChild<{ port: number }>('./relay.child.ts');
  const { port } = child.ready;
  const publisher = new WebSocket(`ws://127.0.0.1:${port}/publish`, { perMessageDeflate: false });
  await new Promise((resolve) => publisher.once('open', resolve));
  let arrived = 0;
  const side: Side = {
    name: 'relay',
    subscribers: [],
    sentAt: [],
    latencies: [],
    perCpuSecond: [],
    cpuSeconds: child.cpuSeconds,
    publish: () => publisher.send(frame(), { binary: false }),
  };
  const sample = (): void => {
    const due = side.sentAt[arrived++];
    if (due !== undefined) side.latencies.push(performance.now() - due);
  };
  for (let i = 0; i < SUBSCRIBERS; i++) {
    side.subscribers.push(await subscribeRelay(port, i === 0 ? sample : () => undefined));
  }
  return { side, stop: child.stop };
}

const ours = await openServerSide();
let firstFrame: Buffer = Buffer.alloc(1200, 'x');
const relay = await openRelaySide(() => firstFrame);
try {
  // Warm-up of both, and one real frame for the relay to forward.
  await runRound(ours.side, 0, PER_SECOND);
  firstFrame = await ours.frame;
  await runRound(relay.side, 0, PER_SECOND);
  ours.side.latencies.length = 0;
  relay.side.latencies.length = 0;
  const lost: number[] = [];
  for (let at = 1; at <= ROUNDS; at++) {
    for (const side of [ours.side, relay.side]) {
      const { delivered, cpu } = await runRound(side, at * perRound, PER_SECOND);
      side.perCpuSecond.push(delivered / cpu);
      if (side === ours.side) lost.push(perRound * SUBSCRIBERS - delivered);
      console.error(`${side.name} round ${at}: ${Math.round(delivered / cpu)} deliveries per CPU-second`);
    }
  }
  const fullLoad = { p50: percentile(ours.side.latencies, 0.5), p99: percentile(ours.side.latencies, 0.99) };
  ours.side.latencies.length = 0;
  await runRound(ours.side, (ROUNDS + 1) * perRound, PER_SECOND / 2);
  const bytes = ours.side.subscribers.reduce((sum, s) => sum + s.tally.bytes, 0);
  const mine = median(ours.side.perCpuSecond);
  const bare = median(relay.side.perCpuSecond);
  console.log(
    JSON.stringify({
      bench: 'W1',
      subscribers: SUBSCRIBERS,
      messagesPerSecond: PER_SECOND,
      database: ours.database,
      deliveriesPerCpuSecond: Math.round(mine),
      relayDeliveriesPerCpuSecond: Math.round(bare),
      ratioVsRelay: round(mine / bare, 3),
      lostDeliveries: lost.reduce((sum, n) => sum + n, 0),
      p50Ms: round(fullLoad.p50),
      p99Ms: round(fullLoad.p99),
      halfLoadP50Ms: round(percentile(ours.side.latencies, 0.5)),
      halfLoadP99Ms: round(percentile(ours.side.latencies, 0.99)),
      bytesPerDelivery: Math.round(bytes / total(ours.side)),
    }),
  );
} finally {
  for (const { socket } of [...ours.side.subscribers, ...relay.side.subscribers]) socket.terminate();
  await ours.stop();
  await relay.stop();
}
process.exit(0);

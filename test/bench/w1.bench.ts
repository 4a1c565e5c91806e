// W1, fan-out: one channel, 500 subscribers, 200-byte texts, persisted before the acknowledgement, against a bare `ws`
// relay that forwards frames of the same size. Both in this run, round by round; the database's CPU counts too.
// Method and figures: docs/benchmarks.md.
import { performance } from 'node:perf_hooks';
import { startChild, type Cpu } from './child.ts';
import { openRelaySide, openServerSide, type Side } from './fan-out.ts';
import { median, percentile, round } from './latency.ts';
import { printResult } from './result.ts';

const subscribers = Number(process.env['BENCH_SUBSCRIBERS'] ?? 500);
const rate = Number(process.env['BENCH_RATE'] ?? 100);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5);
const textBytes = 200;
const roundSeconds = 4;
/** Rounds that do not count, for both sides: compilers and caches warm up. */
const warmUps = 2;

interface Round {
  readonly delivered: number;
  readonly lost: number;
  readonly cpu: Cpu;
  readonly latencies: readonly number[];
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Open loop: message n leaves at its planned time, whatever happened to the ones before. */
async function runRound(side: Side, perSecond: number): Promise<Round> {
  const messages = roundSeconds * perSecond;
  const before = side.delivered();
  const expected = before + messages * subscribers;
  const cpuBefore = await side.cpu();
  side.latencies.length = 0;
  const start = performance.now();
  for (let i = 0; i < messages; i++) {
    const due = start + (i * 1000) / perSecond;
    if (due > performance.now()) await sleep(due - performance.now());
    side.publish(due);
  }
  for (let waited = 0; side.delivered() < expected && waited < 10_000; waited += 20) await sleep(20);
  const { total, database } = await side.cpu();
  const cpu = { total: total - cpuBefore.total, database: database - cpuBefore.database };
  return {
    delivered: side.delivered() - before,
    lost: expected - side.delivered(),
    cpu,
    latencies: [...side.latencies],
  };
}

interface Load {
  readonly perSecond: number;
  readonly ours: Round[];
  readonly relay: Round[];
}

/** Rounds of both sides in turn; who goes first changes, so that neither always finds the warmer machine. */
async function runLoad(sides: { ours: Side; relay: Side }, load: Load, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    const order = at % 2 === 0 ? (['ours', 'relay'] as const) : (['relay', 'ours'] as const);
    for (const name of order) {
      const result = await runRound(sides[name], load.perSecond);
      load[name].push(result);
      const perCpuSecond = Math.round(result.delivered / result.cpu.total);
      console.error(`${name} at ${load.perSecond}/s: ${perCpuSecond} deliveries per CPU-second`);
    }
  }
}

const perCpuSecond = (runs: readonly Round[]): number =>
  median(runs.map(({ delivered, cpu }) => delivered / cpu.total));
const latency = (runs: readonly Round[], share: number): number =>
  round(
    percentile(
      runs.flatMap(({ latencies }) => latencies),
      share,
    ),
  );

/** Each round of ours beside the relay's of the same turn, so that a busy moment weighs on both. */
const compare = ({ ours, relay }: Load): number =>
  median(ours.map((run, at) => perCpuSecond([run]) / perCpuSecond(relay.slice(at, at + 1))));

/**
 * The median message took longer than the next one was away: messages queued, so that several shared a commit and a
 * write. The comparison then flatters us and is not to be quoted.
 */
const isOverloaded = (load: Load): boolean => latency(load.ours, 0.5) > 1000 / load.perSecond;

const figuresOf = (load: Load) => ({
  messagesPerSecond: load.perSecond,
  overloaded: isOverloaded(load),
  deliveriesPerCpuSecond: Math.round(perCpuSecond(load.ours)),
  relayDeliveriesPerCpuSecond: Math.round(perCpuSecond(load.relay)),
  comparedWithRelay: round(compare(load), 3),
  databaseShareOfCpu: round(median(load.ours.map(({ cpu }) => cpu.database / cpu.total)), 3),
  p50Ms: latency(load.ours, 0.5),
  p99Ms: latency(load.ours, 0.99),
  relayP50Ms: latency(load.relay, 0.5),
  relayP99Ms: latency(load.relay, 0.99),
});

const full: Load = { perSecond: rate, ours: [], relay: [] };
const half: Load = { perSecond: rate / 2, ours: [], relay: [] };
const messages = roundSeconds * rate * (warmUps + rounds + Math.ceil(rounds / 2));
const server = await openServerSide({ subscribers, messages, textBytes });
const relay = await openRelaySide(subscribers, await startChild<{ port: number }>('./relay.child.ts'));
try {
  const sides = { ours: server.side, relay: relay.side };
  await runRound(sides.ours, rate);
  relay.forward(server.lastFrame());
  await runLoad(sides, { perSecond: rate, ours: [], relay: [] }, warmUps - 1);
  await runLoad(sides, full, rounds);
  await runLoad(sides, half, Math.ceil(rounds / 2));
  printResult({
    bench: 'W1',
    subscribers,
    textBytes,
    envelopeBytes: server.envelopeBytes,
    bytesPerDelivery: Math.round(server.side.bytesPerDelivery()),
    database: server.database,
    // The worse of the two loads: an overloaded machine must not look like a fast server.
    ratioVsRelay: round(Math.min(compare(full), compare(half)), 3),
    lostDeliveries: [...full.ours, ...half.ours].reduce((sum, { lost }) => sum + lost, 0),
    disorderedDeliveries: server.disordered(),
    ...figuresOf(full),
    halfLoad: figuresOf(half),
  });
} finally {
  await Promise.all([server.stop(), relay.stop()]);
}
process.exit(0);

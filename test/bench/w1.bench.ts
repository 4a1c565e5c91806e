// W1, fan-out: one channel, 100, 500 and 2000 subscribers, 200-byte texts, persisted before the acknowledgement, against
// a bare `ws` relay that forwards frames of the same size. Both in this run, round by round; the database's CPU counts
// too. Method and figures: docs/benchmarks.md.
import { restAfterFanOut } from '#server/domains/messages/send-queue.ts';
import { cpuBetween, startChild, type Cpu } from './child.ts';
import { openRelaySide, openServerSide, type Side } from './fan-out.ts';
import { Latencies, median, round } from './latency.ts';
import { checkGenerator, openLoop, until } from './open-loop.ts';
import { printResult } from './result.ts';
import { durability } from './stage.ts';

const TEXT_BYTES = 200;
const ROUND_SECONDS = 3;
const RATIO_AIM = 0.85;
/** The run that `ratioVsRelay` speaks of. */
const headline = Number(process.env['BENCH_SUBSCRIBERS'] ?? 500);
const sizes = process.env['BENCH_SUBSCRIBERS'] ? [headline] : [100, headline, 2000];
/** Messages per second at each size: about as many deliveries at all of them. */
const rateOf = (subscribers: number): number =>
  Number(process.env['BENCH_RATE'] ?? Math.min(200, Math.round(30_000 / subscribers)));
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 4);

interface Round {
  readonly delivered: number;
  readonly lost: number;
  readonly bytes: number;
  readonly cpu: Cpu;
  readonly latencies: Latencies;
}

async function runRound(side: Side, plan: { subscribers: number; perSecond: number }): Promise<Round> {
  const messages = Math.round(ROUND_SECONDS * plan.perSecond);
  const before = side.delivered();
  const bytesBefore = side.bytesReceived();
  const refusedBefore = side.refused();
  const expected = (): number => before + (messages - side.refused() + refusedBefore) * plan.subscribers;
  const cpuBefore = await side.cpu();
  side.latencies.clear();
  await openLoop({ perSecond: plan.perSecond, seconds: ROUND_SECONDS }, (_, due) => side.publish(due));
  await until(() => side.delivered() >= expected(), 10_000);
  const cpu = cpuBetween(cpuBefore, await side.cpu());
  const latencies = new Latencies();
  latencies.add(side.latencies);
  const delivered = side.delivered() - before;
  const bytes = side.bytesReceived() - bytesBefore;
  return { delivered, lost: expected() - before - delivered, bytes, cpu, latencies };
}

interface Load {
  readonly subscribers: number;
  readonly perSecond: number;
  readonly ours: Round[];
  readonly relay: Round[];
}

/** Rounds of both sides in turn; who goes first changes, so that neither always finds the warmer machine. */
async function runLoad(sides: { ours: Side; relay: Side }, load: Load, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    const order = at % 2 === 0 ? (['ours', 'relay'] as const) : (['relay', 'ours'] as const);
    for (const name of order) {
      const result = await runRound(sides[name], load);
      load[name].push(result);
      const perCpuSecond = Math.round(result.delivered / result.cpu.total);
      console.error(
        `${name}, ${load.subscribers} sockets, ${load.perSecond}/s: ${perCpuSecond} deliveries per CPU-second`,
      );
    }
  }
}

const perCpuSecond = (runs: readonly Round[]): number =>
  median(runs.map(({ delivered, cpu }) => delivered / cpu.total));

function latency(runs: readonly Round[], share: number): number {
  const all = new Latencies();
  for (const { latencies } of runs) all.add(latencies);
  return all.at(share);
}

/** Each round of ours beside the relay's of the same turn, so that a busy moment weighs on both. */
const compare = ({ ours, relay }: Load): number =>
  median(ours.map((run, at) => perCpuSecond([run]) / perCpuSecond(relay.slice(at, at + 1))));

/**
 * The median message took longer than the next one was away, beyond the channel's rest: messages queued because we did
 * not keep up. The comparison then flatters us and is not to be quoted.
 */
const isOverloaded = (load: Load): boolean =>
  latency(load.ours, 0.5) > 1000 / load.perSecond + restAfterFanOut(load.subscribers);

const sumOf = (runs: readonly Round[], of: 'lost' | 'bytes' | 'delivered'): number =>
  runs.reduce((sum, run) => sum + run[of], 0);

const figuresOf = (load: Load) => ({
  subscribers: load.subscribers,
  messagesPerSecond: load.perSecond,
  overloaded: isOverloaded(load),
  comparedWithRelay: round(compare(load), 3),
  deliveriesPerCpuSecond: Math.round(perCpuSecond(load.ours)),
  relayDeliveriesPerCpuSecond: Math.round(perCpuSecond(load.relay)),
  databaseShareOfCpu: round(median(load.ours.map(({ cpu }) => cpu.database / cpu.total)), 3),
  deliveredShare: sumOf(load.ours, 'delivered') / (sumOf(load.ours, 'delivered') + sumOf(load.ours, 'lost')),
  p50Ms: latency(load.ours, 0.5),
  p99Ms: latency(load.ours, 0.99),
  relayP50Ms: latency(load.relay, 0.5),
  relayP99Ms: latency(load.relay, 0.99),
});

const loadOf = (subscribers: number, perSecond: number): Load => ({
  subscribers,
  perSecond,
  ours: [],
  relay: [],
});
/** Rounds of a size beside the headline's: enough for a median, short enough for the whole run. */
const fewRounds = Math.max(1, rounds - 2);
const halfRounds = Math.ceil(rounds / 2);
const roundsAt = (size: number): number => 1 + (size === headline ? rounds + halfRounds / 2 : fewRounds);
const messages = sizes.reduce(
  (sum, size) => sum + Math.ceil(rateOf(size) * ROUND_SECONDS * roundsAt(size)),
  10,
);
const server = await openServerSide({ subscribers: Math.max(...sizes), messages, textBytes: TEXT_BYTES });
const relay = await openRelaySide(await startChild<{ port: number }>('./relay.child.ts'));
try {
  const sides = { ours: server.side, relay: relay.side };
  const full: Load[] = [];
  const half = loadOf(headline, rateOf(headline) / 2);
  let generator = null;
  for (const size of sizes) {
    await sides.ours.grow(size);
    await sides.relay.grow(size);
    const load = loadOf(size, rateOf(size));
    // Compilers and caches warm up; and the relay needs a frame of ours to forward.
    await runRound(sides.ours, load);
    relay.forward(server.lastFrame());
    await runRound(sides.relay, load);
    await runLoad(sides, load, size === headline ? rounds : fewRounds);
    full.push(load);
    if (size !== headline) continue;
    await runLoad(sides, half, halfRounds);
    const traffic = { delivered: sides.relay.delivered, perMessage: size };
    generator = await checkGenerator(load.perSecond, {
      ...traffic,
      send: (_, due) => sides.relay.publish(due),
    });
  }
  const main = full.find(({ subscribers }) => subscribers === headline) ?? half;
  const ours = [...full, half].flatMap((load) => load.ours);
  const bytesPerDelivery = Math.round(sumOf(ours, 'bytes') / sumOf(ours, 'delivered'));
  const bytesAim = Math.round(1.4 * server.envelopeBytes + 120);
  // The worse of the two loads: an overloaded machine must not look like a fast server.
  const ratioVsRelay = round(Math.min(compare(main), compare(half)), 3);
  const aims = [
    { aim: `ratioVsRelay >= ${RATIO_AIM}`, measured: ratioVsRelay, met: ratioVsRelay >= RATIO_AIM },
    {
      aim: `bytes per delivery <= 1.4 x envelope + 120 = ${bytesAim}`,
      measured: bytesPerDelivery,
      met: bytesPerDelivery <= bytesAim,
    },
  ];
  printResult(
    {
      bench: 'W1',
      database: server.database,
      durability: durability(server.database),
      textBytes: TEXT_BYTES,
      envelopeBytes: server.envelopeBytes,
      bytesPerDelivery,
      ratioVsRelay,
      lostDeliveries: sumOf(ours, 'lost'),
      refusedSends: server.side.refused(),
      disorderedDeliveries: server.disordered(),
      ...figuresOf(main),
      halfLoad: figuresOf(half),
      sweep: full.map(figuresOf),
      generator,
    },
    aims,
  );
} finally {
  await Promise.all([server.stop(), relay.stop()]);
}
process.exit(0);

// W2, direct messages: 100 pairs, send to arrival at the other one, stored and flushed in between, with its key packet.
// A bare `ws` relay with the same pairs stands beside it. Method and figures: docs/benchmarks.md.
import { startChild } from './child.ts';
import { round } from './latency.ts';
import { checkGenerator } from './open-loop.ts';
import { printResult } from './result.ts';
import { openRelayRooms, openRooms, runRooms, type RoomsReady, type RoomsRun } from './rooms.ts';
import { durability } from './stage.ts';

const PAIRS = 100;
const TEXT_BYTES = 200;
const WARM_SECONDS = 4;
const SECONDS = 12;
const P99_AIM_MS = 25;
const SHARE_AIM = 0.9999;
/** About what one frame of ours has, key packet not counted. */
const FRAME_BYTES = 450;
const rate = Number(process.env['BENCH_RATE'] ?? 100);

const messages = rate * (WARM_SECONDS + SECONDS) + (rate / 2) * SECONDS;
const child = await startChild<RoomsReady>('./pairs.child.ts', [PAIRS, messages, TEXT_BYTES].map(String));
const relayChild = await startChild<{ port: number }>('./relay.child.ts');
const { database } = child.ready;

const figuresOf = (run: RoomsRun) => ({
  messagesPerSecond: run.perSecond,
  p50Ms: run.p50Ms,
  p99Ms: run.p99Ms,
  p999Ms: run.p999Ms,
  deliveredShare: run.deliveredShare,
  refusedSends: run.refused,
  commitsPerMessage: round(run.counts.commits / run.messages, 3),
  syncsPerMessage: round(run.counts.syncs / run.messages, 3),
  cpuMicrosecondsPerMessage: Math.round((run.cpu.total * 1e6) / run.messages),
  databaseShareOfCpu: round(run.cpu.database / run.cpu.total, 3),
  generatorLateP99Ms: run.lateP99Ms,
});

try {
  const ours = await openRooms(child);
  const relay = await openRelayRooms(relayChild, child.ready, FRAME_BYTES);
  await runRooms(ours, { perSecond: rate, seconds: WARM_SECONDS });
  const half = await runRooms(ours, { perSecond: rate / 2, seconds: SECONDS });
  const full = await runRooms(ours, { perSecond: rate, seconds: SECONDS });
  await runRooms(relay, { perSecond: rate, seconds: WARM_SECONDS });
  const bare = await runRooms(relay, { perSecond: rate, seconds: SECONDS });
  const { delivered, perMessage } = relay;
  const generator = await checkGenerator(rate, { delivered, perMessage, send: (_, due) => relay.send(due) });
  const share = Math.min(full.deliveredShare, half.deliveredShare);
  printResult(
    {
      bench: 'W2',
      database,
      durability: durability(database),
      pairs: PAIRS,
      textBytes: TEXT_BYTES,
      disorderedDeliveries: ours.disordered(),
      ...figuresOf(full),
      halfLoad: figuresOf(half),
      relayP50Ms: bare.p50Ms,
      relayP99Ms: bare.p99Ms,
      relayCpuMicrosecondsPerMessage: Math.round((bare.cpu.total * 1e6) / bare.messages),
      generator,
    },
    [
      { aim: `p99 <= ${P99_AIM_MS} ms`, measured: full.p99Ms, met: full.p99Ms <= P99_AIM_MS },
      { aim: `share delivered >= ${SHARE_AIM}`, measured: share, met: share >= SHARE_AIM },
    ],
  );
} finally {
  await Promise.all([child.stop(), relayChild.stop()]);
}
process.exit(0);

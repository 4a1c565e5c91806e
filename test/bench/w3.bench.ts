// W3, many rooms: 200 rooms of 20 members, 1,000 connections, at rising rates; how many sends share a commit, and what the
// commit queue stores beside one insert per message. Method and figures: docs/benchmarks.md.
import { startChild } from './child.ts';
import { round } from './latency.ts';
import { checkGenerator } from './open-loop.ts';
import { printResult } from './result.ts';
import { openRelayRooms, openRooms, runRooms, type RoomsReady, type RoomsRun } from './rooms.ts';
import { durability } from './stage.ts';
import type { StorageComparison } from './storage.ts';

const PEOPLE = 1000;
const ROOMS = 200;
const MEMBERS = 20;
const WARM_SECONDS = 3;
const SECONDS = 6;
const COMMITS_AIM = 0.2;
const TIMES_AIM = 10;
const SHARE_AIM = 0.9999;
/** About what one frame of ours has. */
const FRAME_BYTES = 595;
/** Messages per second in all rooms together; the aim is judged at the highest. */
const top = Number(process.env['BENCH_RATE'] ?? 800);
const rates = [top / 4, top / 2, top];

const messages = rates.reduce((sum, rate) => sum + rate * SECONDS, top * WARM_SECONDS);
const args = [PEOPLE, ROOMS, MEMBERS, messages].map(String);
const child = await startChild<RoomsReady>('./rooms.child.ts', args);
const relayChild = await startChild<{ port: number }>('./relay.child.ts');
const { database } = child.ready;

const figuresOf = (run: RoomsRun) => ({
  messagesPerSecond: run.perSecond,
  commitsPerMessage: round(run.counts.commits / run.messages, 3),
  syncsPerMessage: round(run.counts.syncs / run.messages, 3),
  p50Ms: run.p50Ms,
  p99Ms: run.p99Ms,
  deliveredShare: run.deliveredShare,
  refusedSends: run.refused,
  deliveriesPerCpuSecond: Math.round(run.delivered / run.cpu.total),
  databaseShareOfCpu: round(run.cpu.database / run.cpu.total, 3),
  generatorLateP99Ms: run.lateP99Ms,
});

try {
  const ours = await openRooms(child);
  const relay = await openRelayRooms(relayChild, child.ready, FRAME_BYTES);
  await runRooms(ours, { perSecond: top, seconds: WARM_SECONDS });
  const runs: RoomsRun[] = [];
  for (const perSecond of rates) runs.push(await runRooms(ours, { perSecond, seconds: SECONDS }));
  await runRooms(relay, { perSecond: top, seconds: WARM_SECONDS });
  const bare = await runRooms(relay, { perSecond: top, seconds: SECONDS });
  const { delivered, perMessage } = relay;
  const generator = await checkGenerator(top, { delivered, perMessage, send: (_, due) => relay.send(due) });
  const storage = await child.ask<StorageComparison>('storage');
  const times = round(storage.queue.messagesPerSecond / storage.oneByOne.messagesPerSecond, 1);
  const share = Math.min(...runs.map(({ deliveredShare }) => deliveredShare));
  const fewest = round(Math.min(...runs.map(({ counts, messages: sent }) => counts.commits / sent)), 3);
  printResult(
    {
      bench: 'W3',
      database,
      durability: durability(database),
      connections: PEOPLE,
      rooms: ROOMS,
      membersPerRoom: MEMBERS,
      disorderedDeliveries: ours.disordered(),
      loads: runs.map(figuresOf),
      relay: {
        messagesPerSecond: top,
        p50Ms: bare.p50Ms,
        p99Ms: bare.p99Ms,
        deliveriesPerCpuSecond: Math.round(bare.delivered / bare.cpu.total),
      },
      storage: { ...storage, timesOneInsertPerMessage: times },
      generator,
    },
    [
      {
        aim: `commits per message < ${COMMITS_AIM} at ${top} messages/s`,
        measured: fewest,
        met: fewest < COMMITS_AIM,
      },
      {
        aim: `stored per second >= ${TIMES_AIM} x one insert per message`,
        measured: times,
        met: times >= TIMES_AIM,
      },
      { aim: `share delivered >= ${SHARE_AIM}`, measured: share, met: share >= SHARE_AIM },
    ],
  );
} finally {
  await Promise.all([child.stop(), relayChild.stop()]);
}
process.exit(0);

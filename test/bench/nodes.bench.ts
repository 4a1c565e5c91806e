// Two nodes, people writing on both, and the second one's wire to Redis cut again and again for 30 s: half the times its
// connections break, half the times they carry nothing. Measured: from mending the wire until every client of both nodes
// has seen everything acknowledged by then. In the end every history is judged, and the first node is killed: how long
// its people still seem to be there. BENCH_ROUNDS and BENCH_CUT_MS change it.
import { execFileSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChannelId } from '#shared/ids.ts';
import type { PresenceEntry } from '#shared/users.ts';
import { Ear, readiness, startCluster, type Cluster } from '#test/support/cluster.ts';
import { HistoryChecker } from '#test/support/history.ts';
import { startPostgresProcess } from '#test/support/postgres-process.ts';
import { readLog, RecordingClient } from '#test/support/recording-client.ts';
import { percentile } from './latency.ts';
import { printResult } from './result.ts';

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 20);
const cutMs = Number(process.env['BENCH_CUT_MS'] ?? 30_000);
const people = 8;
const betweenMs = 3_000;
const convergeMs = 10_000;
/** Messages of one sender chain; it holds 1,000. */
const chainLength = 900;

interface Stage {
  readonly cluster: Cluster;
  readonly checker: HistoryChecker;
  readonly clients: readonly RecordingClient[];
  /** Highest acknowledged seq of each channel. */
  readonly heads: Map<ChannelId, number>;
  acknowledged: number;
  isOver: boolean;
}

async function write(stage: Stage, at: number): Promise<void> {
  const { place } = stage.cluster;
  const client = stage.clients[at];
  const person = place.people[at];
  const channelId = place.channelIds[at % place.channelIds.length];
  if (!client || !person || !channelId) throw new Error('no such person');
  let pen = place.pen(person, channelId);
  for (let count = 1; !stage.isOver; count++) {
    if (count % chainLength === 0) pen = place.pen(person, channelId);
    const { seq } = await client.send(channelId, pen.text(`message ${count}`));
    stage.acknowledged += 1;
    stage.heads.set(channelId, Math.max(seq, stage.heads.get(channelId) ?? 0));
    await sleep(200 + Math.random() * 200);
  }
}

/** Milliseconds until every client has seen what was acknowledged when this was called. */
async function convergence({ clients, heads }: Stage): Promise<number> {
  const wanted = [...heads];
  const began = performance.now();
  const isBehind = (client: RecordingClient): boolean =>
    wanted.some(([channelId, head]) => client.seen(channelId) < head);
  while (clients.some(isBehind)) {
    if (performance.now() - began > 120_000) throw new Error('the nodes did not converge');
    await sleep(20);
  }
  return performance.now() - began;
}

interface Round {
  readonly convergedMs: number;
  /** From the cut until /health/ready of the node said so. */
  readonly noticedMs: number;
  readonly backMs: number;
}

async function untilRedis({ b }: Cluster, wanted: unknown): Promise<number> {
  const began = performance.now();
  while ((await readiness(b)).redis !== wanted) await sleep(50);
  return performance.now() - began;
}

async function cutOnce(stage: Stage, round: number): Promise<Round> {
  const { cluster } = stage;
  await sleep(betweenMs);
  const how = round % 2 === 0 ? 'reset' : 'silence';
  cluster.wire.cut(how);
  const cutAt = performance.now();
  const noticedMs = await untilRedis(cluster, 'down');
  await sleep(Math.max(0, cutMs - (performance.now() - cutAt)));
  cluster.wire.mend();
  const [convergedMs, backMs] = await Promise.all([convergence(stage), untilRedis(cluster, true)]);
  const text = [convergedMs, noticedMs, backMs].map(Math.round).join(', ');
  console.error(`round ${round + 1} (${how}): converged, noticed, back after ${text} ms`);
  return { convergedMs, noticedMs, backMs };
}

function startStage(cluster: Cluster): Stage {
  const checker = new HistoryChecker();
  const { place, a, b } = cluster;
  const clients = place.people.map(
    (person, at) =>
      new RecordingClient({
        name: `client ${at}`,
        port: (at % 4 < 2 ? a : b).port,
        token: () => place.token(person.actor),
        channelIds: place.channelIds,
        checker,
      }),
  );
  return { cluster, checker, clients, heads: new Map(), acknowledged: 0, isOver: false };
}

async function judge(stage: Stage): Promise<number> {
  const { clients, checker, cluster } = stage;
  await convergence(stage);
  const [first] = clients;
  let stored = 0;
  for (const channelId of cluster.place.channelIds) {
    const log = first ? await readLog(first, channelId) : [];
    stored += log.length;
    checker.finish(channelId, log);
  }
  return stored;
}

/** Kills the first node: milliseconds until the second one shows its people as offline. */
async function killFirst({ place, a, b }: Cluster): Promise<number> {
  const [here, there] = place.people;
  if (!here || !there) throw new Error('nobody is there');
  const watched = await Ear.open(place, a, here.actor);
  const watcher = await Ear.open(place, b, there.actor);
  const ask = (): Promise<PresenceEntry[]> =>
    watcher.socket.call('mutation', 'presence.watch', { accountIds: [here.accountId] });
  while ((await ask())[0]?.presence !== 'online') await sleep(100);
  const began = performance.now();
  await a.end('SIGKILL');
  while (watcher.of('presence.changed').at(-1)?.entries[0]?.presence !== 'offline') await sleep(50);
  watched.socket.close();
  watcher.socket.close();
  return performance.now() - began;
}

async function runRounds(cluster: Cluster): Promise<void> {
  const stage = startStage(cluster);
  await Promise.all(stage.clients.map((client) => client.ready()));
  const writers = Promise.all(stage.clients.map((_, at) => write(stage, at)));
  const results: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    const done = await Promise.race([cutOnce(stage, round), writers]);
    if (Array.isArray(done)) throw new Error('a writer ended');
    results.push(done);
  }
  stage.isOver = true;
  await writers;
  const stored = await judge(stage);
  for (const client of stage.clients) client.stop();
  const goneMs = Math.round(await killFirst(cluster));
  const { findings, operations } = stage.checker;
  const lost = findings.filter(({ violation }) => violation === 'acknowledged but lost').length;
  const converged = results.map(({ convergedMs }) => convergedMs);
  const slowest = Math.round(Math.max(...converged));
  const figures = {
    bench: 'nodes',
    nodes: 2,
    people,
    rounds,
    cutMs,
    acknowledged: stage.acknowledged,
    stored,
    lost,
    otherFindings: findings.length - lost,
    observed: operations,
    convergedP50Ms: Math.round(percentile(converged, 0.5)),
    convergedMaxMs: slowest,
    noticedMaxMs: Math.round(Math.max(...results.map(({ noticedMs }) => noticedMs))),
    backMaxMs: Math.round(Math.max(...results.map(({ backMs }) => backMs))),
    deadNodeOfflineMs: goneMs,
  };
  printResult(figures, [
    {
      aim: 'nothing acknowledged is lost, and no other finding',
      measured: findings.length,
      met: findings.length === 0,
    },
    {
      aim: `every client has caught up ${convergeMs} ms after a cut`,
      measured: slowest,
      met: slowest <= convergeMs,
    },
  ]);
}

execFileSync(process.execPath, ['scripts/build.mjs', '--stale', '--server'], { stdio: 'inherit' });
const postgres = await startPostgresProcess();
const cluster = postgres && (await startCluster({ databaseUrl: postgres.url, people, built: true }));
if (!cluster) {
  console.error('PostgreSQL and redis-server must be installed');
  process.exit(1);
}
try {
  await runRounds(cluster);
} finally {
  await cluster.stop();
  await postgres.remove();
}
process.exit(0);

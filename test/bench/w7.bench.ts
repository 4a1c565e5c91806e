// W7, reconnect storm: thousands of readers while messages flow; the server is killed (-9) and started again. How long
// until everybody has everything, and that nothing is lost or there twice. BENCH_CLIENTS sets how many.
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { limits } from '#shared/limits.ts';
import { readLog } from '#test/support/recording-client.ts';
import { startServerProcess } from '#test/support/server-process.ts';
import { fold, type LightClient } from './light-client.ts';
import { round } from './latency.ts';
import { printResult } from './result.ts';
import { openReaders, openStage, startTraffic } from './storm.ts';

const clients = Number(process.env['BENCH_CLIENTS'] ?? 2000);
const perSecond = 20;
const socketsPerPerson = limits.socketsPerDevice;
const writers = 10;
const flowMs = 5000;
const patienceMs = 300_000;

async function untilAll(
  readers: readonly LightClient[],
  has: (reader: LightClient) => boolean,
): Promise<number> {
  const began = performance.now();
  while (readers.some((reader) => !has(reader))) {
    if (performance.now() - began > patienceMs) throw new Error('not everybody caught up');
    await sleep(20);
  }
  return performance.now() - began;
}

// A channel has at most so many readers, each with several sockets; the writers' own are among the clients.
const people = Math.min(limits.readersPerChannel, Math.ceil(clients / socketsPerPerson));
const stage = await openStage(people);
try {
  const readers = await openReaders(stage, clients - writers);
  console.error(`${readers.length} readers are subscribed`);
  const traffic = await startTraffic(stage, { perSecond, writers, textBytes: 200 });
  await sleep(flowMs);
  const headBefore = traffic.head();
  await stage.server.end('SIGKILL');
  const { dataDir, port } = stage;
  stage.server = await startServerProcess({ dataDir, port, built: true });
  const caughtUpMs = await untilAll(readers, (reader) => reader.isOnline && reader.last >= headBefore);
  console.error(`all caught up ${Math.round(caughtUpMs)} ms after readiness`);
  await sleep(flowMs);
  await traffic.stop();
  const [writer] = traffic.writers;
  if (!writer) throw new Error('nobody writes');
  const log = await readLog(writer, stage.channelId);
  stage.checker.finish(stage.channelId, log);
  await untilAll(readers, (reader) => reader.last >= log.length);
  const digest = log.reduce((sum, { event }) => fold(sum, event), 0);
  const wrong = readers.filter((reader) => reader.digest !== digest || reader.last !== log.length);
  const found = stage.checker.findings;
  printResult({
    bench: 'W7',
    clients,
    messagesPerSecond: perSecond,
    acknowledged: traffic.acknowledged(),
    stored: log.length,
    lost: found.filter(({ violation }) => violation === 'acknowledged but lost').length,
    doubled: new Set(log.map(({ event }) => event)).size === log.length ? 0 : 1,
    otherFindings: found.length,
    readersNotEqualToTheLog: wrong.length,
    readyMs: Math.round(stage.server.readyMs),
    allCaughtUpMs: Math.round(caughtUpMs),
    reconnects: readers.reduce((sum, reader) => sum + reader.reconnects, 0),
    filledPerReader: round(readers.reduce((sum, reader) => sum + reader.filled, 0) / readers.length),
  });
} finally {
  await stage.remove();
}
process.exit(0);

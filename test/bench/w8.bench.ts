// W8, slow readers: some sockets stop reading while large messages flow. They are cut and come back with everything;
// what they cost the others in latency, and the server in memory, is the difference to the same traffic without them.
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { readLog } from '#test/support/recording-client.ts';
import { fold, residentBytes, type LightClient } from './light-client.ts';
import { percentile, round } from './latency.ts';
import { printResult } from './result.ts';
import { openReaders, openStage, startTraffic, type Stage, type Traffic } from './storm.ts';

const clients = Number(process.env['BENCH_CLIENTS'] ?? 100);
const slow = Number(process.env['BENCH_SLOW'] ?? 20);
const perSecond = 40;
const textBytes = 3900;
const phaseMs = Number(process.env['BENCH_PHASE_MS'] ?? 30_000);
const people = 20;

interface Phase {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly peakBytes: number;
}

/** Watches the quick readers' latencies and the server's memory for a while. */
async function watch(stage: Stage, latencies: number[]): Promise<Phase> {
  latencies.length = 0;
  const until = performance.now() + phaseMs;
  let peakBytes = 0;
  while (performance.now() < until) {
    await sleep(100);
    const status = readFileSync(`/proc/${stage.server.child.pid}/status`, 'utf8');
    peakBytes = Math.max(peakBytes, residentBytes(status));
  }
  return { p50Ms: round(percentile(latencies, 0.5)), p99Ms: round(percentile(latencies, 0.99)), peakBytes };
}

async function settle(stage: Stage, traffic: Traffic, readers: readonly LightClient[]): Promise<number> {
  await traffic.stop();
  const log = await readLog(traffic.writers[0] as never, stage.channelId);
  stage.checker.finish(stage.channelId, log);
  const until = performance.now() + 120_000;
  while (readers.some((reader) => reader.last < log.length)) {
    if (performance.now() > until) throw new Error('not everybody caught up');
    await sleep(20);
  }
  const digest = log.reduce((sum, { event }) => fold(sum, event), 0);
  return readers.filter((reader) => reader.digest !== digest).length;
}

const stage = await openStage(people);
try {
  const latencies: number[] = [];
  let traffic: Traffic | null = null;
  const readers = await openReaders(stage, clients + slow, (at, eventId) => {
    // The last ones are the slow: their latencies are nobody's concern.
    const due = at < clients ? traffic?.dueAt.get(eventId) : undefined;
    if (due !== undefined) latencies.push(performance.now() - due);
  });
  const sleepers = readers.slice(clients);
  traffic = await startTraffic(stage, { perSecond, writers: 10, textBytes });
  await watch(stage, latencies); // warms up
  const without = await watch(stage, latencies);
  for (const reader of sleepers) reader.pause();
  const withSlow = await watch(stage, latencies);
  for (const reader of sleepers) reader.resume();
  const wrong = await settle(stage, traffic, readers);
  const cut = sleepers.filter((reader) => reader.closeCodes.length > 0);
  printResult({
    bench: 'W8',
    clients,
    slow,
    messagesPerSecond: perSecond,
    textBytes,
    cut: cut.length,
    closeCodes: [...new Set(cut.flatMap((reader) => reader.closeCodes))],
    quickReadersCut: readers.slice(0, clients).filter((reader) => reader.closeCodes.length > 0).length,
    readersNotEqualToTheLog: wrong,
    findings: stage.checker.findings.length,
    p50Ms: without.p50Ms,
    p99Ms: without.p99Ms,
    p50WithSlowMs: withSlow.p50Ms,
    p99WithSlowMs: withSlow.p99Ms,
    p99ChangePercent: round((withSlow.p99Ms / without.p99Ms - 1) * 100, 1),
    megabytesPerSlowReader: round((withSlow.peakBytes - without.peakBytes) / slow / 1024 ** 2),
  });
} finally {
  await stage.remove();
}
process.exit(0);

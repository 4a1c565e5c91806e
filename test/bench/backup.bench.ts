// Backup: bytes and time for the keys of 100,000 messages, half of them direct, and the restore of all of them into a new
// device. The real engine over records in memory: what IndexedDB adds is not in it. See docs/benchmarks.md.
import { performance } from 'node:perf_hooks';
import { sealBackupEntry, systemRng as rng } from '#crypto/index.ts';
import type { BackupStatus } from '#shared/backup.ts';
import { limits } from '#shared/limits.ts';
import { Exchange, type Person } from '#test/client/support/exchange.ts';
import { queueKeys } from './full-backup.ts';
import { printResult } from './result.ts';

const MESSAGES = 100_000;

const server = new Exchange();
const ada = await server.join('ada');
const { direct, chains } = await queueKeys(ada, { messages: MESSAGES, now: server.now });

const entries: string[] = [];
let status: BackupStatus = { version: 0, count: 0, manifest: null };
await ada.engine.compareBackup({ status });
const began = performance.now();
for (;;) {
  const append = await ada.engine.nextBackup({ now: server.now });
  if (!append) break;
  entries.push(...append.entries);
  status = { version: append.version, count: entries.length, manifest: append.manifest };
  await ada.engine.backupStored({ count: entries.length });
}
const backupMs = performance.now() - began;
const bytes = entries.reduce((sum, entry) => sum + Math.floor((entry.length * 3) / 4), 0);

/** The newest entries of [from, to) that one answer holds. */
function page(from: number, to: number): { from: number; entries: string[] } {
  let start = to;
  for (let size = 0; start > from; start--) {
    size += (entries[start - 1]!.length * 3) / 4;
    if (size > limits.backupPageBytes && start < to) break;
  }
  return { from: start, entries: entries.slice(start, to) };
}

/** Longest single call to the engine, ms: how long other work of the worker waits. */
async function restore(device: Person): Promise<{ restoreMs: number; pages: number; longestPageMs: number }> {
  const start = performance.now();
  let [pages, longestPageMs] = [0, 0];
  let step = await device.engine.compareBackup({ status });
  while (step.state === 'behind') {
    const called = performance.now();
    step = await device.engine.takeBackup({ page: page(step.from, step.to) });
    longestPageMs = Math.max(longestPageMs, performance.now() - called);
    pages += 1;
  }
  if (step.state !== 'current') throw new Error(`restore ended ${step.state}`);
  return { restoreMs: performance.now() - start, pages, longestPageMs };
}

const device = await server.addDevice(ada);
const { restoreMs, pages, longestPageMs } = await restore(device);
const few = sealBackupEntry(
  { aid: rng.bytes(32), version: 1, key: rng.bytes(32) },
  { kind: 2, id: rng.bytes(16), payload: new Uint8Array(1 + 5 * 80) },
  rng,
).length;
printResult({
  bench: 'backup',
  messages: MESSAGES,
  direct,
  chains,
  entries: entries.length,
  bytes,
  bytesPerMessage: Math.round((bytes / MESSAGES) * 10) / 10,
  bytesPerDirectMessageInFives: Math.round(few / 5),
  backupMs: Math.round(backupMs),
  restoreMs: Math.round(restoreMs),
  pages,
  longestPageMs: Math.round(longestPageMs),
});

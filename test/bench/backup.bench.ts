// Backup: bytes and time for the keys of 100,000 messages, half of them direct, and the restore of all of them into a new
// device. The real engine over records in memory: what IndexedDB adds is not in it. See docs/benchmarks.md.
import { performance } from 'node:perf_hooks';
import { queueChain, queueDmKey } from '#client/crypto/backup-queue.ts';
import { UnitOfWork } from '#client/crypto/unit-of-work.ts';
import { sealBackupEntry, timeOrderedId, systemRng as rng } from '#crypto/index.ts';
import type { BackupStatus } from '#shared/backup.ts';
import { limits } from '#shared/limits.ts';
import { Exchange, type Person } from '#test/client/support/exchange.ts';
import { printResult } from './result.ts';

const MESSAGES = 100_000;
const DIRECT = MESSAGES / 2;
const PER_CHAIN = 100;
const CHAINS = DIRECT / PER_CHAIN;
/** Direct messages of a year, evenly: each falls into a bucket of its own neighbours. */
const SPREAD_MS = (365 * 86_400_000) / DIRECT;

const server = new Exchange();
const ada = await server.join('ada');
const fields = { aid: rng.bytes(32), deviceId: rng.bytes(16) };
const unit = new UnitOfWork(ada.store, `${ada.accountId}/`);
for (let n = 0; n < DIRECT; n++) {
  const eventId = timeOrderedId(server.now + n * SPREAD_MS, rng);
  const key = { eventId, contentKey: rng.bytes(32), bodyHash: rng.bytes(32), commit: rng.bytes(32) };
  queueDmKey(unit, { sender: fields, ...key });
}
for (let n = 0; n < CHAINS; n++) {
  const chain = { channelId: rng.bytes(16), owner: fields, chainId: rng.bytes(8), certHash: rng.bytes(32) };
  await queueChain(unit, { ...chain, startIter: 0, chainKey: rng.bytes(32), historyUpTo: null });
}
await unit.commit();

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
  { aid: fields.aid, version: 1, key: rng.bytes(32) },
  { kind: 2, id: rng.bytes(16), payload: new Uint8Array(1 + 5 * 80) },
  rng,
).length;
printResult({
  bench: 'backup',
  messages: MESSAGES,
  direct: DIRECT,
  chains: CHAINS,
  entries: entries.length,
  bytes,
  bytesPerMessage: Math.round((bytes / MESSAGES) * 10) / 10,
  bytesPerDirectMessageInFives: Math.round(few / 5),
  backupMs: Math.round(backupMs),
  restoreMs: Math.round(restoreMs),
  pages,
  longestPageMs: Math.round(longestPageMs),
});

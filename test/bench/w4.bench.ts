// W4, idle connections: 10,000 people of one community, one live subscription each, beside as many sockets of a bare `ws`
// server in the same run; memory after a full collection, and the CPU of a minute's quiet. Method: docs/benchmarks.md.
import { readFileSync } from 'node:fs';
import type { WebSocket } from 'ws';
import { startChild, type Child, type Memory } from './child.ts';
import { round } from './latency.ts';
import { openAll, sleep } from './open-loop.ts';
import { printResult } from './result.ts';
import type { StageReady } from './stage.ts';
import { subscribeRelay, subscribeServer } from './subscribers.ts';

const MEMORY_AIM_KB = 15;
const CPU_AIM = 0.05;
/** Longer than the keep-alive's interval, so that every socket is pinged once on average. */
const QUIET_SECONDS = 30;
const SETTLE_MS = 3_000;
/** Files this process needs besides the sockets. */
const SPARE_FILES = 500;

/** Sockets this process may open; the children inherit the same bound. */
function socketsAllowed(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const soft = /Max open files\s+(\d+)/.exec(limits)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft) - SPARE_FILES;
}

const wanted = Number(process.env['BENCH_CONNECTIONS'] ?? 10_000);
const connections = Math.min(wanted, socketsAllowed());
const memory = async (child: Child<unknown>): Promise<Memory> => {
  await sleep(SETTLE_MS);
  return child.ask<Memory>('memory');
};
const bytesEach = (before: Memory, after: Memory) => ({
  residentBytes: Math.round((after.resident - before.resident) / connections),
  heldBytes: Math.round((after.held - before.held) / connections),
});

/** One socket more and away again, so that code and buffers everybody shares are there before the first measurement. */
async function warm(open: () => Promise<{ socket: WebSocket }>): Promise<void> {
  for (let at = 0; at < 200; at++) {
    const { socket } = await open();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.terminate();
    await closed;
  }
}

async function measureBare() {
  const child = await startChild<{ port: number }>('./relay.child.ts');
  const open = () => subscribeRelay(child.ready.port, () => undefined);
  await warm(open);
  const before = await memory(child);
  await openAll(connections, async () => void (await open()));
  const after = await memory(child);
  await child.stop();
  return bytesEach(before, after);
}

interface IdleReady extends StageReady {
  readonly tokens: readonly string[];
}

async function measureOurs() {
  const child = await startChild<IdleReady>('./idle.child.ts', [String(connections)]);
  const { port, origin, tokens, database } = child.ready;
  const open = (at: number) => subscribeServer({ port, origin, token: tokens[at] ?? '' }, () => undefined);
  await warm(() => open(0));
  const before = await memory(child);
  const started = performance.now();
  await openAll(connections, async (at) => void (await open(at)));
  const connectSeconds = (performance.now() - started) / 1000;
  const after = await memory(child);
  const cpuBefore = await child.cpu();
  await sleep(QUIET_SECONDS * 1000);
  const cpu = await child.cpu();
  const stillOpen = await child.ask<number>('open');
  await child.stop();
  return {
    database,
    ...bytesEach(before, after),
    connectsPerSecond: Math.round(connections / connectSeconds),
    stillOpen,
    idleCores: (cpu.total - cpuBefore.total) / QUIET_SECONDS,
  };
}

const bare = await measureBare();
const ours = await measureOurs();
// Judged by what the process holds after a collection: resident memory also shrinks as the set-up's garbage goes.
const beyondKb = round((ours.heldBytes - bare.heldBytes) / 1000, 1);
const idle = round(ours.idleCores, 4);
printResult(
  {
    bench: 'W4',
    database: ours.database,
    connections,
    stillOpen: ours.stillOpen,
    connectsPerSecond: ours.connectsPerSecond,
    residentBytesEach: ours.residentBytes,
    heldBytesEach: ours.heldBytes,
    bareResidentBytesEach: bare.residentBytes,
    bareHeldBytesEach: bare.heldBytes,
    beyondBareHeldKb: beyondKb,
    beyondBareResidentKb: round((ours.residentBytes - bare.residentBytes) / 1000, 1),
    idleShareOfOneCore: idle,
  },
  [
    { aim: `all ${wanted} connections open`, measured: ours.stillOpen, met: ours.stillOpen >= wanted },
    { aim: `<= ${MEMORY_AIM_KB} kB each beyond ws`, measured: beyondKb, met: beyondKb <= MEMORY_AIM_KB },
    { aim: `<= ${CPU_AIM} of a core while idle`, measured: idle, met: idle <= CPU_AIM },
  ],
);
process.exit(0);

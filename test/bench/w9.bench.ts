// W9, crash: people write while the server is killed (-9) on the embedded database, then PostgreSQL below it; then the
// server is stopped for 20 s, and its disk is filled. Every client's history is judged by test/support/history.ts.
// BENCH_ROUNDS and BENCH_POSTGRES_ROUNDS set the rounds; BENCH_ONLY=embedded|postgres|stopped|disk runs one part.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crashRun, type CrashReport } from '#test/support/crash-run.ts';
import { startPostgresProcess } from '#test/support/postgres-process.ts';
import { seedPlace } from '#test/support/seeded-place.ts';
import {
  freePort,
  startServerProcess,
  untilReady,
  type ServerProcess,
} from '#test/support/server-process.ts';
import { percentile } from './latency.ts';
import { printResult } from './result.ts';

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 100);
const postgresRounds = Number(process.env['BENCH_POSTGRES_ROUNDS'] ?? 20);
const only = process.env['BENCH_ONLY'];
const people = 10;
const stoppedMs = 20_000;
const diskBytes = 256 * 1024 ** 2;

/** What one part of the run shows; a part that could not run says why. */
type Figures = Readonly<Record<string, unknown>>;

interface Bed {
  readonly dataDir: string;
  readonly port: number;
  readonly place: Awaited<ReturnType<typeof seedPlace>>;
}

async function makeBed(parent: string, databaseUrl?: string): Promise<Bed> {
  const dataDir = mkdtempSync(join(parent, 'chatalot-w9-'));
  const address = databaseUrl ? { databaseUrl } : {};
  return {
    dataDir,
    port: await freePort(),
    place: await seedPlace({ dataDir, ...address, people, channels: 3 }),
  };
}

const figuresOf = (report: CrashReport): Figures => ({
  rounds: report.rounds,
  acknowledged: report.acknowledged,
  stored: report.stored,
  lost: report.lost,
  doubled: report.doubled,
  otherFindings: report.findings.length - report.lost - report.doubled,
  operations: report.operations,
  readyP50Ms: Math.round(percentile(report.readyMs, 0.5)),
  readyMaxMs: Math.round(Math.max(...report.readyMs)),
  refusals: report.refusals,
});

const tell = (round: number, text: string): void => console.error(`round ${round + 1}: ${text}`);

async function killServer(): Promise<Figures> {
  const { dataDir, port, place } = await makeBed(tmpdir());
  let server = await startServerProcess({ dataDir, port, built: true });
  const hurt = async (round: number): Promise<number> => {
    await server.end('SIGKILL');
    server = await startServerProcess({ dataDir, port, built: true });
    tell(round, `ready in ${Math.round(server.readyMs)} ms`);
    return server.readyMs;
  };
  try {
    return figuresOf(await crashRun({ place, port, rounds, between: [100, 2000], hurt }));
  } finally {
    await server.end('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function killPostgres(): Promise<Figures> {
  const postgres = await startPostgresProcess();
  if (!postgres) return { skipped: 'PostgreSQL is not installed' };
  const { dataDir, port, place } = await makeBed(tmpdir(), postgres.url);
  const server = await startServerProcess({ dataDir, port, databaseUrl: postgres.url, built: true });
  const hurt = async (round: number): Promise<number> => {
    await postgres.kill(round % 2 === 0 ? 'SIGKILL' : 'SIGQUIT');
    const began = performance.now();
    await postgres.start();
    await untilReady(port);
    tell(round, `ready in ${Math.round(performance.now() - began)} ms`);
    return performance.now() - began;
  };
  try {
    return figuresOf(await crashRun({ place, port, rounds: postgresRounds, between: [100, 2000], hurt }));
  } finally {
    await server.end('SIGKILL');
    await postgres.remove();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** The server's process stands still, as on a machine that sleeps; clients find out by themselves. */
async function stopServer(): Promise<Figures> {
  const { dataDir, port, place } = await makeBed(tmpdir());
  const server = await startServerProcess({ dataDir, port, built: true });
  const hurt = async (round: number): Promise<number> => {
    server.child.kill('SIGSTOP');
    await sleep(stoppedMs);
    server.child.kill('SIGCONT');
    const began = performance.now();
    await untilReady(port);
    tell(round, `ready ${Math.round(performance.now() - began)} ms after it went on`);
    return performance.now() - began;
  };
  try {
    return figuresOf(await crashRun({ place, port, rounds: 2, between: [1000, 2000], hurt }));
  } finally {
    await server.end('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** A small disk of its own, for which the right to mount is needed. */
function mountSmallDisk(): { folder: string; unmount(): void } | null {
  const folder = mkdtempSync(join(tmpdir(), 'chatalot-disk-'));
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder], {
      stdio: 'pipe',
    });
  } catch {
    rmSync(folder, { recursive: true });
    return null;
  }
  const unmount = (): void => {
    execFileSync('/bin/umount', [folder], { stdio: 'pipe' });
    rmSync(folder, { recursive: true });
  };
  return { folder, unmount };
}

/** Writes until there is no room left. */
function fill(path: string): void {
  for (let bytes = 16 * 1024 ** 2; bytes >= 4096;) {
    try {
      writeFileSync(path, Buffer.alloc(bytes), { flag: 'a' });
    } catch {
      bytes /= 2;
    }
  }
}

async function fillDisk(): Promise<Figures> {
  const disk = mountSmallDisk();
  if (!disk) return { skipped: 'no right to mount a small disk' };
  const { dataDir, port, place } = await makeBed(disk.folder);
  // Without the reserve, which would refuse long before this small disk is full.
  const start = { dataDir, port, built: true, env: { DISK_RESERVE_MB: '0' } };
  let server: ServerProcess = await startServerProcess(start);
  let ended = 0;
  const filler = join(disk.folder, 'filler');
  const hurt = async (round: number): Promise<number> => {
    fill(filler);
    await sleep(8000);
    rmSync(filler);
    const isGone = server.child.exitCode !== null || server.child.signalCode !== null;
    const began = performance.now();
    if (isGone) {
      ended += 1;
      server = await startServerProcess(start);
    } else await untilReady(port);
    tell(round, isGone ? 'the server had ended' : 'the server went on');
    return performance.now() - began;
  };
  try {
    const report = await crashRun({ place, port, rounds: 3, between: [1000, 2000], hurt });
    return { ...figuresOf(report), serverEnded: ended };
  } finally {
    await server.end('SIGKILL');
    disk.unmount();
  }
}

execFileSync(process.execPath, ['scripts/build.mjs', '--stale', '--server'], { stdio: 'inherit' });
const parts = { embedded: killServer, postgres: killPostgres, stopped: stopServer, disk: fillDisk };
const figures: Record<string, Figures> = {};
for (const [name, part] of Object.entries(parts)) {
  if (only !== undefined && only !== name) continue;
  console.error(`— ${name}`);
  figures[name] = await part();
}
printResult({ bench: 'W9', people, ...figures });
process.exit(0);

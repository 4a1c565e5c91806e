// A few rounds of what `npm run bench -- W9` does at length: the server, or PostgreSQL below it, is killed while
// people write; nothing acknowledged is lost, nothing is there twice.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { crashRun } from '#test/support/crash-run.ts';
import '#test/support/global-setup.ts';
import { startPostgresProcess } from '#test/support/postgres-process.ts';
import { seedPlace } from '#test/support/seeded-place.ts';
import { freePort, startServerProcess, untilReady } from '#test/support/server-process.ts';

vi.setConfig({ testTimeout: 300_000 });

const leave: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of leave.splice(0).reverse()) await undo();
});

function newDataDir(): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'chatalot-crash-'));
  leave.push(() => rmSync(dataDir, { recursive: true, force: true }));
  return dataDir;
}

// Each run of the suite looks at the database it is for; neither needs the run's own.
const isEmbeddedRun = inject('testDatabase').kind === 'pglite';

describe.runIf(isEmbeddedRun)('kill -9 of the server', () => {
  it('loses nothing acknowledged and doubles nothing on the embedded database', async () => {
    const dataDir = newDataDir();
    const place = await seedPlace({ dataDir, people: 4, channels: 2 });
    const port = await freePort();
    let server = await startServerProcess({ dataDir, port });
    leave.push(() => server.end('SIGKILL'));
    const report = await crashRun({
      place,
      port,
      rounds: 3,
      between: [200, 900],
      hurt: async () => {
        await server.end('SIGKILL');
        server = await startServerProcess({ dataDir, port });
        return server.readyMs;
      },
    });
    expect(report.findings).toEqual([]);
    expect(report.acknowledged).toBeGreaterThan(20);
    expect(report.stored).toBe(report.acknowledged);
  });
});

describe.runIf(!isEmbeddedRun)('kill of PostgreSQL', () => {
  it('loses nothing acknowledged and doubles nothing; the server goes on by itself', async (context) => {
    const postgres = await startPostgresProcess();
    if (!postgres) return context.skip('PostgreSQL is not installed');
    leave.push(() => postgres.remove());
    const dataDir = newDataDir();
    const place = await seedPlace({ dataDir, databaseUrl: postgres.url, people: 4, channels: 2 });
    const port = await freePort();
    const server = await startServerProcess({ dataDir, port, databaseUrl: postgres.url });
    leave.push(() => server.end('SIGKILL'));
    const report = await crashRun({
      place,
      port,
      rounds: 2,
      between: [200, 900],
      hurt: async (round) => {
        await postgres.kill(round % 2 === 0 ? 'SIGKILL' : 'SIGQUIT');
        const began = performance.now();
        await postgres.start();
        await untilReady(port);
        return performance.now() - began;
      },
    });
    expect(report.findings).toEqual([]);
    expect(report.acknowledged).toBeGreaterThan(20);
    expect(report.stored).toBe(report.acknowledged);
  });
});

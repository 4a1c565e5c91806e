// A restart by SIGTERM over real sockets: everybody is told, what was being sent is answered, nothing is begun any
// more, and everybody is back afterwards with everything.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { Calls } from '#server/calls.ts';
import { CLOSE_RESTART } from '#server/platform/live-hub.ts';
import { crashRun } from '#test/support/crash-run.ts';
import '#test/support/global-setup.ts';
import { seedPlace } from '#test/support/seeded-place.ts';
import { freePort, startServerProcess } from '#test/support/server-process.ts';

vi.setConfig({ testTimeout: 300_000 });

const leave: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of leave.splice(0).reverse()) await undo();
});

describe.runIf(inject('testDatabase').kind === 'pglite')('a graceful restart', () => {
  it('tells clients, answers what is in flight, refuses what is new, and loses nothing', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'chatalot-restart-'));
    leave.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const people = 5;
    const place = await seedPlace({ dataDir, people, channels: 1 });
    const port = await freePort();
    let server = await startServerProcess({ dataDir, port });
    leave.push(() => server.end('SIGKILL'));
    const rounds = 2;
    const report = await crashRun({
      place,
      port,
      rounds,
      between: [800, 1500],
      pauseMs: 10,
      hurt: async () => {
        expect(await server.end('SIGTERM')).toBe(0);
        server = await startServerProcess({ dataDir, port });
        return server.readyMs;
      },
    });
    expect(report.findings).toEqual([]);
    expect(report.heard['server.draining']).toBe(people * rounds);
    expect(report.closeCodes[String(CLOSE_RESTART)]).toBe(people * rounds);
    // Nobody met a failure without a reason.
    expect(Object.keys(report.refusals).filter((code) => code === 'internal')).toEqual([]);
  });
});

describe('calls in flight', () => {
  it('end before going down goes on; nothing begins any more; a call that hangs is not waited for', async () => {
    const calls = new Calls();
    calls.begin();
    calls.close();
    expect(() => calls.begin()).toThrow('draining');
    const order: string[] = [];
    const idle = calls.idle(60_000).then(() => order.push('down'));
    order.push('answered');
    calls.end();
    await idle;
    expect(order).toEqual(['answered', 'down']);
    const hanging = new Calls();
    hanging.begin();
    hanging.close();
    await hanging.idle(10);
    expect(hanging.inFlight).toBe(1);
  });
});

// The process as an operator meets it: it announces itself, refuses a second one in its folder, stops on a signal,
// and starts again with what it had.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

let dataDir: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'chatalot-process-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exited: Promise<number | null>;
}

function start(env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/server/main.ts'], {
    env: { PATH: process.env['PATH'], PORT: '0', DATA_DIR: dataDir, CLIENT_DIR: dataDir, ...env },
  });
  children.push(child);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return { child, output: () => text, exited };
}

/** Waits until it says it listens; answers the port. */
async function listening(running: Running): Promise<number> {
  await expect.poll(running.output, { timeout: 90_000, interval: 200 }).toMatch(/listens on [^:]+:\d+/);
  return Number(/listens on [^:]+:(\d+)/.exec(running.output())?.[1]);
}

describe('the server process', () => {
  it('starts on an empty folder, refuses a second one there, stops on SIGTERM and starts again', async () => {
    const first = start();
    const port = await listening(first);
    await expect.poll(first.output, { timeout: 30_000 }).toMatch(/\/setup#[A-Za-z0-9_-]{20,}/);
    const ready = await fetch(`http://127.0.0.1:${port}/health/ready`);
    expect([ready.status, await ready.json()]).toMatchObject([200, { status: 'ok' }]);

    const second = start();
    expect(await second.exited).toBe(1);
    expect(second.output()).toContain('in use by another Chatalot server');
    expect(second.output()).not.toContain('    at ');
    expect((await fetch(`http://127.0.0.1:${port}/health/live`)).status).toBe(200);

    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(0);
    const third = start();
    await listening(third);
    third.child.kill('SIGINT');
    expect(await third.exited).toBe(0);
  }, 180_000);

  it('keeps its secrets to itself', async () => {
    const files = await readdir(join(dataDir, 'secrets'));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const path = join(dataDir, 'secrets', file);
      expect((await stat(path)).mode & 0o077).toBe(0);
      expect((await readFile(path)).length).toBeGreaterThan(0);
    }
  });

  it('says every fault of its configuration and starts nothing', async () => {
    const running = start({ PORT: 'eighty', LOG_LEVEL: 'loud' });
    expect(await running.exited).toBe(1);
    expect(running.output()).toMatch(/PORT[\s\S]*LOG_LEVEL/);
    expect(running.output()).not.toContain('    at ');
  }, 60_000);
});

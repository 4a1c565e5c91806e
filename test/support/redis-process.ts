// A Redis (or Valkey) of our own, empty and on a free port, to be stopped and cut off. Its program comes from the
// system.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './server-process.ts';

const password = 'for-this-test-alone';

export interface RedisProcess {
  readonly port: number;
  readonly url: string;
  remove(): Promise<void>;
}

/** Where redis-server or valkey-server is; undefined when neither is installed. */
export function findRedis(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/opt/homebrew/bin'];
  return folders
    .flatMap((folder) => ['redis-server', 'valkey-server'].map((name) => join(folder, name)))
    .find((path) => existsSync(path));
}

export const redisUrl = (port: number): string => `redis://:${password}@127.0.0.1:${port}`;

async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (isUp: boolean): void => {
      socket.destroy();
      resolve(isUp);
    };
    socket.once('error', () => end(false));
    socket.once('data', (data) => end(/^(\+PONG|-NOAUTH)/.test(data.toString())));
    socket.write('PING\r\n');
  });
}

/** Starts it; null where it is not installed. */
export async function startRedisProcess(): Promise<RedisProcess | null> {
  const program = findRedis();
  if (!program) return null;
  const folder = mkdtempSync(join(tmpdir(), 'chatalot-redis-'));
  const port = await freePort();
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--requirepass', password];
  const args = [...settings, '--save', '', '--appendonly', 'no', '--dir', folder];
  const child: ChildProcess = spawn(program, args, { stdio: 'ignore' });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const until = Date.now() + 30_000;
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > until) throw new Error('redis-server did not start');
    await sleep(20);
  }
  return {
    port,
    url: redisUrl(port),
    remove: async () => {
      child.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** `reset`: connections break and new ones are refused · `silence`: they stay open and carry nothing. */
export type Cut = 'reset' | 'silence';

export interface Wire {
  readonly port: number;
  cut(how: Cut): void;
  mend(): void;
  close(): Promise<void>;
}

/** A wire to `target` on this machine that can be cut. */
export async function openWire(target: number): Promise<Wire> {
  let state: Cut | 'whole' = 'whole';
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((near) => {
    if (state === 'reset') return void near.destroy();
    const far = connect(target, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('error', end);
      from.on('close', end);
      from.on('data', (data) => void to.write(data));
      if (state === 'silence') from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: (how) => {
      state = how;
      for (const sockets of pairs)
        for (const socket of sockets)
          if (how === 'reset') socket.resetAndDestroy();
          else socket.pause();
    },
    mend: () => {
      state = 'whole';
      for (const sockets of pairs) for (const socket of sockets) socket.resume();
    },
    close: async () => {
      for (const sockets of pairs) for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

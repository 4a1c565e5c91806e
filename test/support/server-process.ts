// The real server in its own process, to be killed: from source by default, the built bundle for measuring.
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { origin } from './deps.ts';

export interface ServerProcess {
  readonly child: ChildProcess;
  readonly port: number;
  /** From the start of the process until /health/ready said yes. */
  readonly readyMs: number;
  output(): string;
  /** Sends the signal and resolves with the exit code once it is gone; null when a signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export interface StartOptions {
  readonly dataDir: string;
  readonly port: number;
  readonly databaseUrl?: string;
  /** Use dist/server/main.js. */
  readonly built?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** A port nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function isReady(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => null);
  await answer?.body?.cancel();
  return answer?.status === 200;
}

/** Polls until the server says that it is ready; fails when it takes longer than `withinMs`. */
export async function untilReady(port: number, withinMs = 90_000): Promise<void> {
  const until = performance.now() + withinMs;
  while (!(await isReady(port))) {
    if (performance.now() > until) throw new Error(`port ${port} is not ready`);
    await sleep(15);
  }
}

/** Starts the server and waits until it is ready. */
export async function startServerProcess(options: StartOptions): Promise<ServerProcess> {
  const { dataDir, port, databaseUrl, built } = options;
  const program = built ? ['dist/server/main.js'] : ['--import', 'tsx', 'src/server/main.ts'];
  const env = {
    PATH: process.env['PATH'],
    PORT: String(port),
    PUBLIC_URL: origin,
    DATA_DIR: dataDir,
    CLIENT_DIR: dataDir,
    LOG_LEVEL: 'error',
    ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}),
    ...options.env,
  };
  const began = performance.now();
  const child = spawn(process.execPath, program, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (text = (text + chunk.toString()).slice(-20_000)));
  }
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const dead = exited.then((code) => {
    throw new Error(`the server ended with ${code}:\n${text}`);
  });
  await Promise.race([untilReady(port), dead]);
  dead.catch(() => undefined);
  return {
    child,
    port,
    readyMs: performance.now() - began,
    output: () => text,
    end: (signal) => {
      child.kill(signal);
      return exited;
    },
  };
}

// A built server of its own for a journey: child process, free port, fresh data folder. `npm test` builds before; to
// run one journey by hand, `npm run build` first.
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const START_MS = 60_000;
const STOP_MS = 20_000;

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface ServerOptions {
  /** Further environment variables, e.g. DATABASE_URL. */
  readonly env?: Readonly<Record<string, string>>;
}

export class TestServer {
  readonly port: number;
  /** Where the browser goes; a secure context. */
  readonly url: string;
  readonly dataDir: string;
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | null = null;
  #output = '';

  private constructor(port: number, dataDir: string, env: Readonly<Record<string, string>>) {
    this.port = port;
    this.url = `http://localhost:${port}`;
    this.dataDir = dataDir;
    this.#env = env;
  }

  /** Starts one; `remove` ends it and deletes its data. */
  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const dataDir = await mkdtemp(join(tmpdir(), 'chatalot-e2e-'));
    const server = new TestServer(await freePort(), dataDir, options.env ?? {});
    await server.resume();
    return server;
  }

  /** What it printed so far. */
  get output(): string {
    return this.#output;
  }

  /** The set-up address it printed, with its token. */
  get setupUrl(): string {
    const [url] = /http\S+\/setup#\S+/.exec(this.#output) ?? [];
    if (url === undefined) throw new Error('the server printed no set-up address');
    return url;
  }

  /** Starts it again on the same port and data after `stop` or `kill`. */
  async resume(): Promise<void> {
    const { PATH = '', DATABASE_URL: _own, ...rest } = process.env;
    const child = spawn(process.execPath, ['dist/server/main.js'], {
      env: {
        PATH,
        ...(rest['TMPDIR'] === undefined ? {} : { TMPDIR: rest['TMPDIR'] }),
        PORT: String(this.port),
        DATA_DIR: this.dataDir,
        ...this.#env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    const hear = (chunk: Buffer): void => void (this.#output += chunk.toString());
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    await this.#ready(child);
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + START_MS;
    while (Date.now() < deadline) {
      if (child.exitCode !== null) throw new Error(`the server ended:\n${this.#output}`);
      const answer = await fetch(`${this.url}/health/ready`).catch(() => null);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the server did not get ready:\n${this.#output}`);
  }

  /** As Ctrl-C does: tells clients, drains, ends. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** As a power cut does. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(timer);
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

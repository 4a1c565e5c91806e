// A built server of its own for a journey: child process, free port, data folder with a migrated, empty database.
// `npm test` builds before; to run one journey by hand, `npm run build` first.
import { spawn, type ChildProcess } from 'node:child_process';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, fingerprint } from '#test/support/migrated.ts';
import { scratchFolder } from '#test/support/scratch.ts';

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

/** Not by `fetch`: a test environment may have replaced it by a browser's. */
const isReady = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/health/ready' }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });

export interface ServerOptions {
  /** Further environment variables, e.g. DATABASE_URL. */
  readonly env?: Readonly<Record<string, string>>;
  /** Runs the sources where `npm test` has not just built them, which starts in half the time: for unit tests. */
  readonly fromSource?: boolean;
}

const BUILT = ['dist/server/main.js'];
const OPERATE_BUILT = ['dist/server/chatalot.process.js'];
const OPERATE_SOURCE = ['--import', 'tsx', 'src/server/operations/chatalot.process.ts'];
const SHIFTED_CLOCK = './test/e2e/support/shifted-clock.mjs';
const SOURCE = ['--import', 'tsx', 'src/server/main.ts'];

export class TestServer {
  readonly port: number;
  /** Where the browser goes; a secure context. */
  readonly url: string;
  readonly dataDir: string;
  readonly #options: ServerOptions;
  readonly #runsSource: boolean;
  #child: ChildProcess | null = null;
  #output = '';
  #shiftMs = 0;

  private constructor(port: number, dataDir: string, options: ServerOptions) {
    this.port = port;
    this.url = `http://localhost:${port}`;
    this.dataDir = dataDir;
    this.#options = options;
    this.#runsSource = (options.fromSource ?? false) && !process.env.CHATALOT_TEST_BUILD;
  }

  /** Starts one; `remove` ends it and deletes its data. */
  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const dataDir = scratchFolder('e2e');
    await cp(await TestServer.prepare(options), join(dataDir, 'db'), { recursive: true });
    return TestServer.#startIn(dataDir, options);
  }

  static async #startIn(dataDir: string, options: ServerOptions): Promise<TestServer> {
    const server = new TestServer(await freePort(), dataDir, options);
    await server.resume();
    return server;
  }

  /**
   * Makes the database folder that servers start with, if it is not there, and answers its path. A server makes one at
   * its first start, in several times the time of all later ones; it is kept until a migration changes. Several
   * processes may make it at once: one of them is kept.
   */
  static async prepare({ fromSource = false }: ServerOptions = {}): Promise<string> {
    const folder = join(cacheFolder, `folder-${fingerprint()}`);
    if (existsSync(folder)) return folder;
    mkdirSync(cacheFolder, { recursive: true });
    const dataDir = mkdtempSync(join(cacheFolder, 'first-start-'));
    const server = await TestServer.#startIn(dataDir, { fromSource });
    await server.stop();
    await rename(join(dataDir, 'db'), folder).catch((cause: unknown) => {
      if (!existsSync(folder)) throw cause;
    });
    await server.remove();
    return folder;
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
    // Nothing of the developer's own instance: only what is named here.
    const { PATH, TMPDIR } = process.env;
    const { env } = this.#options;
    const clock = this.#shiftMs === 0 ? [] : ['--import', SHIFTED_CLOCK];
    const child = spawn(process.execPath, [...clock, ...(this.#runsSource ? SOURCE : BUILT)], {
      env: {
        PATH,
        TMPDIR,
        PORT: String(this.port),
        DATA_DIR: this.dataDir,
        TEST_CLOCK_SHIFT_MS: String(this.#shiftMs),
        ...env,
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
      if (await isReady(this.port)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the server did not get ready:\n${this.#output}`);
  }

  /** What `chatalot <words>` prints, run beside the server as its operator does. */
  async operate(...words: string[]): Promise<string> {
    const { PATH, TMPDIR } = process.env;
    const { env } = this.#options;
    const script = this.#runsSource ? OPERATE_SOURCE : OPERATE_BUILT;
    const child = spawn(process.execPath, [...script, ...words], {
      env: { PATH, TMPDIR, PORT: String(this.port), DATA_DIR: this.dataDir, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`chatalot ${words.join(' ')}:\n${said}`);
    return said;
  }

  /** Time passes while it is down: it comes up again so much later, and stays ahead. */
  async sleep(ms: number): Promise<void> {
    await this.stop();
    this.#shiftMs += ms;
    await this.resume();
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

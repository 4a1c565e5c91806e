// Starts the thread of the embedded database and presents it to `pg` as an ordinary socket, so that the embedded
// database and PostgreSQL share one driver and one Prisma adapter. Why a thread: docs/decisions/0003.
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import type { EmbeddedReply, EmbeddedRequest, EmbeddedWorkerData } from './pglite-worker.ts';

/** The part of net.Socket that `pg` uses, carried over a MessagePort. */
class PortSocket extends Duplex {
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    super();
    this.#port = port;
    port.on('message', (chunk: Uint8Array) =>
      this.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)),
    );
    port.on('close', () => this.destroy());
  }

  connect(): this {
    queueMicrotask(() => this.emit('connect'));
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    this.#port.ref();
    return this;
  }
  unref(): this {
    this.#port.unref();
    return this;
  }

  override _read(): void {
    // Nothing to ask for: the thread answers only what was requested.
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#port.postMessage(chunk);
    done();
  }
  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.#port.postMessage(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    done();
  }
  override _final(done: () => void): void {
    this.push(null);
    done();
  }
  override _destroy(cause: Error | null, done: (cause: Error | null) => void): void {
    this.#port.close();
    done(cause);
  }
}

/** How often the embedded database flushed a file, and a folder whose entries had changed. */
export interface SyncCounts {
  readonly files: number;
  readonly folders: number;
}

export interface EmbeddedDatabase {
  /** A fresh connection; PGlite has one session, so never more than one may be in use. */
  connect(): Duplex;
  /** Files and folders flushed to disk so far. */
  syncs(): SyncCounts;
  /** Tar of the data folder, while running. */
  dump(): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

export interface EmbeddedOptions {
  readonly folder: string | null;
  readonly dump?: Uint8Array<ArrayBuffer>;
  /** Compiled thread script; tests pass one built once per run. */
  readonly script?: URL;
  /** Called when the thread dies: the server cannot go on. */
  readonly onCrash?: (cause: Error) => void;
}

/**
 * In the build the thread's script lies beside the bundle. From source it is TypeScript, which Node 20 cannot load:
 * there a one-line script registers tsx inside the thread first.
 */
function startThread(script: URL | undefined, workerData: EmbeddedWorkerData): Worker {
  const fromSource = import.meta.url.endsWith('.ts');
  if (script || !fromSource) {
    return new Worker(script ?? new URL('./pglite-worker.js', import.meta.url), { workerData, execArgv: [] });
  }
  const source = new URL('./pglite-worker.ts', import.meta.url).href;
  const loader = `import('tsx/esm/api').then((tsx) => { tsx.register(); return import('${source}'); })`;
  return new Worker(loader, { eval: true, workerData, execArgv: [] });
}

/** Opens the database of `folder` (or one in memory) in its own thread. Rejects when it cannot be opened. */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const counter = new SharedArrayBuffer(8);
  const counts = new Int32Array(counter);
  const worker = startThread(options.script, {
    folder: options.folder,
    dump: options.dump ?? null,
    syncs: counter,
  });
  let closing = false;
  const crashed = (cause: Error): void => {
    if (!closing) options.onCrash?.(cause);
  };
  worker.on('error', crashed);
  worker.on('message', (message: EmbeddedReply) => {
    if (message.type === 'failed') crashed(new Error(`embedded database: ${message.message}`));
  });

  const reply = async (type: EmbeddedReply['type']): Promise<EmbeddedReply> => {
    const [message] = (await once(worker, 'message')) as [EmbeddedReply];
    if (message.type === 'failed') throw new Error(`embedded database: ${message.message}`);
    if (message.type !== type) throw new Error(`embedded database: unexpected answer ${message.type}`);
    return message;
  };
  const send = (request: EmbeddedRequest): void => worker.postMessage(request);
  try {
    await reply('ready');
  } catch (cause) {
    await worker.terminate();
    throw cause;
  }

  return {
    connect() {
      const { port1, port2 } = new MessageChannel();
      worker.postMessage({ type: 'connect', port: port2 } satisfies EmbeddedRequest, [port2]);
      return new PortSocket(port1);
    },
    syncs: () => ({ files: Atomics.load(counts, 0), folders: Atomics.load(counts, 1) }),
    async dump() {
      send({ type: 'dump' });
      const message = await reply('dumped');
      return message.type === 'dumped' ? message.dump : new Uint8Array(0);
    },
    async close() {
      closing = true;
      send({ type: 'close' });
      await reply('closed');
      await worker.terminate();
    },
  };
}

// Thread that owns the embedded database (PGlite), so that its synchronous work and its fsyncs never stall the
// server's event loop. It speaks PostgreSQL's wire protocol over a MessagePort; see embedded.ts for the other end.
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import {
  countingFlusher,
  prepareDatabaseFolder,
  DurableNodeFS,
  durableStartParams,
  planParams,
} from './pglite-files.ts';
import { FrontendFramer } from './pg-framer.ts';

/** What the server hands over when it starts the thread. */
export interface EmbeddedWorkerData {
  /** Database folder, or null for a database in memory (tests). */
  readonly folder: string | null;
  /** A dumped data folder (tar) to start an in-memory database from. */
  readonly dump: Uint8Array<ArrayBuffer> | null;
  /** Two Int32: files and folders flushed so far. */
  readonly syncs: SharedArrayBuffer;
}

export type EmbeddedRequest = { type: 'connect'; port: MessagePort } | { type: 'dump' } | { type: 'close' };
export type EmbeddedReply =
  | { type: 'ready' }
  | { type: 'dumped'; dump: Uint8Array<ArrayBuffer> }
  | { type: 'closed' }
  | { type: 'failed'; message: string };

async function open(data: EmbeddedWorkerData): Promise<PGlite> {
  if (data.folder === null) {
    const startParams = [...PGlite.defaultStartParams, ...planParams];
    return PGlite.create({ startParams, ...(data.dump ? { loadDataDir: new Blob([data.dump]) } : {}) });
  }
  const flusher = countingFlusher(new Int32Array(data.syncs));
  const startParams = durableStartParams(PGlite.defaultStartParams);
  const openFolder = (folder: string): Promise<PGlite> =>
    PGlite.create({ fs: new DurableNodeFS(folder, flusher), startParams });
  await prepareDatabaseFolder(data.folder, async (scratch) => (await openFolder(scratch)).close());
  return openFolder(data.folder);
}

/** Serves one connection. Every connection shares PGlite's single session, so a new one starts it clean. */
async function serve(database: PGlite, port: MessagePort): Promise<void> {
  await database.exec('ROLLBACK');
  await database.exec('DISCARD ALL');
  const framer = new FrontendFramer();
  // The raw stream call: the other one parses every answer a second time and keeps the parsed rows for ever.
  const execute = async (batch: Uint8Array): Promise<void> => {
    const parts: Uint8Array[] = [];
    await database.execProtocolRawStream(batch, {
      syncToFs: false,
      onRawData: (part) => void parts.push(part.slice()),
    });
    const answer = parts.length === 1 && parts[0] ? parts[0] : new Uint8Array(Buffer.concat(parts));
    if (answer.byteLength > 0) port.postMessage(answer, [answer.buffer as ArrayBuffer]);
  };
  port.on('message', (chunk: Uint8Array) => {
    for (const batch of framer.push(chunk)) {
      // The call works synchronously; its promise only tells of a failure of PGlite itself, which ends the thread.
      void execute(batch);
    }
  });
}

async function run(parent: MessagePort, data: EmbeddedWorkerData): Promise<void> {
  const reply = (message: EmbeddedReply): void => parent.postMessage(message);
  const database = await open(data);
  parent.on('message', (request: EmbeddedRequest) => {
    const handle = async (): Promise<void> => {
      if (request.type === 'connect') return serve(database, request.port);
      if (request.type === 'dump') {
        const dump = await database.dumpDataDir('none');
        return reply({ type: 'dumped', dump: new Uint8Array(await dump.arrayBuffer()) });
      }
      await database.exec('CHECKPOINT');
      await database.close();
      reply({ type: 'closed' });
    };
    handle().catch((cause: unknown) => reply({ type: 'failed', message: String(cause) }));
  });
  reply({ type: 'ready' });
}

if (parentPort) {
  const parent = parentPort;
  run(parent, workerData as EmbeddedWorkerData).catch((cause: unknown) => {
    parent.postMessage({ type: 'failed', message: String(cause) } satisfies EmbeddedReply);
  });
}

// The running server's door for the command line: a port of the loopback interface and a token, both written to
// DATA_DIR/admin.json, which only the server's user can read. A backup is spooled to disk first: the snapshot must
// not wait for whoever reads it.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Deps } from '../deps.ts';
import { openDatabase } from '../platform/db.ts';
import { randomToken } from '../platform/ids.ts';
import { snapshotEmbedded } from '../platform/snapshots.ts';
import { writeBackup } from './backup.ts';
import { CommandError, commandSchema, runCommand } from './commands.ts';

const BODY_BYTES = 64 * 1024;

/** What DATA_DIR/admin.json holds. */
export interface AdminAddress {
  readonly port: number;
  readonly token: string;
}

export const adminFile = (dataDir: string): string => join(dataDir, 'admin.json');
const spoolFolder = (dataDir: string): string => join(dataDir, 'spool');

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > BODY_BYTES) throw new CommandError('The command is too long.');
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new CommandError('The command cannot be read.');
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** The spool (twice the database when that is copied first) must fit above the disk reserve. */
async function requireSpoolRoom(deps: Deps): Promise<void> {
  await deps.disk.check();
  const { freeBytes, reserveBytes } = deps.disk;
  const [size] = await deps.db.query<{ bytes: bigint }>(
    'operations.database-size',
    'SELECT pg_database_size(current_database()) AS bytes',
  );
  const wanted = Number(size?.bytes ?? 0n) * (deps.db.folder === null ? 1 : 2);
  if (freeBytes === null || wanted <= freeBytes - reserveBytes) return;
  throw new CommandError(
    'There is not enough room on the disk of the data folder to make a backup there first.',
  );
}

/**
 * Writes the backup. The embedded database has one connection, which sends must not wait for: there a copy of its
 * files, taken while it runs, is opened beside it and read instead.
 */
async function spool(deps: Deps, folder: string): Promise<string> {
  const path = join(folder, 'chatalot.backup');
  if (deps.db.folder === null) {
    await writeBackup(deps, path);
    return path;
  }
  await snapshotEmbedded(deps.db, join(folder, 'db'));
  const db = await openDatabase({ dataDir: folder, log: deps.log, onCrash: () => undefined });
  try {
    await writeBackup({ ...deps, db }, path);
  } finally {
    await db.close();
  }
  return path;
}

async function sendBackup(deps: Deps, response: ServerResponse): Promise<void> {
  await requireSpoolRoom(deps);
  const folder = join(spoolFolder(deps.env.dataDir), randomBytes(8).toString('hex'));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    const path = await spool(deps, folder);
    deps.log.info('operator.backup', { bytes: (await stat(path)).size });
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    await pipeline(createReadStream(path), response);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function handle(deps: Deps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'POST' && request.url === '/backup') return sendBackup(deps, response);
  if (request.method !== 'POST' || request.url !== '/command')
    return answer(response, 404, { error: 'not found' });
  const input = commandSchema.safeParse(await bodyOf(request));
  if (!input.success) throw new CommandError('The command is not one this server knows.');
  answer(response, 200, await runCommand(deps, input.data));
}

function serve(deps: Deps, token: string): Server {
  // Answered without the token to whoever knows its hash: the command line asks it before it shows the token.
  const alive = `/alive/${digest(token).toString('hex')}`;
  return createServer((request, response) => {
    if (request.url === alive) return response.writeHead(204).end();
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!timingSafeEqual(digest(given), digest(token)))
      return answer(response, 401, { error: 'unauthorised' });
    handle(deps, request, response).catch((cause: unknown) => {
      const isRefusal = cause instanceof CommandError;
      if (!isRefusal) deps.log.error('operator.failed', { cause });
      if (response.headersSent) return response.destroy();
      const error = isRefusal ? cause.message : 'The server could not do it; its log says where it failed.';
      return answer(response, isRefusal ? 400 : 500, { error });
    });
  });
}

/** Opens the door; `close` takes the address file away and ends what is under way. */
export async function startAdminServer(deps: Deps): Promise<{ close(): Promise<void> }> {
  const { dataDir } = deps.env;
  const path = adminFile(dataDir);
  const token = randomToken(32);
  const server = serve(deps, token);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no loopback port');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  // What a killed server left behind: nobody can want half a copy.
  await rm(spoolFolder(dataDir), { recursive: true, force: true });
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const content: AdminAddress = { port: address.port, token };
  await writeFile(draft, JSON.stringify(content), { flag: 'wx', mode: 0o600 });
  await rename(draft, path);
  return {
    close: async () => {
      await rm(path, { force: true });
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

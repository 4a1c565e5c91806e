// The command line's end of the door (admin-server.ts): finds the running server of a data folder and asks it.
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { createWriteStream, existsSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import * as z from 'zod';
import { adminFile, type AdminAddress } from './admin-server.ts';
import { BackupError, readBackup, type BackupManifest } from './backup-format.ts';
import { settle } from './backup.ts';
import { CommandError, type Command, type CommandResult } from './commands.ts';

const CONNECT_MS = 5_000;
const addressSchema = z.object({ port: z.number(), token: z.string() });
const resultSchema = z.object({ isGood: z.boolean(), lines: z.array(z.string()) });
const refusalSchema = z.object({ error: z.string() });

export interface RunningServer {
  run(command: Command): Promise<CommandResult>;
  /** Has a backup made and fetches it to `path`, which must not exist. */
  backUp(path: string): Promise<BackupManifest>;
}

async function post(address: AdminAddress, path: string, body: unknown): Promise<Response> {
  const response = await fetch(`http://127.0.0.1:${address.port}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${address.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (response.ok) return response;
  const refusal = refusalSchema.safeParse(await response.json().catch(() => null));
  throw new CommandError(refusal.data?.error ?? `The server answered ${response.status}.`);
}

async function fetchBackup(address: AdminAddress, path: string): Promise<BackupManifest> {
  if (existsSync(path)) throw new BackupError(`${path} exists already: a backup never overwrites anything.`);
  const draft = `${path}.part`;
  const file = createWriteStream(draft, { flags: 'wx', mode: 0o600 });
  await new Promise((resolve, reject) => file.once('open', resolve).once('error', reject));
  try {
    const { body } = await post(address, '/backup', {});
    if (!body) throw new BackupError('The server sent nothing.');
    await pipeline(Readable.fromWeb(body as ReadableStream<Uint8Array>), file);
    await settle(draft, path);
  } catch (cause) {
    file.destroy();
    await rm(draft, { force: true });
    throw cause;
  }
  return (await readBackup(path)).manifest;
}

/** The server that runs on this data folder, or null. A file left by a killed one answers nobody. */
export async function findServer(dataDir: string): Promise<RunningServer | null> {
  const text = await readFile(adminFile(dataDir), 'utf8').catch(() => null);
  const parsed = addressSchema.safeParse(text === null ? null : parse(text));
  if (!parsed.success) return null;
  const address = parsed.data;
  // Any answer but its own means that the port is somebody else's by now; they learn a hash, not the token.
  const probe = createHash('sha256').update(address.token).digest('hex');
  const alive = await fetch(`http://127.0.0.1:${address.port}/alive/${probe}`, {
    signal: AbortSignal.timeout(CONNECT_MS),
  }).then(
    (response) => response.status === 204,
    () => false,
  );
  if (!alive) return null;
  return {
    run: async (command) => resultSchema.parse(await (await post(address, '/command', command)).json()),
    backUp: (path) => fetchBackup(address, path),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

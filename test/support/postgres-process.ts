// A PostgreSQL of our own with real syncs, to be killed. Its programs come from the system (scripts/lib/postgres.mjs).
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { findPostgres } from '../../scripts/lib/postgres.mjs';
import { freePort } from './server-process.ts';

export interface PostgresProcess {
  readonly url: string;
  /** Ends it without any goodbye: SIGKILL to the postmaster, or its own immediate shutdown. */
  kill(how: 'SIGKILL' | 'SIGQUIT'): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

/** PostgreSQL refuses to run as root. */
function identity(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  for (const user of ['postgres', 'nobody']) {
    try {
      const read = (flag: string): number => Number(execFileSync('id', [flag, user], { stdio: 'pipe' }));
      return { uid: read('-u'), gid: read('-g') };
    } catch {
      // no such user here
    }
  }
  return {};
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Makes a fresh database cluster and starts it; null where PostgreSQL is not installed. */
export async function startPostgresProcess(): Promise<PostgresProcess | null> {
  const programs = findPostgres();
  if (!programs) return null;
  const who = identity();
  const folder = mkdtempSync(join(tmpdir(), 'chatalot-pg-crash-'));
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, 'for this test alone', { mode: 0o600 });
  if (who.uid !== undefined && who.gid !== undefined)
    for (const path of [folder, passwordFile]) chownSync(path, who.uid, who.gid);
  chmodSync(folder, 0o700);
  const data = join(folder, 'data');
  const init = ['-D', data, '-U', 'chatalot', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '--no-sync'];
  execFileSync(join(programs, 'initdb'), [...init, '-E', 'UTF8', '--locale=C'], {
    ...who,
    cwd: folder,
    stdio: 'pipe',
  });
  const port = await freePort();
  const url = `postgres://chatalot:${encodeURIComponent('for this test alone')}@127.0.0.1:${port}/postgres`;
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`];
  const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])];
  let child: ChildProcess | null = null;
  const gone = async (): Promise<void> => {
    while (child && child.exitCode === null && child.signalCode === null) await sleep(5);
  };
  const start = async (): Promise<void> => {
    const until = Date.now() + 60_000;
    for (;;) {
      // After a SIGKILL its backends may still hold the shared memory: it then ends at once, and is tried again.
      if (!child || child.exitCode !== null || child.signalCode !== null)
        child = spawn(join(programs, 'postgres'), args, { ...who, cwd: folder, stdio: 'ignore' });
      if (await answers(url)) return;
      if (Date.now() > until) throw new Error('PostgreSQL did not start');
      await sleep(20);
    }
  };
  const kill = async (how: NodeJS.Signals): Promise<void> => {
    child?.kill(how);
    await gone();
  };
  await start();
  return {
    url,
    kill,
    start,
    remove: async () => {
      await kill('SIGQUIT');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

// A PostgreSQL to test against: a fresh database on the server DATABASE_URL names, else a throw-away server of our
// own when its programs are installed, else none.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import pg from 'pg';
import { start } from './run.mjs';

const READY_MS = 30_000;

/** The folder with initdb and postgres, newest version first; undefined when PostgreSQL is not installed. */
export function findPostgres() {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
    '/opt/homebrew/opt/postgresql/bin',
    '/usr/local/pgsql/bin',
  ];
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))));
}

/** PostgreSQL refuses to run as root: there it runs as `postgres`, or else as `nobody`. */
function identity() {
  if (process.getuid?.() !== 0) return {};
  for (const user of ['postgres', 'nobody']) {
    try {
      const read = (flag) => Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: read('-u'), gid: read('-g') };
    } catch {
      // no such user here
    }
  }
  return {};
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function withClient(connectionString, work) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function waitUntilReady(url, { child }) {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    try {
      return await withClient(url, (client) => client.query('SELECT 1'));
    } catch (cause) {
      if (child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the test PostgreSQL did not start: ${cause.message}`, { cause });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Starts a server of our own in a temporary folder. Nothing in it is worth a sync. */
async function startServer(programs) {
  const who = identity();
  const folder = mkdtempSync(join(tmpdir(), 'chatalot-pg-'));
  const password = randomBytes(18).toString('hex');
  const passwordFile = join(folder, 'password');
  const data = join(folder, 'data');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (who.uid !== undefined) for (const path of [folder, passwordFile]) chownSync(path, who.uid, who.gid);
  chmodSync(folder, 0o700);
  const port = await freePort();
  let server;
  const stop = async () => {
    server?.child.kill('SIGINT'); // fast shutdown: does not wait for clients
    await server?.done;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const init = ['-D', data, '-U', 'chatalot', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
    execFileSync(join(programs, 'initdb'), [...init, '--no-sync', '-E', 'UTF8', '--locale=C'], {
      ...who,
      cwd: folder,
      stdio: 'pipe',
    });
    const settings = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${folder}`,
    ].concat(['fsync=off', 'full_page_writes=off', 'synchronous_commit=off', 'max_connections=200']);
    const command = [
      join(programs, 'postgres'),
      '-D',
      data,
      ...settings.flatMap((setting) => ['-c', setting]),
    ];
    server = start(command, { user: who, cwd: folder, quiet: true });
    const at = `postgres://chatalot:${password}@127.0.0.1:${port}`;
    await waitUntilReady(`${at}/postgres`, server);
    return { url: `${at}/postgres`, stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

/**
 * A fresh, empty database for one test run.
 * @returns {Promise<{ url: string, about: string, stop(): Promise<void> } | null>} null when there is no PostgreSQL here
 */
export async function openTestPostgres() {
  const given = process.env.DATABASE_URL;
  const programs = given ? undefined : findPostgres();
  if (!given && !programs) return null;
  const server = given ? { url: given, stop: async () => {} } : await startServer(programs);
  const name = `chatalot_test_${randomBytes(6).toString('hex')}`;
  try {
    await withClient(server.url, (client) => client.query(`CREATE DATABASE ${name}`));
  } catch (cause) {
    await server.stop();
    throw new Error(`cannot create a test database on PostgreSQL: ${cause.message}`, { cause });
  }
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    about: given ? 'the server DATABASE_URL names' : `a temporary server (${programs})`,
    async stop() {
      if (given) await withClient(server.url, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
      await server.stop();
    },
  };
}

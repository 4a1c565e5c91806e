// What commonly keeps an instance from running well, looked at from the outside and said in plain words. Changes
// nothing but what opening the database changes.
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import packageJson from '../../../package.json' with { type: 'json' };
import { openDatabase } from '../platform/db.ts';
import { folderProbe } from '../platform/disk.ts';
import type { Env } from '../platform/env.ts';
import { DatabaseLockedError } from '../platform/folder-lock.ts';
import { appliedMigrations, knownMigrations } from '../platform/migrate.ts';
import { isLocalHost } from '../request-info.ts';

export interface Finding {
  readonly state: 'ok' | 'note' | 'bad';
  readonly text: string;
}

const ok = (text: string): Finding => ({ state: 'ok', text });
const note = (text: string): Finding => ({ state: 'note', text });
const bad = (text: string): Finding => ({ state: 'bad', text });

const CLOCK_MS = 5 * 60_000;
const HEALTH_MS = 5_000;
/** Earlier than this program: such a clock was never set. */
const EARLIEST = Date.UTC(2026, 0, 1);

function checkNode(): Finding {
  const wanted = /(\d+)\.(\d+)/.exec(packageJson.engines.node);
  const own = /(\d+)\.(\d+)/.exec(process.versions.node);
  const isOld = Number(own?.[1]) * 1000 + Number(own?.[2]) < Number(wanted?.[1]) * 1000 + Number(wanted?.[2]);
  if (isOld) return bad(`Node ${process.versions.node} is too old: ${packageJson.engines.node} is needed.`);
  return ok(`Node ${process.versions.node}, Chatalot ${packageJson.version}`);
}

function checkFolder({ dataDir }: Env): Finding[] {
  if (!existsSync(dataDir)) return [note(`${dataDir} does not exist yet; the first start makes it.`)];
  try {
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return [bad(`${dataDir} cannot be written by this user.`)];
  }
  const findings = [ok(`${dataDir} can be written`)];
  const secrets = join(dataDir, 'secrets');
  if (!existsSync(secrets))
    return [...findings, note('There are no secrets yet; the first start makes them.')];
  const open = [secrets, ...readdirSync(secrets).map((name) => join(secrets, name))].filter(
    (path) => (statSync(path).mode & 0o077) !== 0,
  );
  if (open.length === 0) return [...findings, ok('the secrets are readable by this user alone')];
  return [...findings, ...open.map((path) => bad(`${path} can be read by others: chmod go-rwx it.`))];
}

async function checkDisk(env: Env): Promise<Finding> {
  const free = await folderProbe(env.dataDir)();
  if (free === null) return note('The system does not tell how much disk is free.');
  const megabytes = Math.floor(free / 1024 / 1024);
  const reserve = env.diskReserveBytes / 1024 / 1024;
  if (free < env.diskReserveBytes)
    return bad(`${megabytes} MB are free, less than the reserve of ${reserve} MB: nothing new is stored.`);
  if (free < env.diskReserveBytes * 4)
    return note(`${megabytes} MB are free; below ${reserve} MB nothing new is stored.`);
  return ok(`${megabytes} MB of disk are free`);
}

async function checkPort({ host, port }: Env): Promise<{ isFree: boolean; findings: Finding[] }> {
  const cause = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
  if (cause === null) return { isFree: true, findings: [ok(`${host}:${port} is free`)] };
  const url = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}/health/ready`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(HEALTH_MS) })
    .then(async (response) => (await response.json()) as { status?: unknown; checks?: unknown })
    .catch(() => null);
  if (typeof answer?.status !== 'string')
    return {
      isFree: false,
      findings: [bad(`${host}:${port} cannot be had (${cause.code}), and no Chatalot answers there.`)],
    };
  const text = `Chatalot answers on ${host}:${port}: ${answer.status} ${JSON.stringify(answer.checks)}`;
  return { isFree: false, findings: [answer.status === 'ok' ? ok(text) : bad(text)] };
}

function checkAddress({ publicUrl, host, trustProxy }: Env): Finding[] {
  const url = new URL(publicUrl);
  const isLocal = isLocalHost(url.hostname);
  if (url.protocol === 'http:' && !isLocal)
    return [
      bad(
        `PUBLIC_URL is ${publicUrl}: browsers give encryption only to https (or localhost). Put TLS in front.`,
      ),
    ];
  const findings = [ok(`people reach it at ${publicUrl}`)];
  if (isLocal && host !== '127.0.0.1' && host !== '::1')
    findings.push(
      note(`It listens on ${host}, but PUBLIC_URL is this machine: others can connect and not sign in.`),
    );
  if (!isLocal && trustProxy.length === 0)
    findings.push(
      note('TRUST_PROXY is empty: behind a proxy all people would share one address’s rate limits.'),
    );
  return findings;
}

/** Bounded: a database that answers nothing must not hold the doctor up for ever. */
async function checkDatabase(env: Env): Promise<Finding[]> {
  if (env.databaseUrl === undefined && !existsSync(join(env.dataDir, 'db')))
    return [note('There is no database yet; the first start makes it.')];
  const db = await openDatabase(env);
  try {
    return await db.session(async (session) => {
      const applied = await appliedMigrations(session);
      const known = knownMigrations(env.migrationsDir);
      const names = new Set(known.map((migration) => migration.name));
      const newer = applied.filter(({ name }) => !names.has(name));
      const findings = [
        ok(`the ${db.kind === 'pglite' ? 'embedded database' : 'PostgreSQL database'} opens`),
      ];
      if (newer.length > 0)
        return [...findings, bad(`The database was made by a newer Chatalot (it has ${newer[0]?.name}).`)];
      const pending = known.length - applied.length;
      findings.push(
        pending === 0
          ? ok('all migrations are applied')
          : note(`${pending} migrations wait for the next start.`),
      );
      if (applied.length === 0) return findings;
      const [row] = await session.rows<{ now: Date; newest: Date | null }>(
        'SELECT clock_timestamp() AS now, (SELECT max("lastEventAt") FROM "Channel") AS newest',
      );
      return [...findings, ...checkClock(row)];
    });
  } finally {
    await db.close();
  }
}

function checkClock(row: { readonly now: Date; readonly newest: Date | null } | undefined): Finding[] {
  const now = Date.now();
  const findings: Finding[] = [];
  if (row && Math.abs(row.now.getTime() - now) > CLOCK_MS)
    findings.push(
      bad(
        `The clocks of this machine and the database differ by ${Math.abs(row.now.getTime() - now) / 1000} s.`,
      ),
    );
  if (row?.newest && row.newest.getTime() - now > CLOCK_MS)
    findings.push(
      bad(
        `This machine’s clock (${new Date(now).toISOString()}) is behind the newest message (${row.newest.toISOString()}).`,
      ),
    );
  return findings;
}

const checkOwnClock = (): Finding =>
  Date.now() < EARLIEST
    ? bad('This machine’s clock is years behind.')
    : ok(`the clock says ${new Date().toISOString()}`);

/** Everything, in the order in which one would look. A running server holds the embedded database: then it is asked. */
export async function examine(env: Env): Promise<Finding[]> {
  const port = await checkPort(env);
  const database = await checkDatabase(env).catch((cause: unknown): Finding[] => {
    const isHeld = cause instanceof DatabaseLockedError;
    if (isHeld && !port.isFree) return [ok('the database is open in the running server')];
    return [
      bad(
        isHeld
          ? cause.message
          : `The database cannot be opened: ${cause instanceof Error ? cause.message : 'unknown'}`,
      ),
    ];
  });
  return [
    checkNode(),
    ...checkFolder(env),
    await checkDisk(env),
    ...port.findings,
    ...checkAddress(env),
    ...database,
    checkOwnClock(),
  ];
}

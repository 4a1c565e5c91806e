// The process: configuration, database, migrations, secrets, then the app; and going down in order.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createApp, type App } from './app.ts';
import { hasOwner } from './domains/auth/setup.service.ts';
import { jobs } from './jobs/jobs.ts';
import { startJobs } from './jobs/scheduler.ts';
import { startAdminServer } from './operations/admin-server.ts';
import { systemClock } from './platform/clock.ts';
import { openDatabase, type Database } from './platform/db.ts';
import { folderProbe } from './platform/disk.ts';
import { EnvError, loadEnv, type Env } from './platform/env.ts';
import { DatabaseLockedError } from './platform/folder-lock.ts';
import { randomToken } from './platform/ids.ts';
import { createLogger, type Logger } from './platform/log.ts';
import { migrate } from './platform/migrate.ts';
import { StrangerError } from './platform/redis-bus.ts';
import { RedisLink } from './platform/redis.ts';
import { loadSecrets } from './platform/secrets.ts';

/** src/server/main.ts and dist/server/main.js both lie two folders below it. */
const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

const forcedExitMs = 15_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function announce(app: App, env: Env, port: number): Promise<void> {
  say(`Chatalot listens on ${env.host}:${port}. Open ${env.publicUrl}`);
  if (await hasOwner(app.deps.db)) return;
  say(`No owner yet. Set it up once at ${env.publicUrl}/setup#${env.setupToken}`);
}

/** The way to the other nodes, where there are any. */
async function openRedis(env: Env, log: Logger): Promise<RedisLink | undefined> {
  if (!env.redisUrl) return undefined;
  return RedisLink.open({ url: env.redisUrl, instance: env.publicUrl, clock: systemClock, log });
}

function stopOnSignals(app: App, db: Database): void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    say('Stopping …');
    setTimeout(() => process.exit(1), forcedExitMs).unref();
    void app
      .close()
      .then(() => db.close())
      .then(() => process.exit(0))
      .catch((cause: unknown) => {
        app.deps.log.error('stop.failed', { cause });
        process.exit(1);
      });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** A bug nobody caught: written without its message, which may quote people's data, and the process ends. */
function endOnUnknownFailure(log: Logger): void {
  const end = (event: string) => (cause: unknown) => {
    log.error(event, { cause });
    process.exit(1);
  };
  process.on('uncaughtException', end('process.uncaught_exception'));
  process.on('unhandledRejection', end('process.unhandled_rejection'));
}

async function main(): Promise<void> {
  const loaded = loadEnv(packageRoot);
  const env: Env = { ...loaded, setupToken: loaded.setupToken ?? randomToken(24) };
  const log = createLogger(env);
  endOnUnknownFailure(log);
  const db = await openDatabase({ ...env, log });
  try {
    await migrate(db, env.migrationsDir);
    const secrets = await loadSecrets(env);
    const clientDir = existsSync(env.clientDir) ? env.clientDir : undefined;
    const diskProbe = folderProbe(env.dataDir);
    const redis = await openRedis(env, log);
    const rest = { clock: systemClock, secrets, clientDir, diskProbe, redis };
    const app = await createApp({ env, log, db, ...rest });
    app.deps.metrics.addProcess();
    const schedule = startJobs(app.deps, jobs);
    app.drains.unshift({ name: 'jobs', drain: () => schedule.stop() });
    const admin = await startAdminServer(app.deps);
    app.drains.unshift({ name: 'admin', drain: () => admin.close() });
    stopOnSignals(app, db);
    await announce(app, env, await app.listen());
  } catch (cause) {
    await db.close();
    throw cause;
  }
}

/** What to tell whoever started it; a stack only where there is nothing better to say. */
function explain(cause: unknown): string {
  if (cause instanceof EnvError || cause instanceof DatabaseLockedError || cause instanceof StrangerError)
    return cause.message;
  if (!(cause instanceof Error)) return String(cause);
  const isPortTaken = 'code' in cause && cause.code === 'EADDRINUSE';
  if (isPortTaken) return `${cause.message}. Something else listens there: set PORT to another number.`;
  return cause.stack ?? cause.message;
}

try {
  await main();
} catch (cause) {
  process.stderr.write(`${explain(cause)}\n`);
  process.exit(1);
}

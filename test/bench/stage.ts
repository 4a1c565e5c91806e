// Our server for a benchmark: the real app on the real database with real syncs, and what is asked of it while it runs.
// Token buckets are wide open; nothing else is different from `npm start`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createApp, type App } from '#server/app.ts';
import { systemClock } from '#server/platform/clock.ts';
import { openDatabase, type Database } from '#server/platform/db.ts';
import { migrate } from '#server/platform/migrate.ts';
import { loadSecrets } from '#server/platform/secrets.ts';
import { roomyRates, testEnv, testLogger } from '#test/support/deps.ts';
import { ownSeconds, serveParent, type Cpu } from './child.ts';
import { familySeconds, parentOf, threadIds, threadSeconds } from './cpu.ts';

export interface Stage {
  readonly app: App;
  readonly db: Database;
  readonly origin: string;
  /** Send statements run since the start, each a transaction of its own, and the sends they carried. */
  readonly counted: { commits: number; sends: number };
}

/** What every benchmark server tells first. */
export interface StageReady {
  readonly port: number;
  readonly origin: string;
  readonly database: string;
}

/** The child's answer to 'counts'. */
export interface Counts {
  readonly commits: number;
  readonly sends: number;
  /** fsync calls of the embedded database; 0 on PostgreSQL. */
  readonly syncs: number;
}

/** What an acknowledgement means in these runs; part of every result. */
export const durability = (database: string): string =>
  database === 'pglite'
    ? 'committed and flushed (fsync of the log) before acknowledgement and delivery'
    : 'committed with synchronous_commit=on before acknowledgement and delivery';

const threadsBefore = new Set(threadIds());

/** Counts the sends among the queries; passes everything on. */
function counting(db: Database, counted: { commits: number; sends: number }): Database {
  return {
    ...db,
    query: <T>(name: string, sql: string, params: readonly unknown[] = []): Promise<T[]> => {
      if (name.startsWith('messages.send')) {
        counted.commits += 1;
        // A message alone comes as scalars, a batch as arrays.
        counted.sends += Array.isArray(params[0]) ? params[0].length : 1;
      }
      return db.query<T>(name, sql, params);
    },
  };
}

/** Opens the app on a fresh database: embedded in a scratch folder, or the (empty) one of DATABASE_URL. */
export async function openStage(): Promise<Stage> {
  const dataDir = mkdtempSync(join(tmpdir(), 'chatalot-bench-'));
  process.on('exit', () => rmSync(dataDir, { recursive: true, force: true }));
  const env = testEnv({ DATA_DIR: dataDir });
  const databaseUrl = process.env['DATABASE_URL'];
  const counted = { commits: 0, sends: 0 };
  const opened = await openDatabase({ dataDir, ...(databaseUrl ? { databaseUrl } : {}) });
  const db = counting(opened, counted);
  await migrate(db, env.migrationsDir);
  const secrets = await loadSecrets(env);
  const app = await createApp({ env, log: testLogger, clock: systemClock, db, secrets, rates: roomyRates });
  return { app, db, origin: env.publicUrl, counted };
}

/**
 * The embedded database is a thread of this process: of those started with it, the one that has worked most.
 * PostgreSQL is processes beside it (on this machine), whose time is added.
 */
async function databaseMeter(database: Database): Promise<() => Cpu> {
  if (database.kind === 'pglite') {
    const started = threadIds().filter((id) => !threadsBefore.has(id));
    const [busiest = ''] = started.sort((a, b) => threadSeconds(b) - threadSeconds(a));
    return () => ({ total: ownSeconds(), database: threadSeconds(busiest) });
  }
  // Connections come and go; all are children of one process.
  const sql = 'SELECT pg_backend_pid() AS pid';
  const [backend] = await database.session((session) => session.rows<{ pid: number }>(sql));
  const server = parentOf(backend?.pid ?? 0);
  return () => {
    const spent = server ? familySeconds(server) : 0;
    return { total: ownSeconds() + spent, database: spent };
  };
}

/** The child's answer to 'lag': how late the event loop came, in milliseconds, since the last question. */
export interface Lag {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const LAG_RESOLUTION_MS = 1;

function lagMeter(): () => Lag {
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  delay.enable();
  // The histogram holds whole intervals of its timer; what is over the interval is lag.
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - LAG_RESOLUTION_MS);
  return () => {
    const lag = { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) };
    delay.reset();
    return lag;
  };
}

/** Listens, and answers the benchmark until it is done. */
export async function serveStage(
  stage: Stage,
  more: Readonly<Record<string, unknown>>,
  answers: Readonly<Record<string, () => unknown>> = {},
): Promise<void> {
  const { app, db, origin, counted } = stage;
  const port = await app.listen();
  const ready = { port, origin, database: db.kind, ...more } satisfies StageReady;
  const cpu = await databaseMeter(db);
  const counts = (): Counts => ({ ...counted, syncs: db.syncs().files });
  serveParent(ready, { cpu, counts, lag: lagMeter(), ...answers });
}

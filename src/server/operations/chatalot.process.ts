// The command line `chatalot`: reads words, asks the running server or works by itself, and says in words and by its
// exit code how it went (0 good, 1 refused or found wrong, 2 not understood).
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { LiveEvent } from '#shared/events.ts';
import { createDeps } from '../create-deps.ts';
import type { Deps } from '../deps.ts';
import { createLivePublisher } from '../live-publisher.ts';
import { systemClock } from '../platform/clock.ts';
import { openDatabase } from '../platform/db.ts';
import { EnvError, loadEnv, type Env } from '../platform/env.ts';
import { DatabaseLockedError } from '../platform/folder-lock.ts';
import { LiveHub } from '../platform/live-hub.ts';
import { createLogger } from '../platform/log.ts';
import { isMigrated, MigrationError } from '../platform/migrate.ts';
import { loadSecrets } from '../platform/secrets.ts';
import { SocketRegistry } from '../sockets.ts';
import type { ConnectionData } from '../topics.ts';
import { findServer } from './admin-client.ts';
import { BackupError, readBackup, type BackupManifest } from './backup-format.ts';
import { writeBackup } from './backup.ts';
import { CommandError, commandSchema, runCommand, type CommandResult } from './commands.ts';
import { examine } from './doctor.ts';
import { restoreBackup } from './restore.ts';

const HELP = `chatalot <command>

  doctor                            looks at the installation and says what is wrong with it
  user list [part of a name]        accounts
  user show <name>
  user suspend <name>               signs them out everywhere; unsuspend takes it back
  user unsuspend <name>
  user reset-password <name>        prints a link to set a new one, once; it opens no keys
  user role <name> admin|member     makes somebody instance staff, or not
  invite create <community> [--uses n] [--days n]
  invite list <community>           <community>: its id or its name
  invite revoke <code>
  backup <file>                     everything, while the server runs; the file holds the server's secrets
  restore <file>                    into an empty database and data folder, with the server stopped
  verify [file]                     checks a backup; without a file, the database

Settings are those of the server: environment variables or .env.`;

/** The package's folder: src/server/operations and dist/server lie at different depths below it. */
const packageRoot = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../../' : '../../', import.meta.url),
);

class UsageError extends Error {}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Deps without a server: nobody is connected here, so nobody is told. */
async function localDeps(env: Env, db: Deps['db']): Promise<Deps> {
  const log = createLogger(env, process.stderr);
  const secrets = await loadSecrets(env);
  const onError = (cause: unknown): void => log.error('live.failed', { cause });
  const hub = new LiveHub<LiveEvent, ConnectionData>({ readMissing: () => Promise.resolve([]), onError });
  const live = createLivePublisher(hub, new SocketRegistry(), () => undefined);
  return createDeps({ env, log, clock: systemClock, db, secrets }, live);
}

/** Works on the database itself; the embedded one only while no server holds it. */
async function locally<T>(env: Env, work: (deps: Deps) => Promise<T>): Promise<T> {
  const isMissing = env.databaseUrl === undefined && !existsSync(join(env.dataDir, 'db'));
  if (isMissing) throw new CommandError(`There is no database in ${env.dataDir}.`);
  const db = await openDatabase(env);
  try {
    const isReady = await isMigrated(db, env.migrationsDir).catch(() => false);
    if (!isReady)
      throw new CommandError('The database has not been set up by this version yet: start the server once.');
    return await work(await localDeps(env, db));
  } finally {
    await db.close();
  }
}

async function command(env: Env, input: unknown): Promise<CommandResult> {
  const parsed = commandSchema.safeParse(input);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new UsageError(
      issue?.code === 'invalid_union'
        ? 'There is no such command.'
        : `${issue?.path.join('.')}: ${issue?.message}`,
    );
  }
  const server = await findServer(env.dataDir);
  if (server) return server.run(parsed.data);
  return locally(env, (deps) => runCommand(deps, parsed.data));
}

function sayWhatIsInside(path: string, { parts }: BackupManifest): void {
  const rows = parts
    .filter(({ name }) => name.startsWith('table/'))
    .reduce((sum, part) => sum + part.rows, 0);
  say(`${path}: ${rows} rows in ${parts.length} parts, all as their SHA-256 says.`);
}

async function backUp(env: Env, file: string): Promise<boolean> {
  const path = resolve(file);
  const server = await findServer(env.dataDir);
  const manifest = server ? await server.backUp(path) : await locally(env, (deps) => writeBackup(deps, path));
  sayWhatIsInside(path, manifest);
  say('IT HOLDS THE SERVER’S SECRETS and everybody’s metadata: keep it where nobody else can read it.');
  return true;
}

async function restore(env: Env, file: string): Promise<boolean> {
  const path = resolve(file);
  if (await findServer(env.dataDir))
    throw new CommandError('A server runs on this data folder: stop it first.');
  const db = await openDatabase(env);
  try {
    const target = { db, dataDir: env.dataDir, migrationsDir: env.migrationsDir };
    const { header, manifest } = await restoreBackup(target, path);
    sayWhatIsInside(path, manifest);
    say(
      `Restored as of ${header.madeAt}. Devices that saw more since will warn their people (docs/self-hosting.md).`,
    );
  } finally {
    await db.close();
  }
  const isOverruled =
    env.jwtKey !== undefined || env.frankingKey !== undefined || env.kdfFakeKey !== undefined;
  if (isOverruled)
    say('Secrets set in the environment win over the restored ones: make sure they are the same.');
  return true;
}

async function verifyFile(file: string): Promise<boolean> {
  const { header, manifest } = await readBackup(resolve(file));
  say(
    `Made ${header.madeAt} by Chatalot ${header.app} on ${header.database}, migration ${header.migrations.at(-1)?.name}.`,
  );
  sayWhatIsInside(file, manifest);
  return true;
}

async function doctor(env: Env): Promise<boolean> {
  const findings = await examine(env);
  for (const { state, text } of findings) say(`${state.padEnd(5)} ${text}`);
  return findings.every(({ state }) => state !== 'bad');
}

/** Words in their order become the fields of a command. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'user list': ['search'],
  'user show': ['username'],
  'user suspend': ['username'],
  'user unsuspend': ['username'],
  'user reset-password': ['username'],
  'user role': ['username', 'role'],
  'invite create': ['community'],
  'invite list': ['community'],
  'invite revoke': ['code'],
};

async function run(env: Env, args: readonly string[]): Promise<boolean> {
  const options = { uses: { type: 'string' }, days: { type: 'string' } } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [verb = '', first, ...more] = positionals;
  if (verb === 'doctor' && positionals.length === 1) return doctor(env);
  if (verb === 'backup' && first !== undefined && more.length === 0) return backUp(env, first);
  if (verb === 'restore' && first !== undefined && more.length === 0) return restore(env, first);
  if (verb === 'verify' && first !== undefined && more.length === 0) return verifyFile(first);
  const name = first === undefined ? verb : `${verb} ${first}`;
  const fields = verb === 'verify' ? [] : FIELDS[name];
  if (!fields || more.length > fields.length) throw new UsageError('There is no such command.');
  const given = Object.fromEntries(more.map((word, at) => [fields[at] ?? '', word]));
  const numbers = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Number(value)]));
  const { isGood, lines } = await command(env, { command: name, ...given, ...numbers });
  for (const line of lines) say(line);
  return isGood;
}

/** What went wrong, for whoever typed it. */
function explain(cause: unknown): { readonly text: string; readonly code: number } {
  const isUsage =
    cause instanceof UsageError || (cause as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
  if (isUsage) return { text: `${(cause as Error).message}\n\n${HELP}`, code: 2 };
  const known = [EnvError, DatabaseLockedError, MigrationError, BackupError, CommandError];
  if (known.some((kind) => cause instanceof kind)) return { text: (cause as Error).message, code: 1 };
  return { text: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause), code: 1 };
}

const args = process.argv.slice(2);
try {
  if (args.length === 0 || ['help', '--help', '-h'].includes(args[0] ?? '')) say(HELP);
  else {
    if (existsSync('.env')) process.loadEnvFile('.env');
    process.exitCode = (await run(loadEnv(packageRoot), args)) ? 0 : 1;
  }
} catch (cause) {
  const { text, code } = explain(cause);
  process.stderr.write(`${text}\n`);
  process.exitCode = code;
}

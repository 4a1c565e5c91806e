// Runs once per vitest run: prepares what every server test starts from, so that a test file gets its migrated
// database in well under a second. With TEST_DATABASE_URL a PostgreSQL template, else a dumped PGlite folder.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { openDatabase } from '#server/platform/db.ts';
import { migrate } from '#server/platform/migrate.ts';
import { createTemplate, dropDatabase } from './postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    testDatabase: TestDatabaseSource;
  }
}

/** Where test files find their database. */
export type TestDatabaseSource =
  | { readonly kind: 'postgres'; readonly url: string; readonly template: string }
  | { readonly kind: 'pglite'; readonly script: string; readonly dump: string };

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const migrations = join(root, 'prisma', 'migrations');

/** Changes whenever a migration or the embedded database's version does. */
function fingerprint(): string {
  const hash = createHash('sha256').update(
    readFileSync(join(root, 'node_modules/@electric-sql/pglite/package.json')),
  );
  for (const name of readdirSync(migrations).sort()) {
    const file = join(migrations, name, 'migration.sql');
    if (existsSync(file)) hash.update(name).update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 16);
}

/** The database's thread as plain JavaScript, so that test files need no TypeScript loader inside it. */
async function compileThread(folder: string): Promise<string> {
  const script = join(folder, `pglite-worker-${process.pid}.mjs`);
  await build({
    entryPoints: [join(root, 'src/server/platform/pglite-worker.ts')],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  });
  const shared = join(folder, 'pglite-worker.mjs');
  renameSync(script, shared);
  return pathToFileURL(shared).href;
}

/** The migrated data folder as a tar; kept between runs until a migration changes. */
async function migratedDump(folder: string, script: string): Promise<string> {
  const path = join(folder, `migrated-${fingerprint()}.tar`);
  if (existsSync(path)) return path;
  const db = await openDatabase({ embedded: { script: new URL(script) } });
  try {
    await migrate(db, migrations);
    const dump = await db.dump();
    writeFileSync(`${path}.${process.pid}`, dump ?? new Uint8Array());
    renameSync(`${path}.${process.pid}`, path);
  } finally {
    await db.close();
  }
  return path;
}

/** Called by vitest; what it returns runs after the last test. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const url = process.env.TEST_DATABASE_URL;
  if (url) {
    const template = await createTemplate(url, migrations);
    project.provide('testDatabase', { kind: 'postgres', url, template });
    return () => dropDatabase(url, template);
  }
  const folder = join(root, '.cache', 'server-tests');
  mkdirSync(folder, { recursive: true });
  const script = await compileThread(folder);
  project.provide('testDatabase', { kind: 'pglite', script, dump: await migratedDump(folder, script) });
  return async () => {};
}

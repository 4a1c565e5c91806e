// Runs once per vitest run: prepares what every server test starts from, so that a test file gets its migrated
// database in well under a second. With TEST_DATABASE_URL a PostgreSQL template, else a dumped PGlite folder.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { openDatabase } from '#server/platform/db.ts';
import { migrate } from '#server/platform/migrate.ts';
import { cacheFolder, fingerprint, migrations, root } from './migrated.ts';
import { createTemplate, dropTemplate } from './postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    testDatabase: TestDatabaseSource;
  }
}

/** Where test files find their database. */
export type TestDatabaseSource =
  | { readonly kind: 'postgres'; readonly url: string; readonly template: string }
  | { readonly kind: 'pglite'; readonly script: string; readonly dump: string };

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
    return () => dropTemplate(url, template);
  }
  mkdirSync(cacheFolder, { recursive: true });
  const script = await compileThread(cacheFolder);
  const dump = await migratedDump(cacheFolder, script);
  project.provide('testDatabase', { kind: 'pglite', script, dump });
  return async () => {};
}

// What the schema says beyond what the migrations already build, as SQL.
import { openEngine, openTarget } from './migration-engine.mjs';
import { readMigrations, readSchema } from './schema-files.mjs';

/**
 * SQL that takes a database built by all migrations to the schema; an empty string when they agree.
 * @param {{ schema?: { path: string, content: string }[], migrations?: object }} [input] defaults: this repository's
 */
export async function pendingSql({ schema = readSchema(), migrations = readMigrations() } = {}) {
  const { factory, close } = await openTarget();
  try {
    const engine = await openEngine(
      factory,
      schema.map(({ path, content }) => [path, content]),
    );
    const { stdout, exitCode } = await engine.diff({
      from: { tag: 'migrations', ...migrations },
      to: { tag: 'schemaDatamodel', files: schema },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    });
    return exitCode === 0 ? '' : (stdout ?? '');
  } finally {
    await close();
  }
}

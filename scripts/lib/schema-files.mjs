// The schema folder and the migrations folder in the shapes the schema engine takes.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

export const schemaDir = join(root, 'prisma');
export const migrationsDir = join(schemaDir, 'migrations');
/** What Prisma keeps beside the migrations to say which database they are for. */
export const lockName = 'migration_lock.toml';
export const lockContent = 'provider = "postgresql"\n';

/** Every .prisma file as { path, content }, in a stable order. */
export function readSchema(dir = schemaDir) {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((n) => n.endsWith('.prisma'));
  return names
    .sort()
    .map((name) => ({ path: join(dir, name), content: readFileSync(join(dir, name), 'utf8') }));
}

/** The migration history as it stands on disk. */
export function readMigrations(dir = migrationsDir) {
  const names = existsSync(dir)
    ? readdirSync(dir, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
        .sort()
    : [];
  return {
    baseDir: dir,
    lockfile: { path: lockName, content: lockContent },
    shadowDbInitScript: '',
    migrationDirectories: names.map((name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: readFileSync(join(dir, name, 'migration.sql'), 'utf8') },
      },
    })),
  };
}

// Which migrations and which embedded database prepared folders and dumps were made with.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const migrations = join(root, 'prisma', 'migrations');

/** Kept between runs, made again when a migration or the embedded database changes. */
export const cacheFolder = join(root, '.cache', 'server-tests');

const MADE_WITH = ['node_modules/@electric-sql/pglite/package.json', 'src/server/platform/pglite-files.ts'];

/** Changes whenever a migration, the embedded database's version or the way its folder is made does. */
export function fingerprint(): string {
  const hash = createHash('sha256');
  for (const file of MADE_WITH) hash.update(readFileSync(join(root, file)));
  for (const name of readdirSync(migrations).sort()) {
    const file = join(migrations, name, 'migration.sql');
    if (existsSync(file)) hash.update(name).update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 16);
}

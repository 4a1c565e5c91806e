// npm run db:migrate -- <name> [--empty]: writes the next migration from the difference between the migrations and
// the schema. --empty makes a file to be filled by hand (views, partial indexes, checks). The server applies
// pending migrations at its next start.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockContent, lockName, migrationsDir } from './lib/schema-files.mjs';
import { pendingSql } from './lib/schema-diff.mjs';

const args = process.argv.slice(2);
const empty = args.includes('--empty');
const name = args.find((arg) => !arg.startsWith('--'));
if (!name || !/^[a-z][a-z0-9_]*$/.test(name)) {
  console.error('Usage: npm run db:migrate -- <lower_case_name> [--empty]');
  process.exit(1);
}

const sql = empty ? '-- Written by hand.\n' : await pendingSql();
if (sql === '') {
  console.log('Schema and migrations agree: nothing to write.');
} else {
  const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const folder = join(migrationsDir, `${stamp}_${name}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'migration.sql'), sql);
  writeFileSync(join(migrationsDir, lockName), lockContent);
  console.log(`Wrote ${folder}/migration.sql. Read it before you commit it.`);
}

// The start-up migrator: applies once, keeps Prisma's bookkeeping, refuses a history that does not fit.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isMigrated, migrate, MigrationError } from '#server/platform/migrate.ts';
import { openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let folder: string;

function add(name: string, sql: string): void {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'migration.sql'), sql);
}

beforeEach(async () => {
  db = await openTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'chatalot-migrations-'));
  cpSync('prisma/migrations', folder, { recursive: true });
});
afterEach(async () => {
  await db.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('migrate', () => {
  it('applies what is new, in order, once', async () => {
    expect(await migrate(db, folder)).toEqual([]);
    add('29990101000001_b', 'CREATE VIEW second AS SELECT id FROM first');
    add('29990101000000_a', 'CREATE TABLE first (id int4); INSERT INTO first VALUES (1)');
    expect(await isMigrated(db, folder)).toBe(false);
    expect(await migrate(db, folder)).toEqual(['29990101000000_a', '29990101000001_b']);
    expect(await isMigrated(db, folder)).toBe(true);
    expect(await migrate(db, folder)).toEqual([]);
    expect(await db.query('test.second', 'SELECT id FROM second')).toEqual([{ id: 1 }]);
  });

  it('takes a failed migration back whole and can try again', async () => {
    add('29990101000000_a', 'CREATE TABLE first (id int4); SELECT nonsense');
    await expect(migrate(db, folder)).rejects.toThrow('nonsense');
    add('29990101000000_a', 'CREATE TABLE first (id int4)');
    expect(await migrate(db, folder)).toEqual(['29990101000000_a']);
  });

  it('runs a marked migration outside a transaction', async () => {
    add(
      '29990101000000_a',
      '-- chatalot: no transaction\nCREATE INDEX CONCURRENTLY probe ON "Account" ("username")',
    );
    expect(await migrate(db, folder)).toEqual(['29990101000000_a']);
  });

  it('refuses an edited migration and a database from the future', async () => {
    add('29990101000000_a', 'SELECT 1');
    await migrate(db, folder);
    add('29990101000000_a', 'SELECT 2');
    await expect(migrate(db, folder)).rejects.toThrow(/was changed after/);
    rmSync(join(folder, '29990101000000_a'), { recursive: true });
    await expect(migrate(db, folder)).rejects.toBeInstanceOf(MigrationError);
    await expect(migrate(db, folder)).rejects.toThrow(/newer version/);
  });
});

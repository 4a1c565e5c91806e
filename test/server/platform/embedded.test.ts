// The embedded database on disk: every commit flushed, one process per folder, first start all or nothing.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { openDatabase, type Database } from '#server/platform/db.ts';
import { prepareDatabaseFolder } from '#server/platform/pglite-files.ts';
import { DatabaseLockedError, lockFolder } from '#server/platform/folder-lock.ts';
import '#test/support/global-setup.ts';
import { scratchFolder } from '#test/support/scratch.ts';

// A first start makes a whole database folder; on a machine at work that takes its time.
vi.setConfig({ testTimeout: 120_000 });

const source = inject('testDatabase');
let folder: string;
/** A database folder made once; each test works on a copy, because making one takes seconds. */
let made = '';
beforeAll(async () => {
  if (source.kind !== 'pglite') return;
  made = folder = scratchFolder('embedded');
  const db = await open();
  await db.session((session) => session.execute('CREATE TABLE probe (id int4 PRIMARY KEY)'));
  await db.close();
}, 120_000);
afterAll(() => made && rmSync(made, { recursive: true, force: true }));
beforeEach(() => {
  folder = scratchFolder('embedded');
  if (made) cpSync(made, folder, { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (): Promise<Database> =>
  openDatabase(
    source.kind === 'pglite'
      ? { dataDir: folder, embedded: { script: new URL(source.script) } }
      : { dataDir: folder },
  );

const count = async (db: Database): Promise<number> =>
  (await db.query<{ n: number }>('test.count', 'SELECT count(*)::int4 AS n FROM probe'))[0]?.n ?? -1;

describe.runIf(source.kind === 'pglite')('embedded database', () => {
  it('flushes every commit to disk, and keeps what it acknowledged', async () => {
    let db = await open();
    const before = db.syncs();
    for (let id = 0; id < 40; id++) await db.query('test.insert', 'INSERT INTO probe VALUES ($1)', [id]);
    expect(db.syncs().files - before.files).toBeGreaterThanOrEqual(40);
    const atRest = db.syncs();
    await count(db);
    expect(db.syncs()).toEqual(atRest);
    await db.vacuum();
    await db.close();
    db = await open();
    expect(await count(db)).toBe(40);
    await db.close();
  });

  it('flushes the names of new, renamed and removed files before it calls anything done', async () => {
    const db = await open();
    const rounds = async (work: string): Promise<number> => {
      const before = db.syncs().folders;
      await db.session((session) => session.execute(work));
      return db.syncs().folders - before;
    };
    expect(await rounds('CREATE TABLE fresh (id int4)')).toBeGreaterThanOrEqual(1);
    expect(await rounds('DROP TABLE fresh; CHECKPOINT')).toBeGreaterThanOrEqual(1);
    // A file written beside the old one and renamed over it.
    expect(await rounds("ALTER SYSTEM SET work_mem = '5MB'")).toBeGreaterThanOrEqual(1);
    // An ordinary commit makes no file, so no folder is flushed for it.
    expect(await rounds('INSERT INTO probe VALUES (1)')).toBe(0);
    await db.close();
  });

  it('flushes a new database folder whole, names and all, before it is ready', async () => {
    const flushed = new Set<string>();
    const empty = scratchFolder('fresh');
    const paths = async (): Promise<string[]> =>
      (await readdir(join(empty, 'db'), { recursive: true })).map((path) => join(empty, 'db', path));
    await prepareDatabaseFolder(
      join(empty, 'db'),
      async (scratch) => {
        cpSync(join(folder, 'db'), scratch, { recursive: true });
      },
      async (path) => void flushed.add(path.replace('db.new', 'db')),
    );
    expect((await paths()).filter((path) => !flushed.has(path))).toEqual([]);
    for (const path of [join(empty, 'db'), empty, dirname(empty)]) expect(flushed).toContain(path);
    rmSync(empty, { recursive: true });
  });

  it('refuses a second opening of the same folder, and allows it after the first was closed', async () => {
    const first = await open();
    await expect(open()).rejects.toBeInstanceOf(DatabaseLockedError);
    await expect(open()).rejects.toThrow(`process ${process.pid}`);
    await first.close();
    expect(existsSync(join(folder, 'lock'))).toBe(false);
    await (await open()).close();
  });

  it('begins again when the first start was cut off half-way', async () => {
    rmSync(join(folder, 'db', 'PG_VERSION'));
    writeFileSync(join(folder, 'db.new'), 'left over');
    const again = await open();
    await again.ping();
    await again.close();
    expect(existsSync(join(folder, 'db', 'PG_VERSION'))).toBe(true);
    expect(existsSync(join(folder, 'db.new'))).toBe(false);
    expect(statSync(join(folder, 'db')).mode & 0o077).toBe(0);
  });

  it('can be copied while it runs', async () => {
    const db = await open();
    await db.query('test.insert', 'INSERT INTO probe VALUES (1)');
    const writing = Promise.all(
      [2, 3].map((id) => db.query('test.insert2', 'INSERT INTO probe VALUES ($1)', [id])),
    );
    const dump = await db.dump();
    await writing;
    await db.close();
    if (!dump || source.kind !== 'pglite') throw new Error('no copy');
    const copy = await openDatabase({ embedded: { dump, script: new URL(source.script) } });
    expect(await count(copy)).toBeGreaterThanOrEqual(1);
    await copy.close();
  });

  it('gives the connection back clean after a session that failed inside a transaction', async () => {
    const db = await open();
    const failing = db.session(async (session) => {
      await session.execute('BEGIN');
      await session.execute('CREATE TABLE half (id int4)');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    const tables = await db.query('test.half', "SELECT 1 FROM pg_tables WHERE tablename = 'half'");
    expect(tables).toEqual([]);
    await db.close();
  });
});

describe('folder lock', () => {
  const lockText = () => JSON.parse(readFileSync(join(folder, 'lock'), 'utf8')) as { pid: number };

  it('takes over from a process that is gone', async () => {
    const gone = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => gone.once('exit', resolve));
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: gone.pid, host: hostname(), started: null }));
    const unlock = lockFolder(folder);
    expect(lockText().pid).toBe(process.pid);
    unlock();
  });

  it('takes over when the process id belongs to another process now', () => {
    writeFileSync(
      join(folder, 'lock'),
      JSON.stringify({ pid: process.ppid, host: hostname(), started: '1' }),
    );
    lockFolder(folder)();
  });

  it('takes over from a damaged lock', () => {
    writeFileSync(join(folder, 'lock'), '');
    lockFolder(folder)();
  });

  it('respects a living process and a fresh holder on another machine', () => {
    writeFileSync(
      join(folder, 'lock'),
      JSON.stringify({ pid: process.ppid, host: hostname(), started: null }),
    );
    expect(() => lockFolder(folder)).toThrow(DatabaseLockedError);
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: 1, host: 'elsewhere', started: null }));
    expect(() => lockFolder(folder)).toThrow(/elsewhere/);
  });
});

// A power cut at any moment: whatever the embedded database acknowledged is in what the disk then holds, and it
// starts from it. The disk is a model that keeps only what was flushed, and of the rest any part.
import { cpSync, fstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { TRPCError } from '@trpc/server';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { openDatabase } from '#server/platform/db.ts';
import { appErrorOf } from '#server/error-map.ts';
import {
  DurableNodeFS,
  durableStartParams,
  type Flusher,
  type HostFileSystem,
} from '#server/platform/pglite-files.ts';
import '#test/support/global-setup.ts';
import { Platter } from '#test/support/platter.ts';
import { seeded } from '#test/support/random.ts';
import { scratchFolder } from '#test/support/scratch.ts';

vi.setConfig({ testTimeout: 180_000 });

const source = inject('testDatabase');
let root: string;
let made: string;

beforeAll(async () => {
  if (source.kind !== 'pglite') return;
  root = scratchFolder('power');
  const db = await openDatabase({ dataDir: root, embedded: { script: new URL(source.script) } });
  await db.session((session) => session.execute('CREATE TABLE probe (id int4 PRIMARY KEY, filler text)'));
  await db.close();
  made = join(root, 'db');
}, 120_000);
afterAll(() => root && rmSync(root, { recursive: true, force: true }));

interface Cut {
  readonly folder: string;
  readonly acknowledged: number;
  /** Tables made, and acknowledged, one after another. */
  readonly tables: number;
}

/** What a server does to its files: commits, new and removed files, renames over existing ones, checkpoints. */
async function work(database: PGlite, cut: (acknowledged: number, tables: number) => void): Promise<void> {
  let id = 0;
  const insert = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++)
      await database.query('INSERT INTO probe VALUES ($1, $2)', [(id += 1), 'x'.repeat(300)]);
  };
  await insert(20);
  cut(id, 0);
  await database.exec('CREATE TABLE made1 AS SELECT 1 AS id; DROP TABLE IF EXISTS nothing');
  cut(id, 1);
  await database.exec('CHECKPOINT');
  await insert(5);
  cut(id, 1);
  await database.exec("ALTER SYSTEM SET work_mem = '5MB'");
  await database.exec('CREATE TABLE made2 AS SELECT 2 AS id');
  cut(id, 2);
  await database.exec('SELECT pg_switch_wal()');
  await insert(5);
  await database.exec('VACUUM FULL probe');
  cut(id, 2);
  await database.exec('CHECKPOINT');
  cut(id, 2);
}

/** Cuts in turn: one leaves nothing unflushed, the next any part of it. */
async function runWithCuts(random: () => number): Promise<Cut[]> {
  const folder = join(root, 'run');
  cpSync(made, folder, { recursive: true });
  const platter = new Platter(folder);
  const cuts: Cut[] = [];
  const database = await PGlite.create({
    fs: new DurableNodeFS(folder, platter, platter.watch),
    startParams: durableStartParams(PGlite.defaultStartParams),
  });
  await work(database, (acknowledged, tables) => {
    const target = join(root, `cut-${cuts.length}`);
    platter.cut(target, cuts.length % 2 === 0 ? () => false : () => random() < 0.5);
    cuts.push({ folder: target, acknowledged, tables });
  });
  await database.close();
  return cuts;
}

/** Starts from what a cut left; answers how many rows and tables it finds. */
async function after({ folder }: Cut): Promise<{ rows: number; tables: number }> {
  const flusher: Flusher = { file: () => undefined, folder: () => undefined };
  const database = await PGlite.create({
    fs: new DurableNodeFS(folder, flusher),
    startParams: durableStartParams(PGlite.defaultStartParams),
  });
  try {
    const probe = await database.query<{ n: number; top: number }>(
      'SELECT count(*)::int4 AS n, max(id) AS top FROM probe',
    );
    expect(probe.rows[0]?.n).toBe(probe.rows[0]?.top);
    const tables = await database.query<{ id: number }>(
      `SELECT tablename FROM pg_tables WHERE tablename LIKE 'made%'`,
    );
    for (const [at] of tables.rows.entries()) await database.query(`SELECT id FROM made${at + 1}`);
    return { rows: probe.rows[0]?.n ?? 0, tables: tables.rows.length };
  } finally {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

describe.runIf(source.kind === 'pglite')('a power cut', () => {
  it('leaves everything acknowledged, whatever became of the unflushed rest', async () => {
    const cuts = await runWithCuts(seeded(7));
    expect(cuts.length).toBeGreaterThanOrEqual(6);
    for (const cut of cuts) {
      expect(await after(cut)).toEqual({ rows: cut.acknowledged, tables: cut.tables });
    }
  });
});

/** A disk that is full whenever `isFull` says so: only what was reserved before can be written. */
const fullDisk =
  (isFull: () => boolean) =>
  (disk: HostFileSystem): void => {
    const { write } = disk.stream_ops;
    const { mknod } = disk.node_ops;
    const refuse = (): never =>
      disk.tryFSOperation(() => {
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      });
    Object.assign(disk.stream_ops, {
      write: (...[stream, buffer, offset, length, position]: Parameters<typeof write>) => {
        const grows = position + length > fstatSync(stream.nfd).size;
        return grows && isFull() ? refuse() : write(stream, buffer, offset, length, position);
      },
    });
    Object.assign(disk.node_ops, {
      mknod: (...args: Parameters<typeof mknod>) => (isFull() ? refuse() : mknod(...args)),
    });
  };

describe.runIf(source.kind === 'pglite')('a full disk', () => {
  it('is said in a code of its own, keeps what was acknowledged, and is over when there is room again', async () => {
    const folder = join(root, 'full');
    cpSync(made, folder, { recursive: true });
    let isFull = false;
    const flusher: Flusher = { file: () => undefined, folder: () => undefined };
    const open = (): Promise<PGlite> =>
      PGlite.create({
        fs: new DurableNodeFS(
          folder,
          flusher,
          fullDisk(() => isFull),
        ),
        startParams: durableStartParams(PGlite.defaultStartParams),
      });
    const database = await open();
    const acknowledged: number[] = [];
    const insert = async (id: number): Promise<void> => {
      await database.query('INSERT INTO probe VALUES ($1, $2)', [id, 'x'.repeat(1500)]);
      acknowledged.push(id);
    };
    for (let id = 1; id <= 10; id++) await insert(id);
    isFull = true;
    let id = 11;
    const refused: unknown = await (async () => {
      for (; id < 1000; id++) await insert(id);
    })().catch((cause: unknown) => cause);
    expect(appErrorOf(new TRPCError({ code: 'INTERNAL_SERVER_ERROR', cause: refused }))).toEqual({
      code: 'disk_low',
    });
    isFull = false;
    await insert(id);
    await database.close();
    const again = await open();
    const rows = await again.query<{ id: number }>('SELECT id FROM probe ORDER BY id');
    expect(rows.rows.map((row) => row.id)).toEqual(acknowledged);
    await again.close();
  });
});

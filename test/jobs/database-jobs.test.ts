// The embedded database's own upkeep, on disk: snapshots that restore, few of them, and checkpoints.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { databaseCheckpoint } from '#server/jobs/database-checkpoint.job.ts';
import { databaseSnapshot } from '#server/jobs/database-snapshot.job.ts';
import { openDatabase, type Database } from '#server/platform/db.ts';
import { restoreSnapshot, snapshotEmbedded } from '#server/platform/snapshots.ts';
import { manualClock } from '#test/support/clock.ts';
import { testDeps } from '#test/support/deps.ts';
import '#test/support/global-setup.ts';
import { scratchFolder } from '#test/support/scratch.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

const source = inject('testDatabase');
const HOUR = 3_600_000;
let dataDir: string;
let db: Database;

const open = (folder: string): Promise<Database> => {
  if (source.kind !== 'pglite') throw new Error('not on PostgreSQL');
  return openDatabase({ dataDir: folder, embedded: { script: new URL(source.script) } });
};
const ids = async (of: Database): Promise<number[]> =>
  (await of.query<{ id: number }>('test.ids', 'SELECT id FROM probe ORDER BY id')).map(({ id }) => id);
const insert = (id: number): Promise<unknown> =>
  db.query('test.insert', 'INSERT INTO probe VALUES ($1, $2)', [id, 'x'.repeat(200)]);

describe.runIf(source.kind === 'pglite')('upkeep of the embedded database', () => {
  beforeAll(async () => {
    dataDir = scratchFolder('jobs');
    db = await open(dataDir);
    await db.session((session) => session.execute('CREATE TABLE probe (id int4 PRIMARY KEY, filler text)'));
  });
  afterAll(async () => {
    await db.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('a snapshot taken while messages come in restores into an empty folder, with all acknowledged before', async () => {
    for (let id = 1; id <= 50; id++) await insert(id);
    let more = 50;
    let done = false;
    const writing = (async () => {
      while (!done) await insert((more += 1));
    })();
    const turns = countTurns();
    await snapshotEmbedded(db, join(dataDir, 'copy'));
    // The thread works and other threads copy: this one goes on turning.
    expect(turns.stop()).toBeGreaterThan(10);
    done = true;
    await writing;
    const restored = join(dataDir, 'restored');
    await restoreSnapshot(join(dataDir, 'copy'), restored);
    await expect(restoreSnapshot(join(dataDir, 'copy'), restored)).rejects.toThrow('exists already');
    const again = await open(restored);
    const found = await ids(again);
    // Gapless: not a mixture of moments.
    expect(found).toEqual(found.map((_, at) => at + 1));
    expect(found.length).toBeGreaterThanOrEqual(50);
    await again.query('test.insert', 'INSERT INTO probe VALUES (0, $1)', ['written after']);
    await again.close();
  });

  it('the job takes one a day and keeps three', async () => {
    const clock = manualClock();
    const { deps } = await testDeps(db, { clock });
    const taken = (): string[] => readdirSync(join(dataDir, 'snapshots')).sort();
    const run = (): Promise<number> => databaseSnapshot.run(deps, databaseSnapshot.batch);
    expect(await run()).toBe(1);
    clock.advance(HOUR);
    expect(await run()).toBe(0);
    for (let day = 0; day < 3; day++) {
      clock.advance(24 * HOUR);
      expect(await run()).toBe(1);
    }
    expect(taken()).toEqual(['2026-01-02T01-00-00Z', '2026-01-03T01-00-00Z', '2026-01-04T01-00-00Z']);
    // A clock set back does not end the series.
    clock.advance(-10 * 24 * HOUR);
    expect(await run()).toBe(1);
  });

  it('two at once: the second is refused, and leaves nothing', async () => {
    const first = snapshotEmbedded(db, join(dataDir, 'one'));
    await expect(snapshotEmbedded(db, join(dataDir, 'two'))).rejects.toThrow('being taken');
    await first;
    expect(existsSync(join(dataDir, 'two'))).toBe(false);
    expect(existsSync(join(dataDir, 'one.new'))).toBe(false);
  });

  it('a checkpoint comes when enough log has been written, not before and not during a copy', async () => {
    const { deps } = await testDeps(db);
    const run = (): Promise<number> => databaseCheckpoint.run(deps, databaseCheckpoint.batch);
    await db.query('test.checkpoint', 'CHECKPOINT');
    expect(await run()).toBe(0);
    const fill = `INSERT INTO probe SELECT i, repeat(md5(i::text), 40) FROM generate_series(1000000, 1035000) AS i`;
    await db.query('test.fill', fill);
    const copying = snapshotEmbedded(db, join(dataDir, 'third'));
    expect(await run()).toBe(0);
    await copying;
    await db.query('test.fill2', fill.replace('1000000, 1035000', '2000000, 2036000'));
    expect(await run()).toBe(1);
    expect(await run()).toBe(0);
  });
});

/** How often the event loop turns until `stop`. */
function countTurns(): { stop(): number } {
  let turns = 0;
  let handle: NodeJS.Immediate;
  const turn = (): void => {
    turns += 1;
    handle = setImmediate(turn);
  };
  handle = setImmediate(turn);
  return {
    stop: () => {
      clearImmediate(handle);
      return turns;
    },
  };
}

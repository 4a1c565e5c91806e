// The database behind one interface, on whichever database the run uses.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isUniqueViolation, sqlStateOf } from '#server/platform/db-errors.ts';
import { transaction } from '#server/platform/transaction.ts';
import { openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
const table =
  'CREATE TABLE probe (id int4 PRIMARY KEY, big int8, data bytea, at timestamptz, tags text[], ref uuid)';

beforeAll(async () => {
  db = await openTestDatabase();
  await db.session((session) => session.execute(table));
});
afterEach(() => db.truncate());
afterAll(() => db.close());

const insert = (id: number) => db.query('test.insert', 'INSERT INTO probe (id) VALUES ($1)', [id]);
const ids = async () =>
  (await db.query<{ id: number }>('test.ids', 'SELECT id FROM probe ORDER BY id')).map((row) => row.id);

describe('query', () => {
  it('carries every type there and back', async () => {
    const row = {
      id: 7,
      big: 9_007_199_254_740_993n,
      data: new Uint8Array([0, 255, 16]),
      at: new Date('2026-03-04T05:06:07.089Z'),
      tags: ['a', 'b,"c'],
      ref: '018f7e66-0000-7000-8000-000000000001',
    };
    const sql = 'INSERT INTO probe VALUES ($1, $2, $3, $4, $5, $6) RETURNING *';
    const params = [row.id, row.big, row.data, row.at, row.tags, row.ref];
    const [back] = await db.query<typeof row>('test.types', sql, params);
    expect({ ...back, data: new Uint8Array(back?.data ?? []) }).toEqual(row);
    const [inside] = await transaction(db, (tx) =>
      tx.query<typeof row>('test.types-tx', 'SELECT * FROM probe WHERE id = $1', [7]),
    );
    expect({ ...inside, data: new Uint8Array(inside?.data ?? []) }).toEqual(row);
  });

  it('takes arrays for unnest, byte strings among them', async () => {
    const sql =
      'INSERT INTO probe (id, data) SELECT * FROM unnest($1::int4[], $2::bytea[]) RETURNING id, data';
    const data = [new Uint8Array([1]), new Uint8Array([2, 3]), null];
    const rows = await db.query<{ id: number; data: Uint8Array | null }>('test.unnest', sql, [
      [1, 2, 3],
      data,
    ]);
    expect(rows.map((row) => row.data && [...row.data])).toEqual([[1], [2, 3], null]);
  });

  it('names the SQL state of a refusal, raw and through Prisma', async () => {
    await insert(1);
    expect(isUniqueViolation(await insert(1).catch((cause: unknown) => cause))).toBe(true);
    const inside = transaction(db, (tx) => tx.query('x', 'INSERT INTO probe (id) VALUES (1)'));
    expect(sqlStateOf(await inside.catch((cause: unknown) => cause))).toBe('23505');
  });

  it('answers many at once', async () => {
    await Promise.all(Array.from({ length: 60 }, (_, id) => insert(id)));
    expect(await ids()).toHaveLength(60);
  });
});

describe('transaction', () => {
  it('commits, then acts, in order', async () => {
    const seen: string[] = [];
    const result = await transaction(db, async (tx) => {
      await tx.query('x', 'INSERT INTO probe (id) VALUES (1)');
      tx.afterCommit(() => seen.push('first'));
      tx.afterCommit(() => seen.push('second'));
      expect(seen).toEqual([]);
      return 'done';
    });
    expect([result, ...seen]).toEqual(['done', 'first', 'second']);
    expect(await ids()).toEqual([1]);
  });

  it('leaves nothing and announces nothing when it fails', async () => {
    const seen: string[] = [];
    const failing = transaction(db, async (tx) => {
      await tx.query('x', 'INSERT INTO probe (id) VALUES (1)');
      tx.afterCommit(() => seen.push('announced'));
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await ids()).toEqual([]);
    expect(seen).toEqual([]);
  });

  it('runs again after a serialisation failure, and announces once', async () => {
    let runs = 0;
    let announced = 0;
    await transaction(db, async (tx) => {
      runs += 1;
      tx.afterCommit(() => (announced += 1));
      await tx.query('x', 'INSERT INTO probe (id) VALUES ($1)', [runs]);
      if (runs < 3)
        await tx.query('y', "DO $$ BEGIN RAISE EXCEPTION 'clash' USING ERRCODE = '40001'; END $$");
    });
    expect([runs, announced]).toEqual([3, 1]);
    expect(await ids()).toEqual([3]);
  });

  it('gives up after six tries', async () => {
    let runs = 0;
    const clash = transaction(db, async (tx) => {
      runs += 1;
      await tx.query('y', "DO $$ BEGIN RAISE EXCEPTION 'clash' USING ERRCODE = '40P01'; END $$");
    });
    expect(sqlStateOf(await clash.catch((cause: unknown) => cause))).toBe('40P01');
    expect(runs).toBe(6);
  });
});

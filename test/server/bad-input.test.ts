// Bad input for every procedure: wrong types, oversize, unknown ids, others' ids. Each is refused with a typed
// error and leaves every table as it was. A procedure without a row here fails the first test.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { appRouter } from '#server/router.ts';
import { AppError, type AppErrorCode } from '#shared/errors.ts';
import type { Actor } from '#server/deps.ts';
import { TRPCError } from '@trpc/server';
import * as z from 'zod/mini';
import { caller, testDeps, type TestDeps } from '../support/deps.ts';
import { countRows } from '../support/row-counts.ts';
import { openTestDatabase, type TestDatabase } from '../support/test-db.ts';
import { rows, withUnknownIds, type Foreign, type World } from './bad-input-table.ts';
import { buildWorld } from './bad-input-world.ts';

let db: TestDatabase;
let deps: TestDeps['deps'];
let world: World;

beforeAll(async () => {
  db = await openTestDatabase();
  ({ deps } = await testDeps(db));
  world = await buildWorld(deps);
});
afterAll(() => db.close());
/** One procedure's wrong secrets must not lock the next one's caller out. */
afterEach(async () => {
  for (const { username } of [world.ada, world.eve]) {
    await deps.lockout.succeed(username, '127.0.0.1');
    await deps.lockout.succeed(`codes of ${username}`, '');
  }
});

const procedures = appRouter._def.procedures as unknown as Record<
  string,
  { _def: { inputs: z.core.$ZodType[]; meta?: { public?: true; needsDevice?: true } } }
>;

/** Calls a procedure by its path as `actor`. */
function call(path: string, input: unknown, actor: Actor | null): Promise<unknown> {
  let target: unknown = caller(deps, actor);
  for (const part of path.split('.')) target = (target as Record<string, unknown>)[part];
  return (target as (input: unknown) => Promise<unknown>)(input);
}

/** The typed code a call is refused with, 'answers' when it succeeds, 'internal' for anything untyped. */
async function outcomeOf(
  path: string,
  input: unknown,
  actor: Actor | null,
): Promise<AppErrorCode | 'answers'> {
  try {
    await call(path, input, actor);
    return 'answers';
  } catch (cause) {
    const inner = cause instanceof TRPCError ? cause.cause : cause;
    return inner instanceof AppError ? inner.payload.code : 'internal';
  }
}

const wrongValues: readonly unknown[] = [
  null,
  '',
  'x'.repeat(200_000),
  'not-a-uuid',
  '\u0000',
  -1,
  1.5,
  Number.NaN,
  9_007_199_254_740_991,
  true,
  [],
  {},
  { toString: 'x' },
  Array.from({ length: 10_001 }, () => 'x'),
];

/** `value` with every node in turn replaced by every wrong value. */
function* mutations(value: unknown): Generator<unknown> {
  yield* wrongValues;
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) for (const bad of mutations(item)) yield value.with(i, bad);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      for (const bad of mutations(item)) yield { ...value, [key]: bad };
    }
  }
}

const expected = (foreign: Foreign): readonly string[] => (typeof foreign === 'string' ? [foreign] : foreign);
const paths = Object.keys(procedures).sort();

describe('the table', () => {
  it('has a row for every procedure and no other', () => {
    expect(Object.keys(rows).sort()).toEqual(paths);
  });

  it('says of every procedure whether it takes input', () => {
    const takes = paths.filter((path) => (procedures[path]?._def.inputs.length ?? 0) > 0);
    expect(paths.filter((path) => rows[path]?.input)).toEqual(takes);
  });
});

describe.each(paths)('%s', (path) => {
  const row = rows[path] ?? { input: null };
  const meta = () => procedures[path]?._def.meta;

  it('refuses strangers and sessions without what it needs', async () => {
    const input = row.input?.(world);
    if (meta()?.public) return;
    expect(await outcomeOf(path, input, null)).toBe('unauthenticated');
    const unbound = { ...world.eve.actor, deviceId: null };
    if (meta()?.needsDevice) expect(await outcomeOf(path, input, unbound)).toBe('device_required');
  });

  it.runIf(row.input)('refuses wrong types and sizes, and changes nothing', async () => {
    const schema = procedures[path]?._def.inputs[0];
    const sample = row.input?.(world);
    if (!schema) throw new Error('no schema');
    const bad = [...mutations(sample), ...(row.refused?.(world) ?? [])].filter(
      (v) => !z.core.safeParse(schema, v).success,
    );
    expect(bad.length).toBeGreaterThan(wrongValues.length / 2);
    for (const value of row.refused?.(world) ?? [])
      expect(z.core.safeParse(schema, value).success).toBe(false);
    const before = await countRows(db);
    for (const value of bad) expect(await outcomeOf(path, value, world.eve.actor)).toBe('bad_input');
    expect(await countRows(db)).toEqual(before);
  });

  it.runIf(row.input)(
    'answers its own people at the edges of its types, never with a failure inside',
    async () => {
      const schema = procedures[path]?._def.inputs[0];
      const edges = [...mutations(row.input?.(world))].filter(
        (v) => schema && z.core.safeParse(schema, v).success,
      );
      const failed: unknown[] = [];
      for (const value of edges) {
        if ((await outcomeOf(path, value, world.ada.actor)) === 'internal') failed.push(value);
      }
      expect(failed).toEqual([]);
    },
  );

  it.runIf(row.foreign)('refuses others’ and unknown ids, at the edges of their types too', async () => {
    const schema = procedures[path]?._def.inputs[0];
    const foreign = row.input?.(world);
    if (!schema || !row.foreign) throw new Error('no schema');
    const before = await countRows(db);
    expect(expected(row.foreign)).toContain(await outcomeOf(path, foreign, world.eve.actor));
    const unknown = await outcomeOf(path, withUnknownIds(foreign), world.eve.actor);
    expect(expected(row.unknown ?? row.foreign)).toContain(unknown);
    const edges = [...mutations(foreign)].filter((v) => z.core.safeParse(schema, v).success);
    const codes = new Set<string>();
    for (const value of edges) codes.add(await outcomeOf(path, value, world.eve.actor));
    expect(codes).not.toContain('internal');
    expect(await countRows(db)).toEqual(before);
  });
});

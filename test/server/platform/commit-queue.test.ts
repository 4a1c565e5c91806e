// Group commit: natural batches, order within a key, no row lost or settled twice, a bad row alone in its failure.
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  CommitQueue,
  CommitQueueClosedError,
  CommitQueueFullError,
  type CommitQueueOptions,
} from '#server/platform/commit-queue.ts';

interface Row {
  readonly key: string;
  readonly n: number;
}

/** A queue whose commits wait until they are let through. */
function setUp(options: Partial<CommitQueueOptions<Row, string>> = {}) {
  const batches: Row[][] = [];
  const gates: (() => void)[] = [];
  const queue = new CommitQueue<Row, string>({
    lanes: 1,
    laneKey: (row) => row.key,
    commit: async (rows) => {
      batches.push([...rows]);
      await new Promise<void>((resolve) => gates.push(resolve));
      return rows.map((row) => `${row.key}${row.n}`);
    },
    ...options,
  });
  const letThrough = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    gates.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { queue, batches, letThrough };
}

const row = (n: number, key = 'a'): Row => ({ key, n });

describe('commit queue', () => {
  it('commits at once when idle, and in one batch what came meanwhile', async () => {
    const { queue, batches, letThrough } = setUp();
    const first = queue.push(row(0));
    await new Promise((resolve) => setImmediate(resolve));
    const rest = Array.from({ length: 9 }, (_, at) => queue.push(row(at + 1)));
    await letThrough();
    expect(await first).toBe('a0');
    await letThrough();
    expect(await Promise.all(rest)).toEqual(Array.from({ length: 9 }, (_, at) => `a${at + 1}`));
    expect(batches.map((batch) => batch.map(({ n }) => n))).toEqual([[0], [1, 2, 3, 4, 5, 6, 7, 8, 9]]);
  });

  it('never exceeds the batch size and keeps the order', async () => {
    const batches: number[][] = [];
    const { queue } = setUp({
      maxBatch: 4,
      commit: async (rows) => {
        batches.push(rows.map(({ n }) => n));
        return rows.map(() => '');
      },
    });
    await Promise.all(Array.from({ length: 10 }, (_, n) => queue.push(row(n))));
    expect(batches).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
  });

  it('retries a failed batch row by row: only the bad row fails', async () => {
    const { queue } = setUp({
      commit: async (rows) => {
        if (rows.some(({ n }) => n === 3)) throw new Error(`bad among ${rows.length}`);
        return rows.map(({ n }) => `ok ${n}`);
      },
    });
    const results = await Promise.allSettled(Array.from({ length: 6 }, (_, n) => queue.push(row(n))));
    expect(results.map((each) => each.status === 'fulfilled')).toEqual([true, true, true, false, true, true]);
    expect(results[3]).toMatchObject({ reason: { message: 'bad among 1' } });
    expect(queue.depth).toBe(0);
  });

  it('works the lanes side by side, one batch at a time in each', async () => {
    const running = new Map<string, number>();
    let most = 0;
    const { queue } = setUp({
      lanes: 4,
      commit: async (rows) => {
        for (const { key } of rows) expect(running.get(key) ?? 0).toBe(0);
        for (const { key } of rows) running.set(key, 1);
        most = Math.max(most, [...running.values()].filter(Boolean).length);
        await new Promise((resolve) => setTimeout(resolve, 2));
        for (const { key } of rows) running.set(key, 0);
        return rows.map(({ key, n }) => `${key}${n}`);
      },
    });
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    const rows = Array.from({ length: 120 }, (_, n) => row(n, keys[n % keys.length]));
    expect(await Promise.all(rows.map((each) => queue.push(each)))).toEqual(
      rows.map(({ key, n }) => `${key}${n}`),
    );
    expect(most).toBeGreaterThan(1);
  });

  it('refuses more than its depth, and everything once it drains', async () => {
    const { queue, letThrough } = setUp({ maxDepth: 2 });
    const taken = [queue.push(row(0)), queue.push(row(1))];
    await expect(queue.push(row(2))).rejects.toBeInstanceOf(CommitQueueFullError);
    const drained = queue.drain();
    await expect(queue.push(row(3))).rejects.toBeInstanceOf(CommitQueueClosedError);
    await letThrough();
    await drained;
    expect(await Promise.all(taken)).toEqual(['a0', 'a1']);
    await queue.drain();
  });

  it('fails rows whose results do not match in number, instead of mixing them up', async () => {
    const { queue } = setUp({ commit: async () => [] });
    await expect(queue.push(row(0))).rejects.toThrow('number of results');
  });

  it('gathers while rows come together, and never keeps a row waiting that comes alone', async () => {
    vi.useFakeTimers();
    const batches: number[][] = [];
    const { queue } = setUp({
      gatherMs: 10,
      commit: (rows) => {
        batches.push(rows.map(({ n }) => n));
        return Promise.resolve(rows.map(() => ''));
      },
    });
    const pushAfter = async (ms: number, ...numbers: number[]): Promise<void> => {
      await vi.advanceTimersByTimeAsync(ms);
      for (const n of numbers) void queue.push(row(n));
      await vi.advanceTimersByTimeAsync(0);
    };
    await pushAfter(0, 0);
    await pushAfter(1, 1);
    expect(batches).toEqual([[0], [1]]);
    await pushAfter(1, 2, 3);
    await pushAfter(1, 4);
    await pushAfter(1, 5);
    expect(batches).toEqual([[0], [1], [2, 3]]);
    await vi.advanceTimersByTimeAsync(10);
    expect(batches).toEqual([[0], [1], [2, 3], [4, 5]]);
    // One alone in the time after: the next is not kept.
    await pushAfter(10, 6);
    await pushAfter(1, 7);
    expect(batches.slice(4)).toEqual([[6], [7]]);
    vi.useRealTimers();
  });

  describe('with keys that rest', () => {
    afterEach(() => void vi.useRealTimers());

    /** A queue in which 'busy' rests 50 ms after each commit. */
    const setUpResting = () => {
      vi.useFakeTimers();
      const batches: string[][] = [];
      const queue = new CommitQueue<Row, string>({
        lanes: 1,
        laneKey: ({ key }) => key,
        commit: (rows) => {
          batches.push(rows.map(({ key, n }) => `${key}${n}`));
          return Promise.resolve(rows.map(({ n }) => String(n)));
        },
        restMs: ({ key }) => (key === 'busy' ? 50 : 0),
      });
      return { queue, batches };
    };

    it('holds a key back after its commit, in order and in one batch, and no other key', async () => {
      const { queue, batches } = setUpResting();
      const sent = [queue.push(row(0, 'busy'))];
      await vi.advanceTimersByTimeAsync(1);
      for (const n of [1, 2, 3]) sent.push(queue.push(row(n, 'busy')));
      const quiet = queue.push(row(9, 'quiet'));
      await vi.advanceTimersByTimeAsync(40);
      expect(batches).toEqual([['busy0'], ['quiet9']]);
      expect(await quiet).toBe('9');
      expect(queue.depth).toBe(3);
      await vi.advanceTimersByTimeAsync(10);
      expect(batches).toEqual([['busy0'], ['quiet9'], ['busy1', 'busy2', 'busy3']]);
      expect(await Promise.all(sent)).toEqual(['0', '1', '2', '3']);
      // And lets the first go at once when the key was quiet longer than that.
      await vi.advanceTimersByTimeAsync(60);
      void queue.push(row(4, 'busy'));
      await vi.advanceTimersByTimeAsync(0);
      expect(batches.at(-1)).toEqual(['busy4']);
    });

    it('keeps the order of what waited in the lane when the rest began', async () => {
      const { queue, batches } = setUpResting();
      const sent = [queue.push(row(0, 'busy'))];
      await Promise.resolve();
      // Arrives while the first commits: it is moved out of the lane, before what comes later.
      sent.push(queue.push(row(1, 'busy')));
      await vi.advanceTimersByTimeAsync(1);
      sent.push(queue.push(row(2, 'busy')));
      await vi.advanceTimersByTimeAsync(50);
      expect(await Promise.all(sent)).toEqual(['0', '1', '2']);
      expect(batches).toEqual([['busy0'], ['busy1', 'busy2']]);
    });

    it('drains at once, whoever rests', async () => {
      const { queue, batches } = setUpResting();
      void queue.push(row(0, 'busy'));
      await vi.advanceTimersByTimeAsync(1);
      const last = queue.push(row(1, 'busy'));
      const drained = queue.drain();
      await vi.advanceTimersByTimeAsync(0);
      await drained;
      expect(await last).toBe('1');
      expect(batches).toEqual([['busy0'], ['busy1']]);
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});

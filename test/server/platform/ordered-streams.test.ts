// Order of release: gapless where the events come, briefly patient where they do not, never stuck.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import fc from 'fast-check';
import { OrderedStreams, type OrderedEvent } from '#server/platform/ordered-streams.ts';

const event = (seq: number, stream = 'a'): OrderedEvent<string> => ({
  stream,
  seq,
  topics: ['t'],
  event: `e${seq}`,
});

function setUp(log: readonly OrderedEvent<string>[] = [], fails = false) {
  const released: OrderedEvent<string>[] = [];
  const reads: [string, number, number][] = [];
  const errors: unknown[] = [];
  const streams = new OrderedStreams<string>({
    holdMs: 200,
    release: (each) => released.push(each),
    readMissing: async (stream, fromSeq, toSeq) => {
      reads.push([stream, fromSeq, toSeq]);
      if (fails) throw new Error('no database');
      return log.filter((each) => each.stream === stream && each.seq >= fromSeq && each.seq <= toSeq);
    },
    onHole: () => undefined,
    onError: (cause) => errors.push(cause),
  });
  return { streams, reads, errors, seqs: () => released.map((each) => each.seq), released };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('ordered streams', () => {
  it('passes on what comes in order at once, each stream for itself', () => {
    const { streams, released } = setUp();
    for (const each of [event(4), event(9, 'b'), event(5), event(10, 'b')]) streams.accept(each);
    expect(released.map(({ stream, seq }) => `${stream}${seq}`)).toEqual(['a4', 'b9', 'a5', 'b10']);
  });

  it('forgets streams quiet for a whole round, never one that waits, and loses nothing by it', () => {
    const { streams, released } = setUp();
    for (const each of [event(1), event(1, 'b'), event(3, 'b'), event(1, 'c')]) streams.accept(each);
    expect(streams.forgetIdle(10)).toBe(0);
    streams.accept(event(2, 'c'));
    // a is quiet; b waits for 2; c had an event in this round.
    expect(streams.forgetIdle(10)).toBe(1);
    for (const each of [event(2, 'b'), event(2), event(3, 'c'), event(3)]) streams.accept(each);
    expect(released.map(({ stream, seq }) => `${stream}${seq}`)).toEqual(
      'a1 b1 c1 c2 b2 b3 a2 c3 a3'.split(' '),
    );
    for (const limit of [10, 2, 10]) streams.forgetIdle(limit);
    expect(streams.forgetIdle(10)).toBe(0);
  });

  it('holds what came early until the hole is filled, and drops repetitions', () => {
    const { streams, seqs } = setUp();
    for (const seq of [1, 3, 4, 3]) streams.accept(event(seq));
    expect(seqs()).toEqual([1]);
    for (const seq of [2, 2, 1, 5]) streams.accept(event(seq));
    expect(seqs()).toEqual([1, 2, 3, 4, 5]);
  });

  it('passes on what lies before its first event: it cannot know better', () => {
    const { streams, seqs } = setUp();
    for (const seq of [6, 5, 7]) streams.accept(event(seq));
    expect(seqs()).toEqual([6, 5, 7]);
  });

  it('reads a hole once after the wait, then goes on', async () => {
    const { streams, reads, seqs } = setUp([2, 3, 4, 5].map((seq) => event(seq)));
    for (const seq of [1, 4, 6]) streams.accept(event(seq));
    await vi.advanceTimersByTimeAsync(199);
    expect(reads).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(reads).toEqual([['a', 2, 3]]);
    expect(seqs()).toEqual([1, 2, 3, 4]);
    await vi.advanceTimersByTimeAsync(200);
    expect(seqs()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each([false, true])('gives a hole up that cannot be read (reading fails: %s)', async (fails) => {
    const { streams, errors, seqs } = setUp([], fails);
    for (const seq of [1, 3]) streams.accept(event(seq));
    await vi.advanceTimersByTimeAsync(200);
    expect(seqs()).toEqual([1, 3]);
    expect(errors).toHaveLength(fails ? 1 : 0);
    streams.accept(event(2));
    streams.accept(event(4));
    expect(seqs()).toEqual([1, 3, 4]);
  });

  it('does not release twice what arrives while the hole is being read', async () => {
    const { streams, seqs } = setUp([event(2)]);
    streams.accept(event(1));
    streams.accept(event(3));
    vi.advanceTimersByTime(200);
    streams.accept(event(2));
    await vi.advanceTimersByTimeAsync(500);
    expect(seqs()).toEqual([1, 2, 3]);
  });

  it('releases every permutation of a window in order and without loss', async () => {
    const window = Array.from({ length: 12 }, (_, at) => at + 2);
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(window, { minLength: 1 }), async (order) => {
        const { streams, seqs } = setUp(window.map((seq) => event(seq)));
        for (const seq of [1, ...order]) streams.accept(event(seq));
        await vi.advanceTimersByTimeAsync(5_000);
        expect(seqs()).toEqual(Array.from({ length: Math.max(...order) }, (_, at) => at + 1));
      }),
      { numRuns: 200 },
    );
  });
});

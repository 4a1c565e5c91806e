// Serialises work on the same records inside one context and repeats it when another context (a second tab, a second
// worker) committed first. The queue is for speed and fairness; what keeps a ratchet safe is the version check.
import { CryptoError } from './errors.ts';
import type { CommitBatch, ProtocolStore, StoredRecord } from './store.ts';

/** Attempts after the first one when a commit meets a newer record. */
export const MAX_STALE_RETRIES = 5;

/** What one transaction step decides from the records it was shown. */
export interface StepOutcome<T> {
  readonly put: CommitBatch['put'];
  readonly remove?: readonly string[];
  readonly result: T;
}

/** The records a step asked for; absent keys are missing. */
export type StepRecords = ReadonlyMap<string, StoredRecord>;

/** Runs tasks that share a key one after the other, in the order they were asked for; unrelated tasks overlap. */
export class RecordQueue {
  readonly #tails = new Map<string, Promise<unknown>>();

  /**
   * Runs `task` when every earlier task naming one of `keys` has ended, whether it succeeded or not. Keys are taken
   * together at the call, so tasks over several keys cannot wait for each other in a circle. A task that throws
   * `stale_record` is run again, at most MAX_STALE_RETRIES times.
   */
  run<T>(keys: readonly string[], task: () => Promise<T>): Promise<T> {
    const unique = [...new Set(keys)];
    const before = unique.map((key) => this.#tails.get(key) ?? Promise.resolve());
    const result = Promise.allSettled(before).then(() => repeatWhileStale(task));
    const tail = result.catch(() => undefined).finally(() => this.#release(unique, tail));
    for (const key of unique) this.#tails.set(key, tail);
    return result;
  }

  /** Keys with work under way or waiting. */
  get size(): number {
    return this.#tails.size;
  }

  #release(keys: readonly string[], tail: Promise<unknown>): void {
    for (const key of keys) if (this.#tails.get(key) === tail) this.#tails.delete(key);
  }
}

async function repeatWhileStale<T>(task: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await task();
    } catch (error) {
      const stale = error instanceof CryptoError && error.code === 'stale_record';
      if (!stale || attempt === MAX_STALE_RETRIES) throw error;
    }
  }
}

/** A store with the queue of the context that uses it. */
export interface RecordAccess {
  readonly store: ProtocolStore;
  readonly queue: RecordQueue;
}

/**
 * Reads `keys`, lets `step` decide, commits its outcome under the versions that were read, and only then resolves
 * with the result: nothing a step computed (a packet, a plaintext) leaves before its record is durable. `step` may
 * run several times and must have no effect but its return value. A step that changes nothing commits nothing.
 */
export function transact<T>(
  access: RecordAccess,
  keys: readonly string[],
  step: (records: StepRecords) => StepOutcome<T> | Promise<StepOutcome<T>>,
): Promise<T> {
  return access.queue.run(keys, async () => {
    const records = await access.store.read(keys);
    const { put, remove = [], result } = await step(records);
    if (put.length > 0 || remove.length > 0) {
      const expect = [...new Set(keys)].map((key) => ({ key, version: records.get(key)?.version ?? 0 }));
      await access.store.commit({ expect, put, remove });
    }
    return result;
  });
}

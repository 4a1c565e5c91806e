// Rows by id for whoever asks often: questions that come while the database answers others share the next query, so that a
// thousand clients coming back cost a few queries (0014).
import { CommitQueue } from './commit-queue.ts';

/** Answers null for an id without a row. The row is read after the question was put, never before. */
export type BatchedLookup<Id extends string, Row> = CommitQueue<Id, Row | null>;

export interface BatchedLookupOptions<Id extends string, Row> {
  readonly maxBatch: number;
  /** The rows there are of these ids, each id once. */
  readonly load: (ids: readonly Id[]) => Promise<readonly Row[]>;
  readonly idOf: (row: Row) => string;
}

export function batchedLookup<Id extends string, Row>(
  options: BatchedLookupOptions<Id, Row>,
): BatchedLookup<Id, Row> {
  return new CommitQueue<Id, Row | null>({
    lanes: 1,
    maxBatch: options.maxBatch,
    laneKey: () => '',
    commit: async (ids) => {
      const rows = await options.load([...new Set(ids)]);
      const found = new Map(rows.map((row) => [options.idOf(row), row]));
      return ids.map((id) => found.get(id) ?? null);
    },
  });
}

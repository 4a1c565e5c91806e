// Where protocol records live. The interface is abstract so that the same engine runs on IndexedDB in the worker and on
// memory in tests; optimistic versions make it impossible for two writers to advance one ratchet from the same state.

/** One record as the store holds it. */
export interface StoredRecord {
  /** Positive; never repeats for a key, not even after the record was removed and written again. */
  readonly version: number;
  /** Anything structured clone carries; records of src/crypto hold numbers, strings, bytes, arrays and plain objects. */
  readonly value: unknown;
}

/** What a key must look like for a commit to happen. */
export interface Expectation {
  readonly key: string;
  /** The version that was read; 0 means the key must be absent. */
  readonly version: number;
}

/** One all-or-nothing write. A key may be in `put` or in `remove`, not in both. */
export interface CommitBatch {
  readonly expect: readonly Expectation[];
  readonly put: readonly { readonly key: string; readonly value: unknown }[];
  readonly remove: readonly string[];
}

/** A versioned record store with optimistic commit. */
export interface ProtocolStore {
  /** One consistent view of these keys; absent keys are missing from the map. */
  read(keys: readonly string[]): Promise<ReadonlyMap<string, StoredRecord>>;

  /** One consistent view of every record whose key starts with `prefix`, in key order. */
  list(prefix: string): Promise<ReadonlyMap<string, StoredRecord>>;

  /**
   * Applies the whole batch or nothing of it, and resolves only when it is durable.
   * Throws CryptoError('stale_record') and changes nothing when any expectation fails.
   */
  commit(batch: CommitBatch): Promise<void>;
}

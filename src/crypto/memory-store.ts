// The reference ProtocolStore: deep copies on the way in and out, so no caller can change a stored byte by accident
// and a value that structured clone refuses fails here as it would in IndexedDB.
import { CryptoError, ensure } from './errors.ts';
import type { CommitBatch, ProtocolStore, StoredRecord } from './store.ts';

/** A full copy of a store's contents, for crash and rollback simulation. */
export interface MemorySnapshot {
  readonly commits: number;
  readonly records: ReadonlyMap<string, StoredRecord>;
}

/** Keeps records in memory. Versions are the number of the commit that wrote the record. */
export class MemoryStore implements ProtocolStore {
  #records = new Map<string, StoredRecord>();
  #commits = 0;

  read(keys: readonly string[]): Promise<ReadonlyMap<string, StoredRecord>> {
    const found = new Map<string, StoredRecord>();
    for (const key of keys) {
      const record = this.#records.get(key);
      if (record) found.set(key, structuredClone(record));
    }
    return Promise.resolve(found);
  }

  list(prefix: string): Promise<ReadonlyMap<string, StoredRecord>> {
    const keys = [...this.#records.keys()].filter((key) => key.startsWith(prefix)).sort();
    return this.read(keys);
  }

  async commit(batch: CommitBatch): Promise<void> {
    const removed = new Set(batch.remove);
    for (const { key } of batch.put) ensure(!removed.has(key), 'mismatch', 'one key put and removed');
    for (const { key, version } of batch.expect) {
      if ((this.#records.get(key)?.version ?? 0) !== version) {
        throw new CryptoError('stale_record', 'a record changed since it was read');
      }
    }
    const values = batch.put.map(({ key, value }) => [key, structuredClone(value)] as const);
    const version = ++this.#commits;
    for (const [key, value] of values) this.#records.set(key, { version, value });
    for (const key of removed) this.#records.delete(key);
  }

  /** A copy of everything, as a backup of the browser profile would hold it. */
  snapshot(): MemorySnapshot {
    return { commits: this.#commits, records: structuredClone(this.#records) };
  }

  /** Puts a snapshot back: what a restored profile or a cloned machine sees. */
  restore(snapshot: MemorySnapshot): void {
    this.#records = structuredClone(snapshot.records) as Map<string, StoredRecord>;
    this.#commits = snapshot.commits;
  }
}

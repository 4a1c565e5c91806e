// The protocol store in IndexedDB: versioned records, encrypted at rest under a non-extractable key, committed all or
// nothing in one strict-durability transaction that re-checks every version.
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import { CryptoError, type CommitBatch, type ProtocolStore, type StoredRecord } from '#crypto/index.ts';
import { newStoreKey, openRecord, sealRecord } from './record-codec.ts';

interface Row {
  readonly version: number;
  readonly sealed: Uint8Array;
}

interface Schema extends DBSchema {
  records: { key: string; value: Row };
  meta: { key: string; value: CryptoKey | number };
}

const STORE_KEY = 'store-key';
/** Versions come from one counter, so that none ever repeats for a key. */
const COUNTER = 'version';

const stale = (): CryptoError => new CryptoError('stale_record', 'record changed since it was read');

export class IdbStore implements ProtocolStore {
  readonly #db: IDBPDatabase<Schema>;
  readonly #key: CryptoKey;

  private constructor(db: IDBPDatabase<Schema>, key: CryptoKey) {
    this.#db = db;
    this.#key = key;
  }

  /** Opens (or makes) the database of this origin. */
  static async open(name = 'chatalot-crypto'): Promise<IdbStore> {
    const db = await openDB<Schema>(name, 1, {
      upgrade(created) {
        created.createObjectStore('records');
        created.createObjectStore('meta');
      },
    });
    const candidate = await newStoreKey();
    const tx = db.transaction('meta', 'readwrite');
    const known = await tx.store.get(STORE_KEY);
    if (!(known instanceof CryptoKey)) await tx.store.put(candidate, STORE_KEY);
    await tx.done;
    return new IdbStore(db, known instanceof CryptoKey ? known : candidate);
  }

  async read(keys: readonly string[]): Promise<ReadonlyMap<string, StoredRecord>> {
    const tx = this.#db.transaction('records');
    const rows = await Promise.all(keys.map(async (key) => [key, await tx.store.get(key)] as const));
    return this.#open(rows);
  }

  async list(prefix: string): Promise<ReadonlyMap<string, StoredRecord>> {
    const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
    const tx = this.#db.transaction('records');
    const [names, rows] = await Promise.all([tx.store.getAllKeys(range), tx.store.getAll(range)]);
    return this.#open(names.map((name, at) => [name, rows[at]] as const));
  }

  async #open(rows: readonly (readonly [string, Row | undefined])[]): Promise<Map<string, StoredRecord>> {
    const found = rows.flatMap(([key, row]) => (row ? [[key, row] as const] : []));
    const opened = found.map(async ([key, { version, sealed }]) => {
      const value = await openRecord(this.#key, key, sealed);
      return [key, { version, value }] as const;
    });
    return new Map(await Promise.all(opened));
  }

  async commit(batch: CommitBatch): Promise<void> {
    const seal = async ({ key, value }: { key: string; value: unknown }) =>
      [key, await sealRecord(this.#key, key, value)] as const;
    const sealed = await Promise.all(batch.put.map(seal));
    const tx = this.#db.transaction(['records', 'meta'], 'readwrite', { durability: 'strict' });
    const records = tx.objectStore('records');
    const meta = tx.objectStore('meta');
    // Adding says whether it was there: of thousands of new records, as a restore writes them, none is looked up first.
    const written = new Set(batch.put.map(({ key }) => key));
    const added = new Set(
      batch.expect.flatMap(({ key, version }) => (version || !written.has(key) ? [] : [key])),
    );
    const known = batch.expect.filter(({ key }) => !added.has(key));
    const present = await Promise.all(known.map(({ key }) => records.get(key)));
    const isStale = known.some(({ version }, at) => (present[at]?.version ?? 0) !== version);
    if (isStale) {
      tx.abort();
      await tx.done.catch(() => undefined);
      throw stale();
    }
    const counter = await meta.get(COUNTER);
    const version = (typeof counter === 'number' ? counter : 0) + 1;
    const writes: Promise<unknown>[] = [meta.put(version, COUNTER)];
    for (const [key, sealedBytes] of sealed) {
      const row = { version, sealed: sealedBytes };
      writes.push(added.has(key) ? records.add(row, key) : records.put(row, key));
    }
    for (const key of batch.remove) writes.push(records.delete(key));
    const failures = (await Promise.allSettled([...writes, tx.done])).flatMap((one) =>
      one.status === 'rejected' ? [one.reason as unknown] : [],
    );
    if (failures.length === 0) return;
    throw failures.some((cause) => (cause as Error).name === 'ConstraintError') ? stale() : failures[0];
  }

  close(): void {
    this.#db.close();
  }
}

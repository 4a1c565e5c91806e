// One all-or-nothing piece of work on the account's records: reads remember versions, writes are kept aside, and
// nothing leaves the engine before everything is committed together. Work is serialised; when another context
// committed first, the whole piece is run again.
import { RecordQueue, type ProtocolStore } from '#crypto/index.ts';

/** Records of one open account. Keys are relative to it. */
export class UnitOfWork {
  readonly #store: ProtocolStore;
  readonly #prefix: string;
  readonly #versions = new Map<string, number>();
  readonly #values = new Map<string, unknown>();
  readonly #changed = new Set<string>();

  constructor(store: ProtocolStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /** The record with this key as stored or as put in this unit. */
  async get<T>(key: string): Promise<T | undefined> {
    if (!this.#values.has(key)) await this.#load([key]);
    return this.#values.get(key) as T | undefined;
  }

  /** Reads many keys at once; `get` then answers from memory. */
  async prefetch(keys: readonly string[]): Promise<void> {
    const unknown = keys.filter((key) => !this.#values.has(key));
    if (unknown.length > 0) await this.#load(unknown);
  }

  /** Every record whose key starts with `prefix`, with what this unit put or removed. */
  async list<T>(prefix: string): Promise<Map<string, T>> {
    const stored = await this.#store.list(this.#prefix + prefix);
    for (const [full, record] of stored) {
      const key = full.slice(this.#prefix.length);
      if (this.#values.has(key)) continue;
      this.#versions.set(key, record.version);
      this.#values.set(key, record.value);
    }
    const found = [...this.#values].filter(([key, value]) => key.startsWith(prefix) && value !== undefined);
    return new Map(found as [string, T][]);
  }

  put(key: string, value: unknown): void {
    this.#values.set(key, value);
    this.#changed.add(key);
  }

  remove(key: string): void {
    this.put(key, undefined);
  }

  /** Commits under the versions that were read. Throws `stale_record` and changes nothing when one moved on. */
  async commit(): Promise<void> {
    if (this.#changed.size === 0) return;
    const changed = [...this.#changed];
    await this.#store.commit({
      expect: [...this.#versions].map(([key, version]) => ({ key: this.#prefix + key, version })),
      put: changed.flatMap((key) => {
        const value = this.#values.get(key);
        return value === undefined ? [] : [{ key: this.#prefix + key, value }];
      }),
      remove: changed.filter((key) => this.#values.get(key) === undefined).map((key) => this.#prefix + key),
    });
  }

  async #load(keys: readonly string[]): Promise<void> {
    const stored = await this.#store.read(keys.map((key) => this.#prefix + key));
    for (const key of keys) {
      const record = stored.get(this.#prefix + key);
      this.#versions.set(key, record?.version ?? 0);
      this.#values.set(key, record?.value);
    }
  }
}

/** Runs units one after the other. */
export class Workshop {
  readonly #store: ProtocolStore;
  readonly #queue = new RecordQueue();

  constructor(store: ProtocolStore) {
    this.#store = store;
  }

  /** Runs `work` and commits what it put. `work` may run again, so its only effect is the unit and its result. */
  run<T>(prefix: string, work: (unit: UnitOfWork) => Promise<T>): Promise<T> {
    return this.#queue.run([prefix], async () => {
      const unit = new UnitOfWork(this.#store, prefix);
      const result = await work(unit);
      await unit.commit();
      return result;
    });
  }
}

// A ProtocolStore that dies where it is told to: every call has two points, before it takes effect and after it took
// effect but before the caller hears of it. After a crash nothing works until restart(), as in a closed tab. A commit
// itself is never torn: all-or-nothing is what the interface promises and IndexedDB gives.
import { MemoryStore, type MemorySnapshot } from '#crypto/memory-store.ts';
import type { CommitBatch, ProtocolStore, StoredRecord } from '#crypto/store.ts';

/** The process is gone. Deliberately not a CryptoError: nothing may catch it and go on. */
export class Crash extends Error {
  constructor() {
    super('crash');
    this.name = 'Crash';
  }
}

export class FaultStore implements ProtocolStore {
  readonly #inner: MemoryStore;
  #points = 0;
  #crashAt = Number.POSITIVE_INFINITY;
  #dead = false;

  /** `inner`: the disk, where other processes look at it too. */
  constructor(inner = new MemoryStore()) {
    this.#inner = inner;
  }

  /** Points passed since the last arm(). */
  get points(): number {
    return this.#points;
  }

  /** Whether the armed crash has happened. */
  get crashed(): boolean {
    return this.#dead;
  }

  /** Dies at the n-th point from now on (0 = the very next). Without an argument it only counts. */
  arm(at = Number.POSITIVE_INFINITY): void {
    this.#points = 0;
    this.#crashAt = at;
  }

  /** A new process on the same disk. */
  restart(): void {
    this.#dead = false;
    this.#crashAt = Number.POSITIVE_INFINITY;
  }

  snapshot(): MemorySnapshot {
    return this.#inner.snapshot();
  }

  /** What a restored browser profile or a cloned machine sees. */
  restore(snapshot: MemorySnapshot): void {
    this.#inner.restore(snapshot);
  }

  read(keys: readonly string[]): Promise<ReadonlyMap<string, StoredRecord>> {
    return this.#guard(() => this.#inner.read(keys));
  }

  list(prefix: string): Promise<ReadonlyMap<string, StoredRecord>> {
    return this.#guard(() => this.#inner.list(prefix));
  }

  commit(batch: CommitBatch): Promise<void> {
    return this.#guard(() => this.#inner.commit(batch));
  }

  async #guard<T>(call: () => Promise<T>): Promise<T> {
    this.#point();
    const result = await call();
    this.#point();
    return result;
  }

  #point(): void {
    if (this.#dead || this.#points++ >= this.#crashAt) {
      this.#dead = true;
      throw new Crash();
    }
  }
}

/**
 * Runs `scenario` once per point it passes, dying at that point; `recover` then runs on the same disk. The count of
 * points comes from a run without a crash, so no await is left out.
 */
export async function crashEverywhere(
  prepare: () => Promise<{ store: FaultStore; scenario: () => Promise<void>; recover: () => Promise<void> }>,
): Promise<number> {
  const dry = await prepare();
  dry.store.arm();
  await dry.scenario();
  const { points } = dry.store;
  for (let at = 0; at < points; at++) {
    const { store, scenario, recover } = await prepare();
    store.arm(at);
    await scenario().catch((error: unknown) => {
      if (!(error instanceof Crash)) throw error;
    });
    if (!store.crashed) throw new Error(`no crash at point ${at}`);
    store.restart();
    await recover();
  }
  return points;
}

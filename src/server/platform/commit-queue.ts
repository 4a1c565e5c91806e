// Group commit without a timer: rows that arrive while a batch is being committed form the next batch, so an idle
// server commits at once and a busy one commits hundreds of rows together. A lane commits one batch at a time, and
// while rows come faster than they would be committed one by one, it gathers them for some milliseconds.
// A key may rest after a commit, where what follows it costs more than the commit: what comes meanwhile goes together.

export interface BatchStats {
  readonly lane: number;
  readonly rows: number;
  readonly durationMs: number;
  readonly failed: boolean;
}

export interface CommitQueueOptions<Row, Result> {
  readonly lanes?: number;
  readonly maxBatch?: number;
  /** Milliseconds from the begin of a batch to the next one's while rows come together; a row alone never waits. */
  readonly gatherMs?: number;
  /** Rows waiting in all lanes together; more are refused. */
  readonly maxDepth?: number;
  /** Rows with the same key keep their order: they share a lane. */
  readonly laneKey: (row: Row) => string;
  /** Commits `rows` and answers one result per row, in their order; rejects when nothing was committed. */
  readonly commit: (rows: readonly Row[]) => Promise<readonly Result[]>;
  readonly onBatch?: (stats: BatchStats) => void;
  /** Milliseconds from this row's commit until the next of its key begins; 0: at once. */
  readonly restMs?: (row: Row, result: Result) => number;
}

/** Too many rows wait already: the database does not keep up. */
export class CommitQueueFullError extends Error {
  constructor() {
    super('the commit queue is full');
    this.name = 'CommitQueueFullError';
  }
}

/** The queue drains and takes no more rows. */
export class CommitQueueClosedError extends Error {
  constructor() {
    super('the commit queue is closed');
    this.name = 'CommitQueueClosedError';
  }
}

interface Entry<Row, Result> {
  readonly row: Row;
  readonly resolve: (result: Result) => void;
  readonly reject: (cause: unknown) => void;
}

interface Lane<Row, Result> {
  readonly number: number;
  waiting: Entry<Row, Result>[];
  running: boolean;
  /** When the next batch may begin, by performance.now(). */
  readyAt: number;
}

interface Rest<Row, Result> {
  readonly lane: Lane<Row, Result>;
  readonly entries: Entry<Row, Result>[];
  readonly timer: NodeJS.Timeout;
}

/** FNV-1a, 32 bits: the same key always takes the same lane. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

export class CommitQueue<Row, Result> {
  readonly #options: CommitQueueOptions<Row, Result>;
  readonly #lanes: readonly Lane<Row, Result>[];
  readonly #maxBatch: number;
  readonly #maxDepth: number;
  /** What came for keys that rest, in order. */
  readonly #resting = new Map<string, Rest<Row, Result>>();
  #depth = 0;
  #closed = false;
  #idle: (() => void)[] = [];

  constructor(options: CommitQueueOptions<Row, Result>) {
    this.#options = options;
    this.#maxBatch = options.maxBatch ?? 500;
    this.#maxDepth = options.maxDepth ?? 20_000;
    this.#lanes = Array.from({ length: options.lanes ?? 2 }, (_, number) => ({
      number,
      waiting: [],
      running: false,
      readyAt: 0,
    }));
  }

  /** Rows accepted and not yet settled. */
  get depth(): number {
    return this.#depth;
  }

  /**
   * Resolves once the row is committed.
   * @throws CommitQueueFullError, CommitQueueClosedError, or whatever `commit` rejects with for this row alone
   */
  push(row: Row): Promise<Result> {
    if (this.#closed) return Promise.reject(new CommitQueueClosedError());
    if (this.#depth >= this.#maxDepth) return Promise.reject(new CommitQueueFullError());
    const key = this.#options.laneKey(row);
    const lane = this.#lanes[hashOf(key) % this.#lanes.length];
    if (!lane) return Promise.reject(new CommitQueueClosedError());
    this.#depth += 1;
    return new Promise((resolve, reject) => {
      const resting = this.#resting.get(key);
      if (resting) return void resting.entries.push({ row, resolve, reject });
      lane.waiting.push({ row, resolve, reject });
      if (!lane.running) void this.#run(lane);
    });
  }

  /** Takes no more rows and resolves when those already taken are settled. */
  drain(): Promise<void> {
    this.#closed = true;
    for (const key of [...this.#resting.keys()]) this.#wake(key);
    if (this.#depth === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Of several rows of one key the first says how long it rests. */
  #rest({ row, result, lane }: { row: Row; result: Result; lane: Lane<Row, Result> }): void {
    const key = this.#options.laneKey(row);
    if (this.#closed || this.#resting.has(key)) return;
    const restMs = this.#options.restMs?.(row, result) ?? 0;
    if (restMs <= 0) return;
    const isOfKey = (entry: Entry<Row, Result>): boolean => this.#options.laneKey(entry.row) === key;
    const entries = lane.waiting.filter(isOfKey);
    if (entries.length > 0) lane.waiting = lane.waiting.filter((entry) => !isOfKey(entry));
    this.#resting.set(key, { lane, entries, timer: setTimeout(() => this.#wake(key), restMs) });
  }

  #wake(key: string): void {
    const resting = this.#resting.get(key);
    if (!resting) return;
    this.#resting.delete(key);
    const { lane, entries, timer } = resting;
    clearTimeout(timer);
    lane.waiting.push(...entries);
    if (entries.length > 0 && !lane.running) void this.#run(lane);
  }

  async #run(lane: Lane<Row, Result>): Promise<void> {
    lane.running = true;
    // One microtask, so that rows pushed by the same call share the first batch.
    await Promise.resolve();
    while (lane.waiting.length > 0) {
      const waitMs = this.#closed ? 0 : lane.readyAt - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const startedAt = performance.now();
      const batch = lane.waiting.splice(0, this.#maxBatch);
      await this.#settle(lane, batch);
      const comeTogether = batch.length > 1 || lane.waiting.length > 0;
      lane.readyAt = comeTogether ? startedAt + (this.#options.gatherMs ?? 0) : 0;
    }
    lane.running = false;
  }

  async #settle(lane: Lane<Row, Result>, batch: readonly Entry<Row, Result>[]): Promise<void> {
    const failure = await this.#attempt(lane, batch);
    if (failure) {
      if (batch.length === 1) batch[0]?.reject(failure.cause);
      // One bad row must not take the others with it: each is tried alone, in order.
      else
        for (const entry of batch) {
          const own = await this.#attempt(lane, [entry]);
          if (own) entry.reject(own.cause);
        }
    }
    this.#depth -= batch.length;
    if (this.#depth > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Commits and resolves `batch`; returns why not, leaving the entries unsettled. */
  async #attempt(
    lane: Lane<Row, Result>,
    batch: readonly Entry<Row, Result>[],
  ): Promise<{ cause: unknown } | null> {
    const startedAt = performance.now();
    const report = (failed: boolean): void =>
      this.#options.onBatch?.({
        lane: lane.number,
        rows: batch.length,
        durationMs: performance.now() - startedAt,
        failed,
      });
    try {
      const results = await this.#options.commit(batch.map((entry) => entry.row));
      if (results.length !== batch.length)
        throw new Error('commit answered another number of results than rows');
      for (const [at, entry] of batch.entries()) {
        const result = results[at] as Result;
        entry.resolve(result);
        if (this.#options.restMs) this.#rest({ row: entry.row, result, lane });
      }
      report(false);
      return null;
    } catch (cause) {
      report(true);
      return { cause };
    }
  }
}

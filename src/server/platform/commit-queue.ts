// Group commit without a timer: rows that arrive while a batch is being committed form the next batch, so an idle
// server commits at once and a busy one commits hundreds of rows together. A lane commits one batch at a time.

export interface BatchStats {
  readonly lane: number;
  readonly rows: number;
  readonly durationMs: number;
  readonly failed: boolean;
}

export interface CommitQueueOptions<Row, Result> {
  readonly lanes?: number;
  readonly maxBatch?: number;
  /** Rows waiting in all lanes together; more are refused. */
  readonly maxDepth?: number;
  /** Rows with the same key keep their order: they share a lane. */
  readonly laneKey: (row: Row) => string;
  /** Commits `rows` and answers one result per row, in their order; rejects when nothing was committed. */
  readonly commit: (rows: readonly Row[]) => Promise<readonly Result[]>;
  readonly onBatch?: (stats: BatchStats) => void;
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
    const lane = this.#lanes[hashOf(this.#options.laneKey(row)) % this.#lanes.length];
    if (!lane) return Promise.reject(new CommitQueueClosedError());
    this.#depth += 1;
    return new Promise((resolve, reject) => {
      lane.waiting.push({ row, resolve, reject });
      if (!lane.running) void this.#run(lane);
    });
  }

  /** Takes no more rows and resolves when those already taken are settled. */
  drain(): Promise<void> {
    this.#closed = true;
    if (this.#depth === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async #run(lane: Lane<Row, Result>): Promise<void> {
    lane.running = true;
    // One microtask, so that rows pushed by the same call share the first batch.
    await Promise.resolve();
    while (lane.waiting.length > 0) await this.#settle(lane, lane.waiting.splice(0, this.#maxBatch));
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
      for (const [at, entry] of batch.entries()) entry.resolve(results[at] as Result);
      report(false);
      return null;
    } catch (cause) {
      report(true);
      return { cause };
    }
  }
}

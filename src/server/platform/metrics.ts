// Figures for Prometheus. Hot paths count in plain integers of their own, which are read when somebody asks; only
// what happens once per batch or per HTTP request is told here. Labels are from fixed sets: never a name, an id or
// an address.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const BATCH_ROWS = [1, 2, 5, 10, 25, 50, 100, 250, 500];
const BATCH_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/** One number read when asked for; `labels` of fixed sets. */
export interface Reading {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Readout {
  readonly name: string;
  readonly help: string;
  readonly kind: 'gauge' | 'counter';
  readonly labels?: readonly string[];
  readonly read: () => readonly Reading[];
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #batchRows: Histogram;
  readonly #batchSeconds: Histogram;
  readonly #batchFailures: Counter;
  readonly #http: Counter<'status' | 'kind'>;

  constructor() {
    const registers = [this.#registry];
    const [rows, seconds] = ['chatalot_commit_batch_rows', 'chatalot_commit_batch_seconds'];
    this.#batchRows = new Histogram({
      name: rows,
      help: 'Rows committed together.',
      buckets: BATCH_ROWS,
      registers,
    });
    this.#batchSeconds = new Histogram({
      name: seconds,
      help: 'Time of one commit.',
      buckets: BATCH_SECONDS,
      registers,
    });
    this.#batchFailures = new Counter({
      name: 'chatalot_commit_batch_failures_total',
      help: 'Batches that were not committed as a whole; their rows were tried alone.',
      registers,
    });
    this.#http = new Counter({
      name: 'chatalot_http_requests_total',
      help: 'Answers over HTTP by class of status and kind of route.',
      labelNames: ['status', 'kind'],
      registers,
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** One batch of the commit queue, whatever became of it. */
  batchDone(batch: { readonly rows: number; readonly durationMs: number; readonly failed: boolean }): void {
    this.#batchRows.observe(batch.rows);
    this.#batchSeconds.observe(batch.durationMs / 1000);
    if (batch.failed) this.#batchFailures.inc();
  }

  /** One answer over HTTP; `kind` is from a fixed set. */
  httpDone(status: number, kind: 'api' | 'page' | 'health' | 'metrics' | 'other'): void {
    this.#http.inc({ status: `${Math.floor(status / 100)}xx`, kind });
  }

  /** Adds numbers that are kept elsewhere and read when somebody asks. */
  add(...readouts: readonly Readout[]): void {
    for (const { name, help, kind, labels = [], read } of readouts) {
      const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
      if (kind === 'gauge') {
        const gauge: Gauge = new Gauge({
          ...options,
          collect: () => read().forEach((each) => gauge.set({ ...each.labels }, each.value)),
        });
        continue;
      }
      const counter: Counter = new Counter({
        ...options,
        collect: () => {
          counter.reset();
          for (const each of read()) counter.inc({ ...each.labels }, each.value);
        },
      });
    }
  }

  /** CPU, memory, garbage collection and event-loop lag of this process. Once per process: it keeps observers. */
  addProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Everything in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

// Latencies of a run, in milliseconds, and the small arithmetic of benchmarks.
import { build, type Histogram } from 'hdr-histogram-js';

/** The value below which `share` (0–1) of the samples lie. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits));

export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** Resolution of the histogram: microseconds, from one to two minutes, three digits. */
const MICROSECONDS = 1000;
const HIGHEST = 120_000_000;

/** An HDR histogram of milliseconds. */
export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });

  record(ms: number): void {
    const value = Math.round(ms * MICROSECONDS);
    this.#histogram.recordValue(Math.min(HIGHEST, Math.max(1, value)));
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** Milliseconds below which `share` (0–1) of what was recorded lies; NaN when nothing was. */
  at(share: number): number {
    if (this.count === 0) return Number.NaN;
    return round(this.#histogram.getValueAtPercentile(share * 100) / MICROSECONDS);
  }

  clear(): void {
    this.#histogram.reset();
  }

  /** Takes in what `other` holds. */
  add(other: Latencies): void {
    this.#histogram.add(other.#histogram);
  }
}

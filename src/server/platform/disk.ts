// Free space on the disk of the data folder, read on a timer. Below the reserve the server stops taking what makes
// history grow, so that the database can still commit everything else.
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from './log.ts';

const CHECK_MS = 10_000;
/** The tenth of the reserve there must be above it before writes are taken again, so that it does not flicker. */
const RECOVERED = 0.1;

/** Bytes free to an unprivileged user; null when they cannot be told. */
export type DiskProbe = () => Promise<number | null>;

/** Asks the file system of `folder`, or of the nearest folder above it that exists. */
export function folderProbe(folder: string): DiskProbe {
  return async () => {
    for (let path = folder; ; path = dirname(path)) {
      try {
        const { bavail, bsize } = await statfs(path);
        return bavail * bsize;
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'ENOENT' || path === dirname(path)) return null;
      }
    }
  };
}

export interface DiskReserveOptions {
  /** Bytes to keep free; 0 turns the reserve off. */
  readonly reserveBytes: number;
  readonly probe: DiskProbe;
  readonly log: Logger;
}

export class DiskReserve {
  readonly reserveBytes: number;
  readonly #options: DiskReserveOptions;
  #freeBytes: number | null = null;
  #isLow = false;

  constructor(options: DiskReserveOptions) {
    this.#options = options;
    this.reserveBytes = options.reserveBytes;
  }

  /** As of the last check; null before the first one, and where the system does not tell. */
  get freeBytes(): number | null {
    return this.#freeBytes;
  }

  /** Whether writes that grow history must wait. A plain field: asked on every send. */
  get isLow(): boolean {
    return this.#isLow;
  }

  /** Reads the free space now. A disk that does not answer is not low: the database will tell. */
  async check(): Promise<void> {
    const { probe, reserveBytes, log } = this.#options;
    const free = await probe();
    this.#freeBytes = free;
    const bound = reserveBytes + (this.#isLow ? reserveBytes * RECOVERED : 0);
    const isLow = free !== null && free < bound;
    if (isLow === this.#isLow) return;
    this.#isLow = isLow;
    if (isLow) log.error('disk.low', { bytes: free ?? 0 });
    else log.info('disk.recovered', { bytes: free ?? 0 });
  }

  /** Checks now and every 10 s until the returned function is called. */
  async start(): Promise<() => void> {
    const check = (): Promise<void> =>
      this.check().catch((cause: unknown) => this.#options.log.error('disk.failed', { cause }));
    await check();
    const timer = setInterval(() => void check(), CHECK_MS).unref();
    return () => clearInterval(timer);
  }
}

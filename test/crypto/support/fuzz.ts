// Byte fuzzing for decoders (test A95): whatever the bytes, a decoder returns or throws CryptoError, quickly and
// without allocating more than its input justifies. Deterministic: the same name gives the same mutations.
import { CryptoError } from '#crypto/errors.ts';
import { concat, utf8 } from '#crypto/bytes.ts';
import { seededRng } from '#crypto/seeded-rng.ts';

export interface FuzzReport {
  readonly runs: number;
  readonly accepted: number;
  readonly slowestMs: number;
}

/** Whole milliseconds of CPU a single call may take; wall time on a busy machine says nothing. */
const SLOW_CALL_MS = 5;
const MAX_ALLOCATION = 1 << 20;
const MEMORY_SAMPLE_EVERY = 64;

/** xorshift32 seeded from the name: fast enough for 10^5 runs, reproducible. */
function generator(name: string): () => number {
  const seed = seededRng(utf8(`fuzz/${name}`)).bytes(4);
  let state = (new DataView(seed.buffer, seed.byteOffset).getUint32(0) | 1) >>> 0;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
}

const HUGE_PREFIXES = [
  Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f),
  Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f),
  Uint8Array.of(0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0x80, 0x00),
];

function mutate(sample: Uint8Array, next: () => number): Uint8Array {
  const at = sample.length === 0 ? 0 : next() % sample.length;
  const copy = sample.slice();
  switch (next() % 8) {
    case 0: // one bit
      if (copy.length > 0) copy[at]! ^= 1 << (next() % 8);
      return copy;
    case 1: // one byte
      if (copy.length > 0) copy[at] = next() & 255;
      return copy;
    case 2:
      return copy.slice(0, at);
    case 3:
      return concat(
        copy,
        Uint8Array.from({ length: 1 + (next() % 40) }, () => next() & 255),
      );
    case 4: // a byte too many or too few inside
      return concat(copy.subarray(0, at), Uint8Array.of(next() & 255), copy.subarray(at + (next() % 3)));
    case 5: // a length prefix that promises far more than there is
      return concat(
        copy.subarray(0, at),
        HUGE_PREFIXES[next() % HUGE_PREFIXES.length]!,
        copy.subarray(at + 1),
      );
    case 6: // several bytes
      for (let i = 0; i < 8 && copy.length > 0; i++) copy[next() % copy.length] = next() & 255;
      return copy;
    default: // nothing of the sample
      return Uint8Array.from({ length: next() % 200 }, () => next() & 255);
  }
}

/**
 * Runs `decode` over mutations of the samples. Throws an Error naming the decoder if anything but CryptoError is
 * thrown, a call is slow three times over, memory jumps, or an error's text is not plain static words.
 */
// eslint-disable-next-line max-params -- one call per decoder reads best in this order
export function fuzzDecoder(
  name: string,
  decode: (bytes: Uint8Array) => unknown,
  sample: Uint8Array | readonly Uint8Array[],
  runs = 100_000,
): FuzzReport {
  const samples = sample instanceof Uint8Array ? [sample] : sample;
  for (const valid of samples) decode(valid);
  const next = generator(name);
  let accepted = 0;
  let slowestMs = 0;
  for (let run = 0; run < runs; run++) {
    const input = mutate(samples[next() % samples.length]!, next);
    const before = run % MEMORY_SAMPLE_EVERY === 0 ? process.memoryUsage().arrayBuffers : null;
    const started = performance.now();
    if (attempt(name, decode, input)) accepted++;
    const ms = performance.now() - started;
    if (before !== null) checkMemory(name, before, input);
    if (ms > slowestMs) slowestMs = ms > SLOW_CALL_MS ? confirmSlow(name, decode, input) : ms;
  }
  return { runs, accepted, slowestMs };
}

function attempt(name: string, decode: (bytes: Uint8Array) => unknown, input: Uint8Array): boolean {
  try {
    decode(input);
    return true;
  } catch (error) {
    if (!(error instanceof CryptoError)) {
      throw new Error(`${name}: ${String(error)} thrown for ${Buffer.from(input).toString('hex')}`, {
        cause: error,
      });
    }
    if (!/^[a-z_]+: [\w ,'()+-]{1,70}$/.test(error.message)) {
      throw new Error(`${name}: error text is not static words: ${error.message}`, { cause: error });
    }
    return false;
  }
}

function checkMemory(name: string, before: number, input: Uint8Array): void {
  const grown = process.memoryUsage().arrayBuffers - before;
  if (grown > MAX_ALLOCATION + 64 * input.length) throw new Error(`${name}: allocated ${grown} bytes`);
}

/** A call that looked slow is timed again by CPU time; other work on the machine must not fail a test. */
function confirmSlow(name: string, decode: (bytes: Uint8Array) => unknown, input: Uint8Array): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const started = process.cpuUsage();
    attempt(name, decode, input);
    const used = process.cpuUsage(started);
    best = Math.min(best, (used.user + used.system) / 1000);
  }
  if (best > SLOW_CALL_MS) throw new Error(`${name}: ${best} ms of CPU for ${input.length} bytes`);
  return best;
}

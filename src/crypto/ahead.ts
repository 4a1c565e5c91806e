// Work ahead (docs/decisions/0028-work-ahead.md): a pure call is first run only to see which signature checks and
// agreements it needs, a backend answers those in parallel, and the real run finds the answers ready. What is not ready
// is computed in place, so a backend decides how long a call takes and nothing else.
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from './bytes.ts';
import { CryptoError } from './errors.ts';
import type { Rng } from './rng.ts';

/** An Ed25519 check. The key has passed its import check and S < L. */
export interface VerifyJob {
  readonly kind: 'verify';
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** X25519(secretKey, publicKey); with the base point it makes a public key. */
export interface AgreeJob {
  readonly kind: 'agree';
  readonly secretKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

export type AheadJob = VerifyJob | AgreeJob;

/** `true`: the signature holds. 32 bytes: what was agreed. null: not known, whatever the reason. */
export type AheadAnswer = true | Uint8Array | null;

/** Answers jobs out of line; never rejects. Answers are in the order of the jobs. */
export interface AheadBackend {
  answer(jobs: readonly AheadJob[]): Promise<readonly AheadAnswer[]>;
}

/** While set, primitives write down what they would compute and return dummies. */
let gathering: Map<string, AheadJob> | null = null;
/** While set, primitives look here before they compute. */
let answers: ReadonlyMap<string, AheadAnswer> | null = null;

const SEPARATOR = Uint8Array.of(0);

function idOf(job: AheadJob): string {
  const hash = sha256.create().update(job.publicKey);
  if (job.kind === 'agree') return toHex(hash.update(job.secretKey).digest());
  return toHex(hash.update(SEPARATOR).update(job.signature).update(job.message).digest());
}

/** Whether results are thrown away: costly work that is no job may return anything well-formed. */
export const isGathering = (): boolean => gathering !== null;

/** For primitives.ts: true where the signature is known to hold (or results do not count), else it must be checked. */
export function holdsAhead(job: VerifyJob): boolean {
  if (!gathering && !answers) return false;
  const id = idOf(job);
  gathering?.set(id, job);
  return gathering !== null || answers?.get(id) === true;
}

/** For primitives.ts: 32 bytes where the agreement is known (or results do not count), else null. */
export function agreedAhead(job: AgreeJob): Uint8Array | null {
  if (!gathering && !answers) return null;
  const id = idOf(job);
  gathering?.set(id, job);
  if (gathering) return new Uint8Array(32).fill(1);
  const known = answers?.get(id);
  return known instanceof Uint8Array ? known.slice() : null;
}

/** Runs the work for its jobs alone: neither its result nor its refusal leaves. */
function gather(into: Map<string, AheadJob>, work: () => unknown): void {
  const outer = gathering;
  gathering = into;
  try {
    work();
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
  } finally {
    gathering = outer;
  }
}

/** The answers of one piece of work; dropped with it, as agreements are secret. */
export class Ahead {
  readonly #backend: AheadBackend | null;
  readonly #answers = new Map<string, AheadAnswer>();

  /** @param backend null: nothing is prepared, everything is computed in place. */
  constructor(backend: AheadBackend | null) {
    this.#backend = backend;
  }

  /** Whether preparing does anything. */
  get hasBackend(): boolean {
    return this.#backend !== null;
  }

  /**
   * Has the backend answer what these synchronous calls need. Each runs once with dummies for results, so it must be
   * pure: randomness from a taped Rng, nothing written.
   */
  async prepare(works: Iterable<() => unknown>): Promise<void> {
    const backend = this.#backend;
    if (!backend) return;
    const jobs = new Map<string, AheadJob>();
    for (const work of works) gather(jobs, work);
    for (const id of this.#answers.keys()) jobs.delete(id);
    if (jobs.size === 0) return;
    const found = await backend.answer([...jobs.values()]);
    [...jobs.keys()].forEach((id, at) => this.#answers.set(id, found[at] ?? null));
  }

  /** Runs the synchronous call with what was prepared at hand. */
  use<T>(work: () => T): T {
    const outer = answers;
    answers = this.#answers;
    try {
      return work();
    } finally {
      answers = outer;
    }
  }
}

/** Randomness for a call that runs twice. */
export interface TapedRng {
  /** For the run that is thrown away: draws and remembers. */
  readonly record: Rng;
  /** For the real run: the same bytes in the same order, each once; fresh ones where it asks for others. */
  readonly replay: Rng;
}

export function tapeRng(rng: Rng): TapedRng {
  let tape: Uint8Array[] = [];
  return {
    record: {
      bytes(length) {
        const drawn = rng.bytes(length);
        tape.push(drawn);
        return drawn.slice();
      },
    },
    replay: {
      bytes(length) {
        const next = tape.shift();
        if (next?.length === length) return next;
        tape = [];
        return rng.bytes(length);
      },
    },
  };
}

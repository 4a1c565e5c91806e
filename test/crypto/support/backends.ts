// The platform's WebCrypto as backend, and backends that are wrong in one way each.
import { ed25519 } from '@noble/curves/ed25519.js';
import { Ahead, type AheadBackend, type AheadJob } from '#crypto/ahead.ts';
import { CryptoError } from '#crypto/errors.ts';
import { x25519Shared } from '#crypto/primitives.ts';
import { webBackend } from '#crypto/web-backend.ts';

export const webcrypto = webBackend(globalThis.crypto.subtle);

/** Counts what it is asked and what it could answer. */
export function counting(inner: AheadBackend): AheadBackend & { asked: AheadJob[]; answered: number } {
  const counter = {
    asked: [] as AheadJob[],
    answered: 0,
    async answer(jobs: readonly AheadJob[]) {
      counter.asked.push(...jobs);
      const answers = await inner.answer(jobs);
      counter.answered += answers.filter((answer) => answer !== null).length;
      return answers;
    },
  };
  return counter;
}

/** A backend that checks signatures by this rule and agrees correctly. */
export function verifyingBy(holds: (job: Extract<AheadJob, { kind: 'verify' }>) => boolean): AheadBackend {
  return {
    answer: (jobs) =>
      Promise.resolve(
        jobs.map((job) => {
          if (job.kind === 'agree') return x25519Shared(job.secretKey, job.publicKey);
          return holds(job) || null;
        }),
      ),
  };
}

/** Knows nothing. */
export const silent: AheadBackend = { answer: (jobs) => Promise.resolve(jobs.map(() => null)) };

/** Noble's own equation: cofactored; `zip215` also decodes what is not canonical. */
export const cofactored = (zip215: boolean): AheadBackend =>
  verifyingBy(({ publicKey, message, signature }) => {
    try {
      return ed25519.verify(signature, message, publicKey, { zip215 });
    } catch {
      return false;
    }
  });

/** What the call answers, or the code with which it refuses. */
export function outcome<T>(work: () => T): { value: T } | { code: string } {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof CryptoError) return { code: error.code };
    throw error;
  }
}

/** The call as it runs after the backend worked ahead. */
export async function outcomeAhead<T>(
  backend: AheadBackend,
  work: () => T,
): Promise<{ value: T } | { code: string }> {
  const ahead = new Ahead(backend);
  await ahead.prepare([work]);
  return outcome(() => ahead.use(work));
}

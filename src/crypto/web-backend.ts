// X25519 and Ed25519 by the platform's WebCrypto, ten times as fast as the pure code. It answers work ahead; what keys are
// acceptable is decided in primitives.ts before anything comes here (protocol 3.0, 6.4).
import type { AgreeJob, AheadAnswer, AheadBackend, AheadJob, VerifyJob } from './ahead.ts';
import { fromHex } from './bytes.ts';
import { X25519_KEY_BYTES } from './constants.ts';

/** crypto.subtle of a window, a worker or Node. */
export type Subtle = typeof globalThis.crypto.subtle;
type Key = Awaited<ReturnType<Subtle['importKey']>>;

/** RFC 8410 PrivateKeyInfo before the scalar: raw import of secret keys does not exist everywhere (protocol 6.4). */
const X25519_PKCS8 = fromHex('302e020100300506032b656e04220420');

/** WebCrypto takes views of plain ArrayBuffers only, and must not see ours change under it. */
const copy = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);

/** The keys of one batch, each imported once. Found by object: a secret key is made into no string. */
class Keys {
  readonly #subtle: Subtle;
  readonly #known = new Map<Uint8Array, Promise<Key>>();

  constructor(subtle: Subtle) {
    this.#subtle = subtle;
  }

  verifying(pub: Uint8Array): Promise<Key> {
    return this.#once(pub, () =>
      this.#subtle.importKey('raw', copy(pub), { name: 'Ed25519' }, false, ['verify']),
    );
  }

  agreeing(secretKey: Uint8Array): Promise<Key> {
    return this.#once(secretKey, async () => {
      const pkcs8 = new Uint8Array(X25519_PKCS8.length + X25519_KEY_BYTES);
      pkcs8.set(X25519_PKCS8);
      pkcs8.set(secretKey, X25519_PKCS8.length);
      try {
        return await this.#subtle.importKey('pkcs8', pkcs8, { name: 'X25519' }, false, ['deriveBits']);
      } finally {
        pkcs8.fill(0);
      }
    });
  }

  public(pub: Uint8Array): Promise<Key> {
    return this.#once(pub, () => this.#subtle.importKey('raw', copy(pub), { name: 'X25519' }, false, []));
  }

  #once(bytes: Uint8Array, load: () => Promise<Key>): Promise<Key> {
    const known = this.#known.get(bytes);
    if (known) return known;
    const loading = load();
    this.#known.set(bytes, loading);
    return loading;
  }
}

/** A backend over this WebCrypto. Use `chooseBackend`, which asks it for proof first. */
export function webBackend(subtle: Subtle): AheadBackend {
  const verify = async (keys: Keys, job: VerifyJob): Promise<AheadAnswer> => {
    const key = await keys.verifying(job.publicKey);
    const holds = await subtle.verify({ name: 'Ed25519' }, key, copy(job.signature), copy(job.message));
    return holds || null;
  };
  const agree = async (keys: Keys, job: AgreeJob): Promise<AheadAnswer> => {
    const [secret, pub] = await Promise.all([keys.agreeing(job.secretKey), keys.public(job.publicKey)]);
    return new Uint8Array(await subtle.deriveBits({ name: 'X25519', public: pub }, secret, 256));
  };
  return {
    answer(jobs: readonly AheadJob[]) {
      const keys = new Keys(subtle);
      return Promise.all(
        jobs.map(async (job) => {
          try {
            return await (job.kind === 'verify' ? verify(keys, job) : agree(keys, job));
          } catch {
            return null; // refused or not supported after all: the pure code will say what is wrong
          }
        }),
      );
    },
  };
}

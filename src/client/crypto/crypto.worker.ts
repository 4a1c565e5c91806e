// The crypto worker: the engine over IndexedDB, with Argon2id in WebAssembly where that is allowed. It has no network
// and answers with codes, never with details of a failure.
import { argon2id } from 'hash-wasm';
import { chooseBackend, CryptoError, nobleArgon2id, systemRng, type Argon2id } from '#crypto/index.ts';
import { createEngine } from './engine.ts';
import { IdbStore } from './idb-store.ts';
import type { CryptoAnswer, CryptoApi, CryptoCall } from './protocol.ts';

/** Same bytes as the pure implementation (tested), several times faster; falls back where WebAssembly is forbidden. */
const fastArgon2id: Argon2id = async (password, params) => {
  const { m, t, p, salt } = params;
  const options = { password, salt, memorySize: m, iterations: t, parallelism: p, hashLength: 64 };
  try {
    return await argon2id({ ...options, outputType: 'binary' });
  } catch {
    return nobleArgon2id(password, params);
  }
};

/** `subtle` is missing where the origin is not secure, whatever its type says. */
const { subtle } = self.crypto as Partial<Crypto>;

const engine: Promise<CryptoApi> = Promise.all([IdbStore.open(), chooseBackend(subtle, systemRng)]).then(
  ([store, backend]) => createEngine({ store, rng: systemRng, argon2: fastArgon2id, backend }),
);

async function answer({ id, method, input }: CryptoCall): Promise<CryptoAnswer> {
  try {
    const api = await engine;
    const call = api[method].bind(api) as (input: unknown) => Promise<unknown>;
    return { id, ok: true, value: await call(input) };
  } catch (error) {
    const code = error instanceof CryptoError ? error.code : 'internal';
    return { id, ok: false, code };
  }
}

self.addEventListener('message', (event: MessageEvent<CryptoCall>) => {
  void answer(event.data).then((message) => self.postMessage(message));
});

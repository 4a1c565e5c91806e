// Password to keys (protocol P10): floor and ceiling, the split, and identical bytes from every Argon2id.
import { hashRaw } from '@node-rs/argon2';
import { argon2id as wasmArgon2id } from 'hash-wasm';
import { describe, expect, it, vi } from 'vitest';
import { Reader, Writer } from '#crypto/codec.ts';
import {
  checkKdfParams,
  derivePasswordKeys,
  newKdfParams,
  nobleArgon2id,
  readKdfParams,
  sameKdfParams,
  writeKdfParams,
  type Argon2id,
  type KdfParams,
} from '#crypto/password.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { utf8 } from '#crypto/bytes.ts';
import { CryptoError } from '#crypto/errors.ts';
import { expectCode } from '../support/expect-code.ts';

const params = newKdfParams(seededRng(utf8('kdf')));

/** What the worker injects where WebAssembly is allowed. */
const wasm: Argon2id = (password, { m, t, p, salt }) =>
  wasmArgon2id({
    password,
    salt,
    memorySize: m,
    iterations: t,
    parallelism: p,
    hashLength: 64,
    outputType: 'binary',
  });

/** The native library's number for Argon2id (its enum is ambient). */
const ARGON2ID = 2;

const native: Argon2id = async (password, { m, t, p, salt }) => {
  const options = {
    memoryCost: m,
    timeCost: t,
    parallelism: p,
    salt,
    outputLen: 64,
    algorithm: ARGON2ID,
  };
  return new Uint8Array(await hashRaw(password, options));
};

describe('A85 KDF parameters', () => {
  it('A85 accepts the defaults, floor and ceiling', () => {
    expect(params).toMatchObject({ v: 1, m: 65_536, t: 3, p: 1 });
    checkKdfParams(params);
    checkKdfParams({ ...params, m: 262_144, t: 10 });
  });

  it.each<[string, Partial<KdfParams>]>([
    ['m just under 64 MiB', { m: 65_535 }],
    ['m = 8 KiB', { m: 8 }],
    ['m over 256 MiB', { m: 262_145 }],
    ['m huge', { m: 2 ** 31 }],
    ['m not a number', { m: Number.NaN }],
    ['m fractional', { m: 65_536.5 }],
    ['t = 2', { t: 2 }],
    ['t = 11', { t: 11 }],
    ['t not a number', { t: Number.NaN }],
    ['p = 2', { p: 2 }],
    ['p = 0', { p: 0 }],
    ['a short salt', { salt: new Uint8Array(15) }],
    ['a long salt', { salt: new Uint8Array(17) }],
  ])('A85 refuses %s before any work is done', async (_name, change) => {
    const bad = { ...params, ...change };
    expectCode('weak_kdf', () => checkKdfParams(bad));
    const argon2 = vi.fn<Argon2id>();
    await expect(derivePasswordKeys('correct horse', bad, argon2)).rejects.toMatchObject({
      code: 'weak_kdf',
    });
    expect(argon2).not.toHaveBeenCalled();
  });

  it('A85 refuses another format version', () => {
    expectCode('unsupported', () => checkKdfParams({ ...params, v: 2 }));
    expectCode('unsupported', () => checkKdfParams({ ...params, v: 0 }));
  });

  it('A85 weak parameters cannot be encoded or decoded either', () => {
    const w = new Writer();
    writeKdfParams(w, params);
    expect(sameKdfParams(readKdfParams(new Reader(w.done())), params)).toBe(true);
    expectCode('weak_kdf', () => writeKdfParams(new Writer(), { ...params, m: 8 }));
    const weak = new Writer().u8(1).u32(8).u32(3).u8(1).fixed(params.salt, 16).done();
    expectCode('weak_kdf', () => readKdfParams(new Reader(weak)));
    expect(sameKdfParams(params, { ...params, t: 4 })).toBe(false);
    expect(sameKdfParams(params, { ...params, salt: new Uint8Array(16) })).toBe(false);
  });
});

describe('password keys', () => {
  it('noble, WebAssembly and native Argon2id give identical bytes', async () => {
    const password = utf8('pässwörd 🔑');
    const ours = await nobleArgon2id(password, params);
    expect(ours).toHaveLength(64);
    expect(await wasm(password, params)).toEqual(ours);
    expect(await native(password, params)).toEqual(ours);
  });

  it('splits into two different secrets, by NFKC form and salt', async () => {
    const composed = await derivePasswordKeys('caf\u00e9 ①', params, native);
    const decomposed = await derivePasswordKeys('cafe\u0301 1', params, native);
    expect(decomposed).toEqual(composed);
    expect(composed.loginSecret).toHaveLength(32);
    expect(composed.slotKey).toHaveLength(32);
    expect(composed.loginSecret).not.toEqual(composed.slotKey);
    const otherSalt = await derivePasswordKeys('café ①', newKdfParams(seededRng(utf8('x'))), native);
    expect(otherSalt.loginSecret).not.toEqual(composed.loginSecret);
    const other = await derivePasswordKeys('café ②', params, native);
    expect(other.slotKey).not.toEqual(composed.slotKey);
  });

  it('refuses an empty or huge password and a function of another length', async () => {
    const never: Argon2id = () => {
      throw new CryptoError('malformed', 'not reached');
    };
    await expect(derivePasswordKeys('', params, never)).rejects.toMatchObject({ code: 'limit' });
    await expect(derivePasswordKeys('é'.repeat(513), params, never)).rejects.toMatchObject({ code: 'limit' });
    const short: Argon2id = () => new Uint8Array(32);
    await expect(derivePasswordKeys('x', params, short)).rejects.toMatchObject({ code: 'malformed' });
  });
});

// Password to keys (protocol 3.12 slot B, P10): Argon2id with a compiled-in floor and ceiling, split into the secret
// the server sees and the key it never sees. The Argon2id function is injected: noble's by default, a faster one in
// the worker; both give identical bytes (tested).
import { argon2id } from '@noble/hashes/argon2.js';
import { equalBytes, utf8 } from './bytes.ts';
import type { Reader, Writer } from './codec.ts';
import {
  KDF_MAX_MEMORY_KIB,
  KDF_MAX_PASSES,
  KDF_MIN_MEMORY_KIB,
  KDF_MIN_PASSES,
  KDF_PARALLELISM,
  KDF_SALT_BYTES,
  KDF_VERSION,
  MAX_PASSWORD_BYTES,
  WIRE_VERSION,
} from './constants.ts';
import { ensure } from './errors.ts';
import type { Rng } from './rng.ts';

/** Argon2id parameters: format version, memory in KiB, passes, lanes, 16-byte salt. */
export interface KdfParams {
  readonly v: number;
  readonly m: number;
  readonly t: number;
  readonly p: number;
  readonly salt: Uint8Array;
}

/** Argon2id version 0x13, 64 bytes out, no secret, no associated data. */
export type Argon2id = (password: Uint8Array, params: KdfParams) => Promise<Uint8Array> | Uint8Array;

const KDF_OUTPUT = 64;

/** The pure-JavaScript Argon2id: about 1.5 s at the floor. */
export const nobleArgon2id: Argon2id = (password, params) => {
  const { m, t, p, salt } = params;
  return argon2id(password, salt, { m, t, p, version: KDF_VERSION, dkLen: KDF_OUTPUT });
};

/** The parameters new accounts and new passwords use: 64 MiB, 3 passes, 1 lane, a fresh salt. */
export function newKdfParams(rng: Rng): KdfParams {
  return {
    v: WIRE_VERSION,
    m: KDF_MIN_MEMORY_KIB,
    t: KDF_MIN_PASSES,
    p: KDF_PARALLELISM,
    salt: rng.bytes(KDF_SALT_BYTES),
  };
}

/**
 * Refuses parameters a hostile server could hand out to make guessing cheap or the browser stall: `weak_kdf` unless
 * 64 MiB ≤ m ≤ 256 MiB, 3 ≤ t ≤ 10, p = 1, 16-byte salt; `unsupported` for another format version.
 */
export function checkKdfParams(params: KdfParams): void {
  ensure(params.v === WIRE_VERSION, 'unsupported', 'kdf version');
  const { m, t, p, salt } = params;
  const memoryOk = Number.isInteger(m) && m >= KDF_MIN_MEMORY_KIB && m <= KDF_MAX_MEMORY_KIB;
  ensure(memoryOk, 'weak_kdf', 'memory outside floor and ceiling');
  const passesOk = Number.isInteger(t) && t >= KDF_MIN_PASSES && t <= KDF_MAX_PASSES;
  ensure(passesOk, 'weak_kdf', 'passes outside floor and ceiling');
  ensure(p === KDF_PARALLELISM, 'weak_kdf', 'lanes');
  ensure(salt.length === KDF_SALT_BYTES, 'weak_kdf', 'salt length');
}

/** loginSecret goes to the server (which hashes it again); slotKey opens vault slot B and never leaves the client. */
export interface PasswordKeys {
  readonly loginSecret: Uint8Array;
  readonly slotKey: Uint8Array;
  readonly params: KdfParams;
}

/**
 * Argon2id over the NFKC form of the password, 64 bytes: loginSecret32 ‖ slotKey32. Throws weak_kdf, unsupported,
 * limit (empty, or over 1024 bytes), and malformed if the injected function returns another length.
 */
export async function derivePasswordKeys(
  password: string,
  params: KdfParams,
  argon2: Argon2id = nobleArgon2id,
): Promise<PasswordKeys> {
  checkKdfParams(params);
  const bytes = utf8(password.normalize('NFKC'));
  ensure(bytes.length > 0 && bytes.length <= MAX_PASSWORD_BYTES, 'limit', 'password length');
  const out = await argon2(bytes, params);
  ensure(out.length === KDF_OUTPUT, 'malformed', 'argon2id output length');
  return { loginSecret: out.slice(0, 32), slotKey: out.slice(32), params };
}

/** v u8 ‖ m u32 ‖ t u32 ‖ p u8 ‖ salt fixed[16]. */
export function writeKdfParams(w: Writer, params: KdfParams): void {
  checkKdfParams(params);
  w.u8(params.v).u32(params.m).u32(params.t).u8(params.p).fixed(params.salt, KDF_SALT_BYTES);
}

/** Reads and checks what writeKdfParams wrote. */
export function readKdfParams(r: Reader): KdfParams {
  const params = { v: r.u8(), m: r.u32(), t: r.u32(), p: r.u8(), salt: r.fixed(KDF_SALT_BYTES) };
  checkKdfParams(params);
  return params;
}

/** Whether two parameter sets are the same. */
export function sameKdfParams(a: KdfParams, b: KdfParams): boolean {
  return a.v === b.v && a.m === b.m && a.t === b.t && a.p === b.p && equalBytes(a.salt, b.salt);
}

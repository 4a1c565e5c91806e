// Prekeys, public half: the signed set, the individually signed one-time units, what is uploaded and what a claim
// returns, and every check on them (protocol 3.4, P5; docs/protocol.md, Prekeys). The secret half is prekey-store.ts.
import { equalBytes } from './bytes.ts';
import { decodeAll, KEY_MLKEM768, KEY_X25519, readKey, writeKey, Writer, type Reader } from './codec.ts';
import {
  ID_BYTES,
  MAX_ONE_TIME_UNIT_BYTES,
  MAX_ONE_TIME_UNITS,
  MAX_PREKEY_SET_BYTES,
  PREKEY_CLOCK_SKEW_MS,
  PREKEY_SET_MAX_LIFETIME_MS,
  SIGN_LABELS,
  SIGNATURE_BYTES,
  SUITE,
  WIRE_VERSION,
} from './constants.ts';
import type { DeviceCert, DeviceSecrets } from './device.ts';
import { ensure } from './errors.ts';
import { H, importKem, importX25519, sign, verifySigned } from './primitives.ts';

/** A verified prekey set: what a device offers everybody for a while. */
export interface PrekeySet {
  readonly deviceId: Uint8Array;
  /** Strictly increasing per device, from 1. */
  readonly setId: number;
  /** SPK, X25519. */
  readonly signedPrekey: Uint8Array;
  /** Last-resort ML-KEM-768 key, used when one-time units are out. */
  readonly lastResortKem: Uint8Array;
  readonly createdAt: number;
  readonly notAfter: number;
  /** fields ‖ signature. */
  readonly encoded: Uint8Array;
  /** H(encoded): how client and server compare sets. */
  readonly hash: Uint8Array;
}

/** A verified one-time unit: X25519 and ML-KEM-768 under one id, used once. */
export interface OneTimeUnit {
  readonly deviceId: Uint8Array;
  readonly setId: number;
  /** 0 … 63, unique in its set. */
  readonly id: number;
  readonly dhPub: Uint8Array;
  readonly kemPub: Uint8Array;
  readonly encoded: Uint8Array;
}

/** What is uploaded, byte for byte the same on every retry. */
export interface PrekeyUpload {
  readonly setId: number;
  readonly set: Uint8Array;
  readonly units: readonly Uint8Array[];
}

/** What a claim returns: the newest set and one unit, or none when they are out. */
export interface ClaimedPrekeys {
  readonly set: Uint8Array;
  readonly unit: Uint8Array | null;
}

/** A claim that passed every check: the keys PQXDH needs. */
export interface PrekeyBundle {
  readonly device: DeviceCert;
  readonly setId: number;
  readonly signedPrekey: Uint8Array;
  /** The unit's KEM key, or the last-resort key. */
  readonly kemPub: Uint8Array;
  /** null: last resort, the handshake runs without the fourth agreement and is flagged (A28). */
  readonly oneTime: { readonly id: number; readonly dhPub: Uint8Array } | null;
}

/** Public parts of a set before signing. */
export interface NewPrekeySet {
  readonly setId: number;
  readonly signedPrekey: Uint8Array;
  readonly lastResortKem: Uint8Array;
  readonly createdAt: number;
  readonly notAfter: number;
}

/** Encodes and signs a set. */
export function signPrekeySet(device: DeviceSecrets, set: NewPrekeySet): Uint8Array {
  const w = new Writer().u8(WIRE_VERSION).u8(SUITE).fixed(device.deviceId, ID_BYTES).u32(set.setId);
  writeKey(w, KEY_X25519, set.signedPrekey);
  writeKey(w, KEY_MLKEM768, set.lastResortKem);
  w.varint(set.createdAt).varint(set.notAfter);
  const signature = sign(device.signing.secretKey, SIGN_LABELS.prekeySet, w.done());
  return w.fixed(signature, SIGNATURE_BYTES).done();
}

/** Public parts of a unit before signing. */
export interface NewOneTimeUnit {
  readonly setId: number;
  readonly id: number;
  readonly dhPub: Uint8Array;
  readonly kemPub: Uint8Array;
}

/** Encodes and signs one unit. */
export function signOneTimeUnit(device: DeviceSecrets, unit: NewOneTimeUnit): Uint8Array {
  const w = new Writer().u8(WIRE_VERSION).u8(SUITE).fixed(device.deviceId, ID_BYTES);
  w.u32(unit.setId).u32(unit.id);
  writeKey(w, KEY_X25519, unit.dhPub);
  writeKey(w, KEY_MLKEM768, unit.kemPub);
  const signature = sign(device.signing.secretKey, SIGN_LABELS.oneTimeUnit, w.done());
  return w.fixed(signature, SIGNATURE_BYTES).done();
}

function readHeader(r: Reader): Uint8Array {
  ensure(r.u8() === WIRE_VERSION, 'unsupported', 'prekey version');
  ensure(r.u8() === SUITE, 'unsupported', 'prekey suite');
  return r.fixed(ID_BYTES);
}

/** Decodes a set without checking its signature (routing only). Throws malformed, unsupported, limit. */
export function decodePrekeySet(encoded: Uint8Array): PrekeySet {
  ensure(encoded.length <= MAX_PREKEY_SET_BYTES, 'limit', 'prekey set size');
  return decodeAll(encoded, (r) => {
    const deviceId = readHeader(r);
    const setId = r.u32();
    const signedPrekey = readKey(r, KEY_X25519);
    const lastResortKem = readKey(r, KEY_MLKEM768);
    const createdAt = r.varint();
    const notAfter = r.varint();
    r.fixed(SIGNATURE_BYTES);
    ensure(setId > 0, 'malformed', 'set id zero');
    ensure(notAfter > createdAt, 'malformed', 'prekey set lifetime');
    ensure(notAfter - createdAt <= PREKEY_SET_MAX_LIFETIME_MS, 'limit', 'prekey set lifetime');
    const encodedCopy = encoded.slice();
    const hash = H(encodedCopy);
    return { deviceId, setId, signedPrekey, lastResortKem, createdAt, notAfter, encoded: encodedCopy, hash };
  });
}

/** Decodes a unit without checking its signature (routing only). Throws malformed, unsupported, limit. */
export function decodeOneTimeUnit(encoded: Uint8Array): OneTimeUnit {
  ensure(encoded.length <= MAX_ONE_TIME_UNIT_BYTES, 'limit', 'one-time unit size');
  return decodeAll(encoded, (r) => {
    const deviceId = readHeader(r);
    const setId = r.u32();
    const id = r.varint(MAX_ONE_TIME_UNITS - 1);
    const dhPub = readKey(r, KEY_X25519);
    const kemPub = readKey(r, KEY_MLKEM768);
    r.fixed(SIGNATURE_BYTES);
    return { deviceId, setId, id, dhPub, kemPub, encoded: encoded.slice() };
  });
}

function verifyEncoded(device: DeviceCert, label: string, encoded: Uint8Array): void {
  const split = encoded.length - SIGNATURE_BYTES;
  verifySigned(device.signingPub, label, encoded.subarray(0, split), encoded.subarray(split));
}

/** Whose set, and when: `serverTime` in ms is the time of the upload or claim as the server says it (P7). */
export interface SetCheck {
  readonly device: DeviceCert;
  readonly serverTime: number;
  /** The highest set id already seen of this device, or 0. */
  readonly knownSetId: number;
}

/**
 * Verifies a set of a certified device. Throws mismatch (another device), bad_key, bad_signature, expired (lifetime
 * over, or not begun), stale_record (an older set than one already seen).
 */
export function verifyPrekeySet(encoded: Uint8Array, check: SetCheck): PrekeySet {
  const set = decodePrekeySet(encoded);
  ensure(equalBytes(set.deviceId, check.device.deviceId), 'mismatch', 'prekey set of another device');
  importX25519(set.signedPrekey);
  importKem(set.lastResortKem);
  verifyEncoded(check.device, SIGN_LABELS.prekeySet, encoded);
  ensure(check.serverTime <= set.notAfter, 'expired', 'prekey set is over');
  ensure(set.createdAt <= check.serverTime + PREKEY_CLOCK_SKEW_MS, 'expired', 'prekey set from the future');
  ensure(set.setId >= check.knownSetId, 'stale_record', 'an older prekey set than known');
  return set;
}

/** Verifies a unit against the verified set it must belong to. Throws mismatch, bad_key, bad_signature. */
export function verifyOneTimeUnit(encoded: Uint8Array, set: PrekeySet, device: DeviceCert): OneTimeUnit {
  const unit = decodeOneTimeUnit(encoded);
  ensure(equalBytes(unit.deviceId, device.deviceId), 'mismatch', 'one-time unit of another device');
  ensure(unit.setId === set.setId, 'mismatch', 'one-time unit of another set');
  importX25519(unit.dhPub);
  importKem(unit.kemPub);
  verifyEncoded(device, SIGN_LABELS.oneTimeUnit, encoded);
  return unit;
}

/** An upload that passed every check. */
export interface VerifiedUpload {
  readonly set: PrekeySet;
  readonly units: readonly OneTimeUnit[];
}

/**
 * The server's check of an upload: set, every unit, ids ascending. The order is the order they are handed out in.
 * A set already stored with other bytes is the caller's conflict.
 */
export function verifyPrekeyUpload(
  upload: { readonly set: Uint8Array; readonly units: readonly Uint8Array[] },
  check: SetCheck,
): VerifiedUpload {
  ensure(upload.units.length <= MAX_ONE_TIME_UNITS, 'limit', 'one-time units');
  const set = verifyPrekeySet(upload.set, check);
  const units: OneTimeUnit[] = [];
  for (const encoded of upload.units) {
    const unit = verifyOneTimeUnit(encoded, set, check.device);
    ensure(unit.id > (units.at(-1)?.id ?? -1), 'malformed', 'one-time unit ids not ascending');
    units.push(unit);
  }
  return { set, units };
}

/** The initiator's check of a claim. Throws what verifyPrekeySet and verifyOneTimeUnit throw. */
export function verifyClaimedPrekeys(claimed: ClaimedPrekeys, check: SetCheck): PrekeyBundle {
  const set = verifyPrekeySet(claimed.set, check);
  const unit = claimed.unit ? verifyOneTimeUnit(claimed.unit, set, check.device) : null;
  return {
    device: check.device,
    setId: set.setId,
    signedPrekey: set.signedPrekey,
    kemPub: unit ? unit.kemPub : set.lastResortKem,
    oneTime: unit ? { id: unit.id, dhPub: unit.dhPub } : null,
  };
}

// Prekeys, secret half: the record a device keeps, publishing, rotation, refill, use and expiry (protocol 3.4, P5).
// Pure: every function returns a new record; the caller commits it before anything is uploaded or answered.
import {
  MAX_KEPT_PREKEY_SETS,
  MAX_LAST_RESORT_REPLAYS,
  MAX_ONE_TIME_UNITS,
  ONE_TIME_REFILL_AT,
  PREKEY_SET_MAX_LIFETIME_MS,
  PREKEY_SET_ROTATION_MS,
} from './constants.ts';
import type { DeviceSecrets } from './device.ts';
import { CryptoError, ensure } from './errors.ts';
import { idKey } from './ids.ts';
import { equalBytes } from './bytes.ts';
import { signOneTimeUnit, signPrekeySet, type PrekeyUpload } from './prekeys.ts';
import { H, kemKeyPair, x25519KeyPair } from './primitives.ts';
import type { Rng } from './rng.ts';

/** Secrets of one unit: X25519 scalar (32) and ML-KEM seed (64); public X25519 for the transcript. */
export interface OneTimeSecret {
  readonly id: number;
  readonly dhSecret: Uint8Array;
  readonly dhPub: Uint8Array;
  readonly kemSeed: Uint8Array;
}

/** Secrets of one published set. */
export interface PrekeySetSecrets {
  readonly setId: number;
  readonly setHash: Uint8Array;
  readonly createdAt: number;
  readonly notAfter: number;
  readonly spkSecret: Uint8Array;
  readonly spkPub: Uint8Array;
  readonly lastResortSeed: Uint8Array;
  /** Unused units. */
  readonly units: readonly OneTimeSecret[];
  /** Hashes (hex) of first messages accepted under the last-resort key: the replay guard. */
  readonly lastResortSeen: readonly string[];
}

/** The device's prekey record. */
export interface PrekeyRecord {
  /** Highest id ever given out; never goes down. */
  readonly lastSetId: number;
  /** Oldest first. */
  readonly sets: readonly PrekeySetSecrets[];
  /** Written before the upload and repeated byte-identical until confirmed. */
  readonly pending: PrekeyUpload | null;
}

/** A device's record before its first set. */
export const EMPTY_PREKEY_RECORD: PrekeyRecord = { lastSetId: 0, sets: [], pending: null };

/** How a new set is made; times in ms, `now` is the server's time where it is known. */
export interface PublishOptions {
  readonly device: DeviceSecrets;
  readonly now: number;
  /** One-time units, at most 64 (the default). */
  readonly units?: number;
}

/** Makes the next set and its units, and puts the upload into `pending`. Also drops what pruneSets drops. */
export function makePrekeySet(record: PrekeyRecord, options: PublishOptions, rng: Rng): PrekeyRecord {
  const count = options.units ?? MAX_ONE_TIME_UNITS;
  ensure(count >= 0 && count <= MAX_ONE_TIME_UNITS, 'limit', 'one-time units');
  const setId = record.lastSetId + 1;
  const spk = x25519KeyPair(rng);
  const kem = kemKeyPair(rng);
  const createdAt = options.now;
  const notAfter = createdAt + PREKEY_SET_MAX_LIFETIME_MS;
  const set = signPrekeySet(options.device, {
    setId,
    signedPrekey: spk.publicKey,
    lastResortKem: kem.publicKey,
    createdAt,
    notAfter,
  });
  const { units, encoded } = makeUnits(options.device, { setId, count }, rng);
  const secrets: PrekeySetSecrets = {
    setId,
    setHash: H(set),
    createdAt,
    notAfter,
    spkSecret: spk.secretKey,
    spkPub: spk.publicKey,
    lastResortSeed: kem.secretKey,
    units,
    lastResortSeen: [],
  };
  const kept = prunePrekeySets(record, options.now).sets.slice(-(MAX_KEPT_PREKEY_SETS - 1));
  return { lastSetId: setId, sets: [...kept, secrets], pending: { setId, set, units: encoded } };
}

function makeUnits(
  device: DeviceSecrets,
  wanted: { readonly setId: number; readonly count: number },
  rng: Rng,
): { units: OneTimeSecret[]; encoded: Uint8Array[] } {
  const units: OneTimeSecret[] = [];
  const encoded: Uint8Array[] = [];
  for (let id = 0; id < wanted.count; id++) {
    const dh = x25519KeyPair(rng);
    const kem = kemKeyPair(rng);
    units.push({ id, dhSecret: dh.secretKey, dhPub: dh.publicKey, kemSeed: kem.secretKey });
    const unit = { setId: wanted.setId, id, dhPub: dh.publicKey, kemPub: kem.publicKey };
    encoded.push(signOneTimeUnit(device, unit));
  }
  return { units, encoded };
}

/** Forgets the pending upload once the server has acknowledged it. */
export function confirmPrekeyUpload(record: PrekeyRecord, setId: number): PrekeyRecord {
  return record.pending?.setId === setId ? { ...record, pending: null } : record;
}

/** What the server says it holds for this device. */
export interface ServerPrekeyStatus {
  readonly setId: number | null;
  /** H(set bytes), 32 bytes. */
  readonly setHash: Uint8Array | null;
  /** One-time units not handed out yet. */
  readonly remaining: number;
}

/**
 * Why a device should publish now, or null: nothing published, the server shows another set than ours, units run
 * low (≤ 16), or the set is a week old.
 */
export function prekeyDuty(
  record: PrekeyRecord,
  status: ServerPrekeyStatus,
  now: number,
): 'retry' | 'first' | 'server_differs' | 'refill' | 'rotate' | null {
  if (record.pending) return 'retry';
  const newest = record.sets.at(-1);
  if (!newest) return 'first';
  const same = status.setId === newest.setId && status.setHash && equalBytes(status.setHash, newest.setHash);
  if (!same) return 'server_differs';
  if (status.remaining <= ONE_TIME_REFILL_AT) return 'refill';
  return now - newest.createdAt >= PREKEY_SET_ROTATION_MS ? 'rotate' : null;
}

/** Drops sets past their signed notAfter, secrets and replay guard together. The newest set is kept until then too. */
export function prunePrekeySets(record: PrekeyRecord, now: number): PrekeyRecord {
  const sets = record.sets.filter((set) => set.notAfter >= now);
  return sets.length === record.sets.length ? record : { ...record, sets };
}

/** The secrets a first message names. `oneTime` null: the last-resort key was used. */
export interface PrekeySecrets {
  readonly setId: number;
  readonly spkSecret: Uint8Array;
  readonly spkPub: Uint8Array;
  /** The unit's KEM seed, or the last-resort seed. */
  readonly kemSeed: Uint8Array;
  readonly oneTime: OneTimeSecret | null;
}

function requireSet(record: PrekeyRecord, setId: number): PrekeySetSecrets {
  const set = record.sets.find((candidate) => candidate.setId === setId);
  ensure(set !== undefined, 'unknown_prekey', 'prekey set not held');
  return set;
}

/** Looks up the secrets for (setId, otkId or null); throws `unknown_prekey` (also for a unit used before, A25). */
export function requirePrekeySecrets(
  record: PrekeyRecord,
  setId: number,
  oneTimeId: number | null,
): PrekeySecrets {
  const set = requireSet(record, setId);
  const base = { setId, spkSecret: set.spkSecret, spkPub: set.spkPub };
  if (oneTimeId === null) return { ...base, kemSeed: set.lastResortSeed, oneTime: null };
  const unit = set.units.find((candidate) => candidate.id === oneTimeId);
  if (!unit) throw new CryptoError('unknown_prekey', 'one-time unit not held');
  return { ...base, kemSeed: unit.kemSeed, oneTime: unit };
}

/** Deletes a used unit; commit it together with the first decrypted message. Throws `unknown_prekey`. */
export function consumeOneTimeUnit(record: PrekeyRecord, setId: number, oneTimeId: number): PrekeyRecord {
  const { oneTime } = requirePrekeySecrets(record, setId, oneTimeId);
  return replaceSet(record, setId, (set) => ({
    ...set,
    units: set.units.filter((unit) => unit !== oneTime),
  }));
}

/**
 * Notes a first message accepted under the last-resort key. `handshake` = H(EK_A ‖ ct), 32 bytes.
 * Throws `replay` for one seen before and `limit` when the guard is full (then a new set is due).
 */
export function consumeLastResort(record: PrekeyRecord, setId: number, handshake: Uint8Array): PrekeyRecord {
  const set = requireSet(record, setId);
  const seen = idKey(handshake);
  ensure(!set.lastResortSeen.includes(seen), 'replay', 'last-resort handshake seen before');
  ensure(set.lastResortSeen.length < MAX_LAST_RESORT_REPLAYS, 'limit', 'last-resort handshakes');
  return replaceSet(record, setId, (old) => ({ ...old, lastResortSeen: [...old.lastResortSeen, seen] }));
}

function replaceSet(
  record: PrekeyRecord,
  setId: number,
  change: (set: PrekeySetSecrets) => PrekeySetSecrets,
): PrekeyRecord {
  return { ...record, sets: record.sets.map((set) => (set.setId === setId ? change(set) : set)) };
}

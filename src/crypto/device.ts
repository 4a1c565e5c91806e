// Devices: their keys, their certificate with proof of possession, and the signature that binds a server session
// to a device (protocol 3.2, P9; docs/protocol.md, Identity).
import { equalBytes } from './bytes.ts';
import { decodeAll, KEY_ED25519, KEY_X25519, readKey, writeKey, Writer, type Reader } from './codec.ts';
import {
  CHALLENGE_BYTES,
  HASH_BYTES,
  ID_BYTES,
  MAX_DEVICE_CERT_BYTES,
  MAX_DEVICE_SUITES,
  SIGN_LABELS,
  SIGNATURE_BYTES,
  SUITE,
  WIRE_VERSION,
} from './constants.ts';
import { ensure } from './errors.ts';
import { idKey } from './ids.ts';
import {
  ed25519KeyPair,
  importEd25519,
  importX25519,
  sign,
  verifySigned,
  x25519KeyPair,
  type KeyPair,
} from './primitives.ts';
import type { Rng } from './rng.ts';

/** `full` may sign account log entries; bots and read-only devices may not. */
export type DeviceKind = 'full' | 'bot' | 'readonly';

const KIND_FLAG: Record<DeviceKind, number> = { full: 1, bot: 2, readonly: 4 };

/** A decoded device certificate. `encoded` is the exact byte string (fields ‖ signature). */
export interface DeviceCert {
  readonly aid: Uint8Array;
  readonly deviceId: Uint8Array;
  /** DSK, Ed25519. */
  readonly signingPub: Uint8Array;
  /** DDK, X25519. */
  readonly dhPub: Uint8Array;
  readonly suites: readonly number[];
  readonly kind: DeviceKind;
  readonly createdAt: number;
  readonly encoded: Uint8Array;
}

/** The private half of a device; never leaves it. */
export interface DeviceSecrets {
  readonly deviceId: Uint8Array;
  readonly signing: KeyPair;
  readonly dh: KeyPair;
}

/** What a new device is made from: account identity string, chosen id, kind, creation time in ms. */
export interface NewDevice {
  readonly aid: Uint8Array;
  readonly deviceId: Uint8Array;
  readonly kind: DeviceKind;
  readonly createdAt: number;
}

/** Makes the keys of a device and its self-signed certificate; an addDevice entry then certifies it. */
export function generateDevice(device: NewDevice, rng: Rng): { secrets: DeviceSecrets; cert: DeviceCert } {
  const secrets = { deviceId: device.deviceId.slice(), signing: ed25519KeyPair(rng), dh: x25519KeyPair(rng) };
  return { secrets, cert: certifyDevice(device, secrets) };
}

/** Signs a certificate over existing keys (proof of possession of DSK, bound to the account). */
export function certifyDevice(device: NewDevice, secrets: DeviceSecrets): DeviceCert {
  const w = new Writer();
  w.u8(WIRE_VERSION).fixed(device.aid, HASH_BYTES).fixed(device.deviceId, ID_BYTES);
  writeKey(w, KEY_ED25519, secrets.signing.publicKey);
  writeKey(w, KEY_X25519, secrets.dh.publicKey);
  w.array([SUITE], MAX_DEVICE_SUITES, (out, suite) => void out.u8(suite));
  w.u8(KIND_FLAG[device.kind]).varint(device.createdAt);
  const signature = sign(secrets.signing.secretKey, SIGN_LABELS.deviceCert, w.done());
  return verifyDeviceCert(w.fixed(signature, SIGNATURE_BYTES).done());
}

/**
 * Decodes a certificate, checks its keys and its proof of possession. It does NOT say that an account accepts the
 * device: only an account log does. Throws malformed, unsupported, bad_key, bad_signature.
 */
export function verifyDeviceCert(encoded: Uint8Array): DeviceCert {
  ensure(encoded.length <= MAX_DEVICE_CERT_BYTES, 'limit', 'device certificate size');
  const { cert, signature } = decodeAll(encoded, (r) => readCert(r, encoded));
  importEd25519(cert.signingPub);
  importX25519(cert.dhPub);
  const fields = encoded.subarray(0, encoded.length - SIGNATURE_BYTES);
  verifySigned(cert.signingPub, SIGN_LABELS.deviceCert, fields, signature);
  return cert;
}

function readCert(r: Reader, encoded: Uint8Array): { cert: DeviceCert; signature: Uint8Array } {
  ensure(r.u8() === WIRE_VERSION, 'unsupported', 'device certificate version');
  const aid = r.fixed(HASH_BYTES);
  const deviceId = r.fixed(ID_BYTES);
  const signingPub = readKey(r, KEY_ED25519);
  const dhPub = readKey(r, KEY_X25519);
  const suites = r.array(MAX_DEVICE_SUITES, (item) => item.u8());
  ensure(
    suites.every((suite, i) => suite > (suites[i - 1] ?? 0)),
    'malformed',
    'suites not ascending',
  );
  ensure(suites.includes(SUITE), 'unsupported', 'device without suite 1');
  const kind = kindOf(r.u8());
  const createdAt = r.varint();
  const signature = r.fixed(SIGNATURE_BYTES);
  const cert = { aid, deviceId, signingPub, dhPub, suites, kind, createdAt, encoded: encoded.slice() };
  return { cert, signature };
}

function kindOf(flags: number): DeviceKind {
  for (const kind of ['full', 'bot', 'readonly'] as const) if (KIND_FLAG[kind] === flags) return kind;
  ensure(false, 'unsupported', 'device flags');
}

/**
 * The key under which a device is remembered: account identity and device id together, because device ids are
 * chosen by clients and mean nothing outside their account (A07, A08).
 */
export function deviceAddress(aid: Uint8Array, deviceId: Uint8Array): string {
  return `${idKey(aid)}/${idKey(deviceId)}`;
}

/** A server session and the challenge the server gave it: 16 and 32 bytes. */
export interface AttachRequest {
  readonly sessionId: Uint8Array;
  readonly challenge: Uint8Array;
}

function attachFields(request: AttachRequest): Uint8Array {
  return new Writer()
    .u8(WIRE_VERSION)
    .fixed(request.sessionId, ID_BYTES)
    .fixed(request.challenge, CHALLENGE_BYTES)
    .done();
}

/** SIGN(DSK, "attach", canon(v, sessionId16, challenge32)): binds this session to this device (P9). 64 bytes. */
export function signAttach(secrets: DeviceSecrets, request: AttachRequest): Uint8Array {
  return sign(secrets.signing.secretKey, SIGN_LABELS.attach, attachFields(request));
}

/** The server's half of signAttach; the caller has checked that the log holds this certificate live. */
export function verifyAttach(cert: DeviceCert, request: AttachRequest, signature: Uint8Array): void {
  verifySigned(cert.signingPub, SIGN_LABELS.attach, attachFields(request), signature);
}

/** Whether two certificates are the same bytes. */
export function sameCert(a: DeviceCert, b: DeviceCert): boolean {
  return equalBytes(a.encoded, b.encoded);
}

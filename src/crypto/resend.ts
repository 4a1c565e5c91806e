// Asking for a new session, the signed way (protocol 3.6; docs/protocol.md, Resend): for a device that has no session left
// it could ask over. Bound to both devices of both accounts and to a time that only ever grows, so that a request is
// good once, for one receiver. Pure.
import type { PeerDevice } from './authenticated.ts';
import { equalBytes } from './bytes.ts';
import { decodeAll, type Reader, Writer } from './codec.ts';
import {
  HASH_BYTES,
  ID_BYTES,
  MAX_PACKET_BYTES,
  PACKET_CONTROL,
  PACKET_PREKEY,
  RESEND_CLOCK_SKEW_MS,
  RESEND_EVERY_MS,
  RESEND_WINDOW_MS,
  RESENDS_PER_HOUR,
  SIGN_LABELS,
  SIGNATURE_BYTES,
  WIRE_VERSION,
} from './constants.ts';
import type { DeviceCert, DeviceSecrets } from './device.ts';
import { decodeRatchetMessage } from './double-ratchet.ts';
import { CryptoError, ensure, type CryptoErrorCode } from './errors.ts';
import { decodePrekeyMessage } from './pqxdh.ts';
import { sign, verifySigned } from './primitives.ts';
import {
  readResend,
  writeResend,
  type PacketPlace,
  type ResendReason,
  type ResendRequest,
} from './resend-request.ts';

const OP_RESEND = 1;
const HOUR_MS = 3_600_000;

/** Who asks whom, and when (ms). */
export interface ResendEnds {
  readonly from: PeerDevice;
  readonly to: PeerDevice;
  readonly createdAt: number;
}

/** A control packet that asks `to` for a new session. At most 221 bytes. */
export function signResend(secrets: DeviceSecrets, ends: ResendEnds, request: ResendRequest): Uint8Array {
  const w = new Writer().u8(PACKET_CONTROL).u8(WIRE_VERSION).u8(OP_RESEND);
  for (const { aid, deviceId } of [ends.from, ends.to]) w.fixed(aid, HASH_BYTES).fixed(deviceId, ID_BYTES);
  w.varint(ends.createdAt);
  writeResend(w, request);
  const signature = sign(secrets.signing.secretKey, SIGN_LABELS.control, w.done());
  return w.fixed(signature, SIGNATURE_BYTES).done();
}

/** What the receiver of a control packet knows. */
export interface ResendCheck {
  /** Of the device the server names as the sender, live in its verified log. */
  readonly cert: DeviceCert;
  readonly self: PeerDevice;
  /** Time of the newest request accepted from this device, ms; 0: none. */
  readonly seenAt: number;
  readonly now: number;
}

/**
 * Reads and checks a control packet. Throws malformed, unsupported, bad_signature; `mismatch` (between other devices);
 * `replay` (not newer than one accepted before), `expired` (older than the keys that could be sent again, or from a
 * day ahead). The caller checked that the device is live and its account trusted.
 */
export function openResend(packet: Uint8Array, check: ResendCheck): ResendRequest & { createdAt: number } {
  ensure(packet.length <= MAX_PACKET_BYTES, 'limit', 'packet size');
  const { cert, self, seenAt, now } = check;
  const { from, to, createdAt, request, signature } = decodeAll(packet, readControl);
  // The signature last: what was repeated or is for others costs nobody a check of one.
  ensure(isSame(from, cert) && isSame(to, self), 'mismatch', 'control packet between other devices');
  ensure(createdAt > seenAt, 'replay', 'control packet not newer than the last');
  ensure(now - createdAt < RESEND_WINDOW_MS, 'expired', 'control packet too old');
  ensure(createdAt - now < RESEND_CLOCK_SKEW_MS, 'expired', 'control packet from the future');
  const fields = packet.subarray(0, packet.length - SIGNATURE_BYTES);
  verifySigned(cert.signingPub, SIGN_LABELS.control, fields, signature);
  return { ...request, createdAt };
}

function readControl(r: Reader) {
  ensure(r.u8() === PACKET_CONTROL, 'malformed', 'not a control packet');
  ensure(r.u8() === WIRE_VERSION, 'unsupported', 'control packet version');
  ensure(r.u8() === OP_RESEND, 'unsupported', 'control operation');
  const [from, to] = [readDevice(r), readDevice(r)];
  const createdAt = r.varint();
  const request = readResend(r);
  return { from, to, createdAt, request, signature: r.fixed(SIGNATURE_BYTES) };
}

const readDevice = (r: Reader): PeerDevice => ({ aid: r.fixed(HASH_BYTES), deviceId: r.fixed(ID_BYTES) });

const isSame = (a: PeerDevice, b: PeerDevice): boolean =>
  equalBytes(a.aid, b.aid) && equalBytes(a.deviceId, b.deviceId);

/** What to ask for after decryption refused a packet with this code; null where sending again would change nothing. */
export function resendReason(code: CryptoErrorCode): ResendReason | null {
  switch (code) {
    case 'unknown_session':
      return 'unknown-session';
    case 'unknown_prekey':
      return 'unknown-prekey';
    case 'limit':
      return 'too-far';
    case 'replay':
      return 'used';
    case 'malformed':
      return 'unreadable';
    case 'bad_mac':
    case 'bad_key':
    case 'unknown_chain':
    case 'mismatch':
    case 'truncated':
    case 'expired':
      return 'broken';
    default: // a newer client's packet, a device that is none, logs that contradict: its own matter
      return null;
  }
}

/** What a packet's header says about itself, unauthenticated; null where there is none to read. */
export function packetPlace(packet: Uint8Array): PacketPlace | null {
  try {
    const message = packet[0] === PACKET_PREKEY ? decodePrekeyMessage(packet).message : packet;
    const { sid, dhPub, n } = decodeRatchetMessage(message).header;
    return { sid, dhPub, n };
  } catch (error) {
    if (error instanceof CryptoError) return null;
    throw error;
  }
}

/**
 * From when on the next request may follow those at `times` (ms, of one peer device): now, a minute after the last, or
 * never (null): six within the hour did not help, a person has to look (A49).
 */
export function nextResend(times: readonly number[], now: number): number | null {
  const recent = times.filter((at) => now - at < HOUR_MS);
  if (recent.length >= RESENDS_PER_HOUR) return null;
  return Math.max(now, ...recent.map((at) => at + RESEND_EVERY_MS));
}

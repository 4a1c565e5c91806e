// PQXDH (protocol 3.5, P4; docs/protocol.md, Handshake): four X25519 agreements and one ML-KEM-768 encapsulation. The
// transcript hash binds suite, both identities, both devices' keys, both log heads, every prekey and the ciphertext;
// who the peer is comes from its verified account log, never from the packet.
import {
  acceptsHead,
  compareHead,
  logHead,
  requireLiveDevice,
  requireSender,
  wasLiveAt,
  type AccountLogState,
} from './account-log.ts';
import { concat, equalBytes, utf8 } from './bytes.ts';
import { KEY_ED25519, KEY_X25519, readKey, Reader, writeKey, Writer } from './codec.ts';
import {
  HASH_BYTES,
  ID_BYTES,
  KEM_CIPHERTEXT_BYTES,
  MAX_ONE_TIME_UNITS,
  PACKET_PREKEY,
  SID_BYTES,
  SUITE,
} from './constants.ts';
import { sameCert, type DeviceCert, type DeviceSecrets } from './device.ts';
import { CryptoError, ensure } from './errors.ts';
import { readLogHead, writeLogHead, type LogHead } from './log-head.ts';
import {
  consumeLastResort,
  consumeOneTimeUnit,
  requirePrekeySecrets,
  type PrekeyRecord,
  type PrekeySecrets,
} from './prekey-store.ts';
import type { PrekeyBundle } from './prekeys.ts';
import {
  H,
  hkdf,
  importX25519,
  kemDecaps,
  kemEncaps,
  kemPublicFromSeed,
  x25519KeyPair,
  x25519Shared,
  type KeyPair,
} from './primitives.ts';
import type { Rng } from './rng.ts';

/** This device: its secrets and the newest verified state of its own account's log. */
export interface LocalDevice {
  readonly secrets: DeviceSecrets;
  readonly log: AccountLogState;
}

/** The fields of a PREKEY message before its ratchet message. */
export interface PrekeyHeader {
  readonly sid: Uint8Array;
  readonly aid: Uint8Array;
  readonly deviceId: Uint8Array;
  /** The initiator's own log head. */
  readonly initiatorHead: LogHead;
  /** The initiator's view of the responder's log head. */
  readonly responderHead: LogHead;
  readonly ephemeral: Uint8Array;
  readonly setId: number;
  /** null: the last-resort KEM key was used. */
  readonly oneTimeId: number | null;
  readonly ciphertext: Uint8Array;
  /** The exact bytes from the type byte to the end of the ciphertext: repeated unchanged in every message. */
  readonly encoded: Uint8Array;
}

/** What both sides hold after the handshake. */
export interface HandshakeSecrets {
  /** Transcript hash, associated data for the life of the session. */
  readonly th: Uint8Array;
  readonly sid: Uint8Array;
  readonly rootKey: Uint8Array;
  /** Whether the last-resort key stood in for a one-time unit (still post-quantum, replay-guarded). */
  readonly lastResort: boolean;
}

const MASK_ONE_TIME = 1;

function encodePrekeyHeader(h: Omit<PrekeyHeader, 'encoded'>): Uint8Array {
  const w = new Writer()
    .u8(PACKET_PREKEY)
    .u8(SUITE)
    .u8(h.oneTimeId === null ? 0 : MASK_ONE_TIME);
  w.fixed(h.sid, SID_BYTES).fixed(h.aid, HASH_BYTES).fixed(h.deviceId, ID_BYTES);
  writeLogHead(w, h.initiatorHead);
  writeLogHead(w, h.responderHead);
  writeKey(w, KEY_X25519, h.ephemeral);
  w.u32(h.setId);
  if (h.oneTimeId !== null) w.varint(h.oneTimeId);
  return w.fixed(h.ciphertext, KEM_CIPHERTEXT_BYTES).done();
}

/** Splits a PREKEY message into header and ratchet message. Throws malformed, unsupported (suite, mask). */
export function decodePrekeyMessage(packet: Uint8Array): { header: PrekeyHeader; message: Uint8Array } {
  const r = new Reader(packet);
  ensure(r.u8() === PACKET_PREKEY, 'malformed', 'not a prekey message');
  ensure(r.u8() === SUITE, 'unsupported', 'handshake suite');
  const mask = r.mask(MASK_ONE_TIME);
  const header = {
    sid: r.fixed(SID_BYTES),
    aid: r.fixed(HASH_BYTES),
    deviceId: r.fixed(ID_BYTES),
    initiatorHead: readLogHead(r),
    responderHead: readLogHead(r),
    ephemeral: readKey(r, KEY_X25519),
    setId: r.u32(),
    oneTimeId: mask & MASK_ONE_TIME ? r.varint(MAX_ONE_TIME_UNITS - 1) : null,
    ciphertext: r.fixed(KEM_CIPHERTEXT_BYTES),
  };
  const encoded = packet.slice(0, packet.length - r.remaining);
  return { header: { ...header, encoded }, message: r.rest() };
}

interface Transcript {
  readonly initiator: { readonly cert: DeviceCert; readonly head: LogHead };
  readonly responder: { readonly cert: DeviceCert; readonly head: LogHead };
  readonly setId: number;
  readonly signedPrekey: Uint8Array;
  readonly oneTime: { readonly id: number; readonly dhPub: Uint8Array } | null;
  readonly kemPub: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly ephemeral: Uint8Array;
}

/** TH = H("cl1/pqxdh" ‖ canon(...)). */
function transcriptHash(t: Transcript): Uint8Array {
  const w = new Writer().u8(SUITE).u8(t.oneTime ? MASK_ONE_TIME : 0);
  for (const { cert, head } of [t.initiator, t.responder]) {
    w.fixed(cert.aid, HASH_BYTES).fixed(cert.deviceId, ID_BYTES);
    writeKey(w, KEY_ED25519, cert.signingPub);
    writeKey(w, KEY_X25519, cert.dhPub);
    writeLogHead(w, head);
  }
  w.u32(t.setId);
  writeKey(w, KEY_X25519, t.signedPrekey);
  if (t.oneTime) {
    w.varint(t.oneTime.id);
    writeKey(w, KEY_X25519, t.oneTime.dhPub);
  }
  w.fixed(H(t.kemPub), HASH_BYTES).fixed(H(t.ciphertext), HASH_BYTES);
  writeKey(w, KEY_X25519, t.ephemeral);
  return H(utf8('cl1/pqxdh'), w.done());
}

/** OKM = HKDF(0^32, 0xFF^32 ‖ DH1 ‖ DH2 ‖ DH3 ‖ [DH4] ‖ SS, "cl1/pqxdh/okm" ‖ TH, 32) = RK0. */
function deriveSecrets(t: Transcript, agreements: readonly Uint8Array[]): HandshakeSecrets {
  const th = transcriptHash(t);
  const ikm = concat(new Uint8Array(32).fill(0xff), ...agreements);
  const rootKey = hkdf(new Uint8Array(32), ikm, concat(utf8('cl1/pqxdh/okm'), th), 32);
  const sid = H(utf8('cl1/sid'), th).slice(0, SID_BYTES);
  return { th, sid, rootKey, lastResort: t.oneTime === null };
}

function ownCert(self: LocalDevice): DeviceCert {
  return requireLiveDevice(self.log, self.secrets.deviceId).cert;
}

/** Whom to reach: the peer's verified log and a claim that passed verifyClaimedPrekeys. */
export interface InitiateTarget {
  readonly peerLog: AccountLogState;
  readonly bundle: PrekeyBundle;
}

/** What the initiator keeps: secrets, the PREKEY header to repeat, and the signed prekey for the first ratchet step. */
export interface Initiated extends HandshakeSecrets {
  readonly prekey: Uint8Array;
  readonly signedPrekey: Uint8Array;
}

/**
 * Runs the initiator's side. Throws unknown_device or revoked (either device is not live in its log), `mismatch`
 * (the bundle is not of the certificate in the log, or of this very device), bad_key.
 */
export function initiate(self: LocalDevice, target: InitiateTarget, rng: Rng): Initiated {
  const { peerLog, bundle } = target;
  const cert = ownCert(self);
  const peer = requireLiveDevice(peerLog, bundle.device.deviceId).cert;
  ensure(sameCert(peer, bundle.device), 'mismatch', 'bundle of another certificate');
  ensure(!sameCert(peer, cert), 'mismatch', 'handshake with oneself');
  const ephemeral = x25519KeyPair(rng);
  const kem = kemEncaps(bundle.kemPub, rng);
  const agreements = [
    x25519Shared(self.secrets.dh.secretKey, bundle.signedPrekey),
    x25519Shared(ephemeral.secretKey, peer.dhPub),
    x25519Shared(ephemeral.secretKey, bundle.signedPrekey),
    ...(bundle.oneTime ? [x25519Shared(ephemeral.secretKey, bundle.oneTime.dhPub)] : []),
    kem.shared,
  ];
  const transcript: Transcript = {
    initiator: { cert, head: logHead(self.log) },
    responder: { cert: peer, head: logHead(peerLog) },
    setId: bundle.setId,
    signedPrekey: bundle.signedPrekey,
    oneTime: bundle.oneTime,
    kemPub: bundle.kemPub,
    ciphertext: kem.ciphertext,
    ephemeral: ephemeral.publicKey,
  };
  const secrets = deriveSecrets(transcript, agreements);
  const prekey = encodePrekeyHeader({
    sid: secrets.sid,
    aid: cert.aid,
    deviceId: cert.deviceId,
    initiatorHead: transcript.initiator.head,
    responderHead: transcript.responder.head,
    ephemeral: ephemeral.publicKey,
    setId: bundle.setId,
    oneTimeId: bundle.oneTime?.id ?? null,
    ciphertext: kem.ciphertext,
  });
  return { ...secrets, prekey, signedPrekey: bundle.signedPrekey };
}

/** Whom the first message is said to be from (the server's word, checked here) and the responder's prekey secrets. */
export interface RespondContext {
  readonly peerLog: AccountLogState;
  readonly peerDeviceId: Uint8Array;
  readonly prekeys: PrekeyRecord;
  /** As in PairwiseInput. */
  readonly acceptRevoked?: boolean;
}

/** What was used up; commit it together with the first decrypted message. */
export interface ConsumedPrekey {
  readonly setId: number;
  readonly oneTimeId: number | null;
  /** H(EK_A ‖ ct): the replay guard's entry where the last-resort key was used. */
  readonly handshake: Uint8Array;
}

/** What the responder holds; nothing of it may be stored before the ratchet message decrypted. */
export interface Responded extends HandshakeSecrets {
  readonly signedPrekey: KeyPair;
  readonly prekeys: PrekeyRecord;
  readonly consumed: ConsumedPrekey;
}

/**
 * Runs the responder's side. Throws `mismatch` (identity fields or session id disagree with the verified log),
 * unknown_device, revoked, unknown_prekey, `replay` (last-resort handshake seen before), `fork` (a log head we know to
 * be false), `truncated` (a head newer than our copy of that log: fetch it and try again), bad_key.
 */
export function respond(self: LocalDevice, header: PrekeyHeader, context: RespondContext): Responded {
  const cert = ownCert(self);
  checkClaim(header, context);
  const peer = requireSender(context.peerLog, context.peerDeviceId, context.acceptRevoked).cert;
  checkHeads(self, header, context);
  const secrets = requirePrekeySecrets(context.prekeys, header.setId, header.oneTimeId);
  const handshake = H(header.ephemeral, header.ciphertext);
  const prekeys = consume(context.prekeys, header, handshake);
  const transcript: Transcript = {
    initiator: { cert: peer, head: header.initiatorHead },
    responder: { cert, head: header.responderHead },
    setId: header.setId,
    signedPrekey: secrets.spkPub,
    oneTime: secrets.oneTime ? { id: secrets.oneTime.id, dhPub: secrets.oneTime.dhPub } : null,
    kemPub: kemPublicFromSeed(secrets.kemSeed),
    ciphertext: header.ciphertext,
    ephemeral: importX25519(header.ephemeral),
  };
  const derived = deriveSecrets(transcript, agree(self, { header, secrets, peer }));
  ensure(equalBytes(derived.sid, header.sid), 'mismatch', 'session id does not follow from the handshake');
  const consumed = { setId: header.setId, oneTimeId: header.oneTimeId, handshake };
  const signedPrekey = { publicKey: secrets.spkPub, secretKey: secrets.spkSecret };
  return { ...derived, signedPrekey, prekeys, consumed };
}

function agree(
  self: LocalDevice,
  from: { readonly header: PrekeyHeader; readonly secrets: PrekeySecrets; readonly peer: DeviceCert },
): Uint8Array[] {
  const { header, secrets, peer } = from;
  return [
    x25519Shared(secrets.spkSecret, peer.dhPub),
    x25519Shared(self.secrets.dh.secretKey, header.ephemeral),
    x25519Shared(secrets.spkSecret, header.ephemeral),
    ...(secrets.oneTime ? [x25519Shared(secrets.oneTime.dhSecret, header.ephemeral)] : []),
    kemDecaps(secrets.kemSeed, header.ciphertext),
  ];
}

function consume(record: PrekeyRecord, header: PrekeyHeader, handshake: Uint8Array): PrekeyRecord {
  if (header.oneTimeId === null) return consumeLastResort(record, header.setId, handshake);
  return consumeOneTimeUnit(record, header.setId, header.oneTimeId);
}

/** The identity a packet claims must repeat the account and device it is said to come from (A34). */
function checkClaim(
  claim: { readonly aid: Uint8Array; readonly deviceId: Uint8Array },
  context: { readonly peerLog: AccountLogState; readonly peerDeviceId: Uint8Array },
): void {
  ensure(equalBytes(claim.aid, context.peerLog.aid), 'mismatch', 'handshake of another account');
  ensure(equalBytes(claim.deviceId, context.peerDeviceId), 'mismatch', 'handshake of another device');
}

function checkHeads(self: LocalDevice, header: PrekeyHeader, context: RespondContext): void {
  assertHead(context.peerLog, header.initiatorHead);
  ensure(
    wasLiveAt(context.peerLog, context.peerDeviceId, header.initiatorHead.seq),
    'mismatch',
    'log head from before the device was added',
  );
  assertHead(self.log, header.responderHead);
  const own = requireLiveDevice(self.log, self.secrets.deviceId);
  ensure(
    acceptsHead(self.log, header.responderHead, own.addedAtSeq),
    'mismatch',
    'log head from before this device was added',
  );
}

/** Throws `truncated` where our copy of the log is behind the head, `fork` where it contradicts it. */
function assertHead(log: AccountLogState, head: LogHead): void {
  const verdict = compareHead(log, head);
  if (verdict === 'newer') throw new CryptoError('truncated', 'a log head newer than the known log');
  if (verdict === 'fork') throw new CryptoError('fork', 'a log head the log never had');
}

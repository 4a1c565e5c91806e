// Linking a device (protocol 3.3; docs/protocol.md, Linking): the code a new browser shows, and the three sealed
// parcels that go over the server's relay. The code's secret never goes that way, so the server can neither read a
// parcel nor put another in its place; the two pictures say that both screens are of the same exchange.
import { accountIdentity, type AccountLogState } from './account-log.ts';
import { concat, equalBytes, fromBase64Url, toBase64Url, utf8 } from './bytes.ts';
import { decodeAll, KEY_ED25519, KEY_X25519, readKey, writeKey, Writer } from './codec.ts';
import {
  AEAD_KEY_BYTES,
  HASH_BYTES,
  ID_BYTES,
  LINK_CODE_BYTES,
  LINK_ECHO_PICTURES,
  LINK_SECRET_BYTES,
  MAX_DEVICE_CERT_BYTES,
  MAX_DEVICE_LABEL_BYTES,
  MAX_LINK_PARCEL_BYTES,
  WIRE_VERSION,
  XAEAD_NONCE_BYTES,
} from './constants.ts';
import { verifyDeviceCert, type DeviceCert } from './device.ts';
import { CryptoError, ensure } from './errors.ts';
import type { LogHead } from './log-head.ts';
import { H, hkdf, importX25519, x25519KeyPair, x25519Shared, xaeadOpen, xaeadSeal } from './primitives.ts';
import type { KeyPair } from './primitives.ts';
import type { Rng } from './rng.ts';

/** Says what it is to whoever reads it with something else. */
const PREFIX = 'chatalot-link.';
const TEXT_LENGTH = PREFIX.length + Math.ceil((LINK_CODE_BYTES * 4) / 3);

/** What the new device shows. */
export interface LinkCode {
  /** Names the relay's mailbox to the server, 16 bytes. */
  readonly mailboxId: Uint8Array;
  /** Ephemeral X25519 key of the new device, 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** Never leaves the two devices, 32 bytes. */
  readonly secret: Uint8Array;
}

/** The new device's side before anybody answered. */
export interface LinkOffer {
  readonly code: LinkCode;
  readonly ephemeral: KeyPair;
}

/** What both sides hold once their ephemeral keys have met. */
export interface LinkChannel {
  readonly mailboxId: Uint8Array;
  /** Seals what the old device says, 32 bytes. */
  readonly fromOld: Uint8Array;
  /** Seals what the new device says, 32 bytes. */
  readonly fromNew: Uint8Array;
  /** Shown to the server for the log-in that the old device granted, 32 bytes. */
  readonly claim: Uint8Array;
  /** Hash over the code's public half and every parcel so far. */
  readonly transcript: Uint8Array;
}

/** The new device as it asks to be certified. `label` is what it calls itself. */
export interface LinkRequest {
  readonly cert: DeviceCert;
  readonly label: string;
}

/** What the old device hands over once a person confirmed. */
export interface LinkGrant {
  readonly accountId: Uint8Array;
  readonly rootPub: Uint8Array;
  /** The head of the account log that certifies the new device, whole hash. */
  readonly head: LogHead;
  /** BK, 32 bytes, and its version. */
  readonly backupKey: Uint8Array;
  readonly backupVersion: number;
  readonly username: string;
}

/** Makes what a new device shows: a mailbox, an ephemeral key, a secret. */
export function createLinkOffer(rng: Rng): LinkOffer {
  const ephemeral = x25519KeyPair(rng);
  const mailboxId = rng.bytes(ID_BYTES);
  return {
    code: { mailboxId, ephemeral: ephemeral.publicKey, secret: rng.bytes(LINK_SECRET_BYTES) },
    ephemeral,
  };
}

function publicHalf({ mailboxId, ephemeral }: LinkCode): Writer {
  const w = new Writer().u8(WIRE_VERSION).fixed(mailboxId, ID_BYTES);
  writeKey(w, KEY_X25519, ephemeral);
  return w;
}

/** The code as text, also what its QR picture says: 124 ASCII characters. Not an address, so that nothing opens it. */
export function encodeLinkCode(code: LinkCode): string {
  return PREFIX + toBase64Url(publicHalf(code).fixed(code.secret, LINK_SECRET_BYTES).done());
}

/** Reads a code; exactly one text is accepted for each. Throws malformed, unsupported, bad_key. */
export function decodeLinkCode(text: string): LinkCode {
  ensure(text.length === TEXT_LENGTH && text.startsWith(PREFIX), 'malformed', 'not a link code');
  return decodeAll(fromBase64Url(text.slice(PREFIX.length)), (r) => {
    ensure(r.u8() === WIRE_VERSION, 'unsupported', 'link code version');
    const mailboxId = r.fixed(ID_BYTES);
    const ephemeral = importX25519(readKey(r, KEY_X25519));
    return { mailboxId, ephemeral, secret: r.fixed(LINK_SECRET_BYTES) };
  });
}

/** K = HKDF(secret, X25519(eph, eph), "cl1/link", 64), one half per direction; the claim is derived beside it. */
function channelOf(code: LinkCode, own: KeyPair, peerPub: Uint8Array): LinkChannel {
  const shared = x25519Shared(own.secretKey, importX25519(peerPub));
  const keys = hkdf(code.secret, shared, 'cl1/link', 2 * AEAD_KEY_BYTES);
  return {
    mailboxId: code.mailboxId,
    fromOld: keys.slice(0, AEAD_KEY_BYTES),
    fromNew: keys.slice(AEAD_KEY_BYTES),
    claim: hkdf(code.secret, shared, 'cl1/link-claim', HASH_BYTES),
    transcript: H(utf8('cl1/link-code'), publicHalf(code).done()),
  };
}

/** Steps of the exchange; part of the associated data, so that no parcel stands for another. */
const STEP_MEET = 1;
const STEP_REQUEST = 2;
const STEP_GRANT = 3;

const aadOf = ({ transcript }: LinkChannel, step: number, head: Uint8Array): Uint8Array =>
  concat(utf8('cl1/link-parcel'), Uint8Array.of(step), transcript, head);

/** Which parcel it is, and what stands open before its sealed part. */
interface Place {
  readonly step: number;
  readonly head: Uint8Array;
}

function keyOf(channel: LinkChannel, step: number): Uint8Array {
  return step === STEP_REQUEST ? channel.fromNew : channel.fromOld;
}

const after = (channel: LinkChannel, parcel: Uint8Array): LinkChannel => ({
  ...channel,
  transcript: H(utf8('cl1/link-step'), channel.transcript, parcel),
});

/** head ‖ nonce24 ‖ sealed. The nonce is random: the grant is made anew when the account log moved meanwhile. */
function seal(channel: LinkChannel, { step, head }: Place, made: { bytes: Uint8Array; rng: Rng }): Sealed {
  const nonce = made.rng.bytes(XAEAD_NONCE_BYTES);
  const sealed = xaeadSeal(keyOf(channel, step), nonce, made.bytes, aadOf(channel, step, head));
  const parcel = concat(head, nonce, sealed);
  ensure(parcel.length <= MAX_LINK_PARCEL_BYTES, 'limit', 'link parcel size');
  return { channel: after(channel, parcel), parcel };
}

function unseal(
  channel: LinkChannel,
  { step, head }: Place,
  parcel: Uint8Array,
): { channel: LinkChannel; inner: Uint8Array } {
  ensure(parcel.length <= MAX_LINK_PARCEL_BYTES, 'limit', 'link parcel size');
  const start = head.length + XAEAD_NONCE_BYTES;
  ensure(parcel.length > start, 'malformed', 'link parcel ends early');
  const nonce = parcel.slice(head.length, start);
  const inner = xaeadOpen(keyOf(channel, step), nonce, parcel.slice(start), aadOf(channel, step, head));
  return { channel: after(channel, parcel), inner };
}

/** A parcel for the relay, and the channel as it stands after it. */
export interface Sealed {
  readonly channel: LinkChannel;
  readonly parcel: Uint8Array;
}

/** v ‖ 0x02 ‖ ephemeral key: what stands open at the front of the first parcel. */
const MEET_HEAD_BYTES = 34;

/**
 * The old device read a code: meets the new one with an ephemeral key of its own and tells which account it is of.
 * Parcel 1 = v ‖ key(ephB) ‖ sealed(v ‖ aid32); every sealed part has a random nonce24 before it.
 */
export function meetLink(code: LinkCode, aid: Uint8Array, rng: Rng): Sealed {
  const own = x25519KeyPair(rng);
  const w = new Writer().u8(WIRE_VERSION);
  writeKey(w, KEY_X25519, own.publicKey);
  const bytes = new Writer().u8(WIRE_VERSION).fixed(aid, HASH_BYTES).done();
  return seal(channelOf(code, own, code.ephemeral), { step: STEP_MEET, head: w.done() }, { bytes, rng });
}

/** The new device takes parcel 1. Throws malformed, unsupported, bad_key, bad_mac (not by who read the code). */
export function takeMeeting(offer: LinkOffer, parcel: Uint8Array): { channel: LinkChannel; aid: Uint8Array } {
  ensure(parcel.length > MEET_HEAD_BYTES, 'malformed', 'link parcel ends early');
  const head = parcel.slice(0, MEET_HEAD_BYTES);
  const peerPub = decodeAll(head, (r) => {
    ensure(r.u8() === WIRE_VERSION, 'unsupported', 'link parcel version');
    return readKey(r, KEY_X25519);
  });
  const met = channelOf(offer.code, offer.ephemeral, peerPub);
  const { channel, inner } = unseal(met, { step: STEP_MEET, head }, parcel);
  return { channel, aid: decodeAll(inner, (r) => (readVersion(r.u8()), r.fixed(HASH_BYTES))) };
}

function readVersion(v: number): void {
  ensure(v === WIRE_VERSION, 'unsupported', 'link parcel version');
}

const NO_HEAD = new Uint8Array(0);

/** Parcel 2 = sealed(v ‖ cert ‖ label): the new device asks to be certified. */
export function askLink(channel: LinkChannel, request: LinkRequest, rng: Rng): Sealed {
  const w = new Writer().u8(WIRE_VERSION).bytes(request.cert.encoded, MAX_DEVICE_CERT_BYTES);
  const bytes = w.utf8(request.label, MAX_DEVICE_LABEL_BYTES).done();
  return seal(channel, { step: STEP_REQUEST, head: NO_HEAD }, { bytes, rng });
}

/**
 * The old device takes parcel 2. The certificate must be of a full device of this account. Throws malformed,
 * unsupported, bad_mac, bad_key, bad_signature, mismatch (of another account), not_allowed (another kind of device).
 */
export function takeRequest(
  channel: LinkChannel,
  parcel: Uint8Array,
  aid: Uint8Array,
): { channel: LinkChannel; request: LinkRequest } {
  const { channel: next, inner } = unseal(channel, { step: STEP_REQUEST, head: NO_HEAD }, parcel);
  const { encoded, label } = decodeAll(inner, (r) => {
    readVersion(r.u8());
    return { encoded: r.bytes(MAX_DEVICE_CERT_BYTES), label: r.utf8(MAX_DEVICE_LABEL_BYTES) };
  });
  const cert = verifyDeviceCert(encoded);
  ensure(equalBytes(cert.aid, aid), 'mismatch', 'certificate made for another account');
  ensure(cert.kind === 'full', 'not_allowed', 'only full devices are linked');
  return { channel: next, request: { cert, label } };
}

/**
 * The two pictures both screens show after parcel 2, as numbers below 64. Whoever relays other parcels changes them,
 * but what keeps a stranger out is the code's secret: these catch a person who reads another screen's code.
 */
export function linkEcho(channel: LinkChannel): readonly [number, number] {
  const bytes = hkdf(channel.claim, channel.transcript, 'cl1/link-echo', 2);
  return [bytes[0]! % LINK_ECHO_PICTURES, bytes[1]! % LINK_ECHO_PICTURES];
}

/** Parcel 3 = sealed(v ‖ accountId16 ‖ key(root) ‖ seq ‖ hash32 ‖ BK32 ‖ version ‖ username). */
export function grantLink(channel: LinkChannel, grant: LinkGrant, rng: Rng): Uint8Array {
  const w = new Writer().u8(WIRE_VERSION).fixed(grant.accountId, ID_BYTES);
  writeKey(w, KEY_ED25519, grant.rootPub);
  w.u32(grant.head.seq).fixed(grant.head.hash, HASH_BYTES);
  w.fixed(grant.backupKey, AEAD_KEY_BYTES).u32(grant.backupVersion);
  const bytes = w.utf8(grant.username, MAX_DEVICE_LABEL_BYTES).done();
  return seal(channel, { step: STEP_GRANT, head: NO_HEAD }, { bytes, rng }).parcel;
}

/** The new device takes parcel 3: of the account that parcel 1 named. Throws malformed, unsupported, bad_mac, mismatch. */
export function takeGrant(channel: LinkChannel, parcel: Uint8Array, aid: Uint8Array): LinkGrant {
  const { inner } = unseal(channel, { step: STEP_GRANT, head: NO_HEAD }, parcel);
  const grant = decodeAll(inner, (r) => {
    readVersion(r.u8());
    return {
      accountId: r.fixed(ID_BYTES),
      rootPub: readKey(r, KEY_ED25519),
      head: { seq: r.u32(), hash: r.fixed(HASH_BYTES) },
      backupKey: r.fixed(AEAD_KEY_BYTES),
      backupVersion: r.u32(),
      username: r.utf8(MAX_DEVICE_LABEL_BYTES),
    };
  });
  const named = accountIdentity(grant.accountId, grant.rootPub);
  ensure(equalBytes(named, aid), 'mismatch', 'grant of another account');
  return grant;
}

/**
 * Whether the log the server shows is the one the grant names, and certifies this very device. Throws mismatch (another
 * account), truncated (ends before the granted head), fork, unknown_device, revoked.
 */
export function checkGrantedLog(log: AccountLogState, grant: LinkGrant, cert: DeviceCert): void {
  ensure(equalBytes(log.accountId, grant.accountId), 'mismatch', 'log of another account');
  ensure(equalBytes(log.rootPub, grant.rootPub), 'mismatch', 'log of another root');
  ensure(log.headSeq >= grant.head.seq, 'truncated', 'log ends before the granted head');
  if (!equalBytes(log.hashes[grant.head.seq]!, grant.head.hash)) {
    throw new CryptoError('fork', 'another log than the one granted');
  }
  const device = Object.values(log.devices).find((known) => equalBytes(known.cert.encoded, cert.encoded));
  ensure(device !== undefined, 'unknown_device', 'device not in the granted log');
  ensure(device.revokedAtSeq === null, 'revoked', 'device is revoked');
}

/** What the server keeps of the claim until it is shown: SHA-256, 32 bytes. */
export function linkClaimHash(claim: Uint8Array): Uint8Array {
  return H(claim);
}

// The Double Ratchet (protocol 3.6; docs/protocol.md, Pairwise packets): pure functions over an immutable state. A
// failed decryption returns nothing, so nothing of it can be stored. The sending step is taken at the next send,
// not at receipt: decryption needs no randomness, and an unused ratchet secret is never kept.
import { concat, equalBytes, utf8 } from './bytes.ts';
import { KEY_X25519, readKey, Reader, writeKey, Writer } from './codec.ts';
import {
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  MAX_CHAIN_WITHOUT_TURN,
  MAX_FORWARD_JUMP,
  MAX_RECEIVER_CHAINS,
  MAX_SKIPPED_KEYS,
  PACKET_RATCHET,
  SID_BYTES,
  SKIPPED_KEY_LIFETIME_MS,
} from './constants.ts';
import { CryptoError, ensure } from './errors.ts';
import {
  aeadOpen,
  aeadSeal,
  hkdf,
  hkdfExpand,
  importX25519,
  x25519KeyPair,
  x25519Shared,
  type KeyPair,
} from './primitives.ts';
import type { Rng } from './rng.ts';

/** The chain this side sends on: key of the next message and its number. */
export interface SendingChain {
  readonly chainKey: Uint8Array;
  readonly n: number;
}

/** One chain of the peer. */
export interface ReceivingChain {
  /** The peer's ratchet key. */
  readonly dhPub: Uint8Array;
  readonly chainKey: Uint8Array;
  /** Number of the next message expected. */
  readonly n: number;
  /** How many messages the peer says the chain has; null while it is the peer's newest. */
  readonly length: number | null;
}

/** The key of a message that was passed over. */
export interface SkippedKey {
  readonly dhPub: Uint8Array;
  readonly n: number;
  readonly messageKey: Uint8Array;
  /** When it was put aside, ms. */
  readonly at: number;
}

/** Everything one side knows of a ratchet. Structured-clone safe. */
export interface RatchetState {
  readonly rootKey: Uint8Array;
  /** The pair the peer's next ratchet key will meet; null once met, until the next send makes a new one. */
  readonly ownKeys: KeyPair | null;
  readonly sending: SendingChain | null;
  /** Length of the sending chain before this one (pn). */
  readonly previousLength: number;
  /** Oldest first, at most MAX_RECEIVER_CHAINS. */
  readonly receiving: readonly ReceivingChain[];
  /** Messages in all the peer's chains before its newest. */
  readonly receivedBefore: number;
  /** Oldest first, at most MAX_SKIPPED_KEYS. */
  readonly skipped: readonly SkippedKey[];
}

/** What binds a message to its session: the transcript hash (32) and the session id (8). */
export interface RatchetBinding {
  readonly th: Uint8Array;
  readonly sid: Uint8Array;
}

/** Time in ms and the forward jump allowed in one chain (default MAX_FORWARD_JUMP). */
export interface RatchetLimits {
  readonly now: number;
  readonly maxJump?: number;
}

/** A decoded message header; `encoded` is its exact bytes, which are authenticated. */
export interface RatchetHeader {
  readonly sid: Uint8Array;
  readonly dhPub: Uint8Array;
  readonly pn: number;
  readonly n: number;
  readonly nonce: Uint8Array;
  readonly encoded: Uint8Array;
}

/** KDF_RK(rk, dh) = HKDF(rk, dh, "cl1/dr/root", 64) -> rk', ck. */
function rootStep(rootKey: Uint8Array, dh: Uint8Array): { rootKey: Uint8Array; chainKey: Uint8Array } {
  const okm = hkdf(rootKey, dh, 'cl1/dr/root', 64);
  return { rootKey: okm.slice(0, 32), chainKey: okm.slice(32) };
}

/** KDF_CK(ck) = EXP(ck, "cl1/dr/chain", 64) -> ck', mk. */
function chainStep(chainKey: Uint8Array): { chainKey: Uint8Array; messageKey: Uint8Array } {
  const okm = hkdfExpand(chainKey, 'cl1/dr/chain', 64);
  return { chainKey: okm.slice(0, 32), messageKey: okm.slice(32) };
}

/** The initiator's state: its first ratchet pair already met the responder's signed prekey. */
export function startRatchet(rootKey: Uint8Array, peerSignedPrekey: Uint8Array, rng: Rng): RatchetState {
  const ownKeys = x25519KeyPair(rng);
  const step = rootStep(rootKey, x25519Shared(ownKeys.secretKey, peerSignedPrekey));
  return {
    rootKey: step.rootKey,
    ownKeys,
    sending: { chainKey: step.chainKey, n: 0 },
    previousLength: 0,
    receiving: [],
    receivedBefore: 0,
    skipped: [],
  };
}

/** The responder's state before the first message: its signed prekey is its first ratchet pair. */
export function answerRatchet(rootKey: Uint8Array, signedPrekey: KeyPair): RatchetState {
  return {
    rootKey,
    ownKeys: signedPrekey,
    sending: null,
    previousLength: 0,
    receiving: [],
    receivedBefore: 0,
    skipped: [],
  };
}

/** How many messages the peer has sent in this session as far as seen, lost ones included. */
export function receivedCount(state: RatchetState): number {
  return state.receivedBefore + (state.receiving.at(-1)?.n ?? 0);
}

/** Whether the sending chain is full: MAX_CHAIN_WITHOUT_TURN messages and no answer. */
export function chainExhausted(state: RatchetState): boolean {
  return state.sending !== null && state.sending.n >= MAX_CHAIN_WITHOUT_TURN;
}

function encodeHeader(header: Omit<RatchetHeader, 'encoded'>): Uint8Array {
  const w = new Writer().u8(PACKET_RATCHET).u8(0).fixed(header.sid, SID_BYTES);
  writeKey(w, KEY_X25519, header.dhPub);
  return w.varint(header.pn).varint(header.n).fixed(header.nonce, AEAD_NONCE_BYTES).done();
}

/**
 * Splits a ratchet message into header and ciphertext. Throws malformed; `unsupported` for any flag (bit 7 is
 * reserved for header encryption).
 */
export function decodeRatchetMessage(message: Uint8Array): {
  header: RatchetHeader;
  ciphertext: Uint8Array;
} {
  const r = new Reader(message);
  ensure(r.u8() === PACKET_RATCHET, 'malformed', 'not a ratchet message');
  r.mask(0);
  const sid = r.fixed(SID_BYTES);
  const dhPub = readKey(r, KEY_X25519);
  const pn = r.varint(MAX_CHAIN_WITHOUT_TURN);
  const n = r.varint(MAX_CHAIN_WITHOUT_TURN - 1);
  const nonce = r.fixed(AEAD_NONCE_BYTES);
  const encoded = message.slice(0, message.length - r.remaining);
  const ciphertext = r.rest();
  ensure(ciphertext.length >= AEAD_TAG_BYTES, 'malformed', 'ciphertext shorter than its tag');
  return { header: { sid, dhPub, pn, n, nonce, encoded }, ciphertext };
}

/** AAD = "cl1/dr" ‖ TH ‖ header. There is no other associated data and no second try. */
function associatedData(binding: RatchetBinding, header: Uint8Array): Uint8Array {
  return concat(utf8('cl1/dr'), binding.th, header);
}

/** The new-chain step of a sender whose last chain was answered. */
function turnSending(
  state: RatchetState,
  rng: Rng,
): RatchetState & { ownKeys: KeyPair; sending: SendingChain } {
  if (state.sending && state.ownKeys) return { ...state, ownKeys: state.ownKeys, sending: state.sending };
  const peer = state.receiving.at(-1);
  if (!peer) throw new CryptoError('unknown_chain', 'nothing received to answer');
  const ownKeys = x25519KeyPair(rng);
  const step = rootStep(state.rootKey, x25519Shared(ownKeys.secretKey, peer.dhPub));
  return { ...state, rootKey: step.rootKey, ownKeys, sending: { chainKey: step.chainKey, n: 0 } };
}

/** What a send needs beside the state. */
export interface RatchetSend {
  readonly binding: RatchetBinding;
  readonly plaintext: Uint8Array;
}

/**
 * Encrypts one message and returns the advanced state, which must be durable before the message leaves. The nonce is
 * random although the key is single-use: a profile restored from a snapshot would otherwise seal two plaintexts under
 * one (key, nonce) (A47). Throws `limit` on a full chain.
 */
export function ratchetEncrypt(
  state: RatchetState,
  send: RatchetSend,
  rng: Rng,
): { state: RatchetState; message: Uint8Array } {
  ensure(!chainExhausted(state), 'limit', 'chain without a turn is full');
  const turned = turnSending(state, rng);
  const { chainKey, messageKey } = chainStep(turned.sending.chainKey);
  const fields = {
    sid: send.binding.sid,
    dhPub: turned.ownKeys.publicKey,
    pn: turned.previousLength,
    n: turned.sending.n,
    nonce: rng.bytes(AEAD_NONCE_BYTES),
  };
  const header = encodeHeader(fields);
  const sealed = aeadSeal(messageKey, fields.nonce, send.plaintext, associatedData(send.binding, header));
  const next = { ...turned, sending: { chainKey, n: turned.sending.n + 1 } };
  return { state: next, message: concat(header, sealed) };
}

/** A place in the peer's chains: the state once the message's key is taken out of it. */
interface Located {
  readonly state: RatchetState;
  readonly messageKey: Uint8Array;
}

/**
 * Decrypts one message. Throws malformed, unsupported, bad_key, bad_mac, `replay` (a number already used), `limit`
 * (jump too far), `unknown_chain` (a ratchet key that cannot follow), `mismatch` (contradicting chain lengths); the
 * given state is never changed.
 */
export function ratchetDecrypt(
  state: RatchetState,
  receive: { readonly binding: RatchetBinding; readonly message: Uint8Array },
  limits: RatchetLimits,
): { state: RatchetState; plaintext: Uint8Array } {
  const { header, ciphertext } = decodeRatchetMessage(receive.message);
  ensure(equalBytes(header.sid, receive.binding.sid), 'unknown_session', 'message of another session');
  const fresh = dropOldSkipped(state, limits.now);
  const located = takeSkipped(fresh, header) ?? advance(fresh, header, limits);
  const aad = associatedData(receive.binding, header.encoded);
  const plaintext = aeadOpen(located.messageKey, header.nonce, ciphertext, aad);
  return { state: located.state, plaintext };
}

/** Forgets keys put aside more than SKIPPED_KEY_LIFETIME_MS ago. */
export function dropOldSkipped(state: RatchetState, now: number): RatchetState {
  const skipped = state.skipped.filter((key) => now - key.at < SKIPPED_KEY_LIFETIME_MS);
  return skipped.length === state.skipped.length ? state : { ...state, skipped };
}

function takeSkipped(state: RatchetState, header: RatchetHeader): Located | null {
  const index = state.skipped.findIndex((key) => key.n === header.n && equalBytes(key.dhPub, header.dhPub));
  const key = state.skipped[index];
  if (!key) return null;
  return { state: { ...state, skipped: state.skipped.toSpliced(index, 1) }, messageKey: key.messageKey };
}

function advance(state: RatchetState, header: RatchetHeader, limits: RatchetLimits): Located {
  const known = state.receiving.findIndex((chain) => equalBytes(chain.dhPub, header.dhPub));
  const turned = known < 0 ? turnReceiving(state, header, limits) : state;
  const index = known < 0 ? turned.receiving.length - 1 : known;
  const chain = turned.receiving[index]!;
  ensure(header.n >= chain.n, 'replay', 'message number already used');
  ensure(chain.length === null || header.n < chain.length, 'mismatch', 'message beyond the end of its chain');
  const maxJump = limits.maxJump ?? MAX_FORWARD_JUMP;
  ensure(header.n - chain.n <= maxJump, 'limit', 'too many messages skipped');
  const walked = walkChain(chain, header.n, limits.now);
  const { chainKey, messageKey } = chainStep(walked.chain.chainKey);
  const receiving = turned.receiving.with(index, { ...walked.chain, chainKey, n: header.n + 1 });
  return { state: keepSkipped({ ...turned, receiving }, walked.skipped), messageKey };
}

/** Moves a chain forward to message `to`, collecting the keys it passes. */
function walkChain(
  chain: ReceivingChain,
  to: number,
  now: number,
): { chain: ReceivingChain; skipped: SkippedKey[] } {
  const skipped: SkippedKey[] = [];
  let { chainKey, n } = chain;
  for (; n < to; n++) {
    const step = chainStep(chainKey);
    skipped.push({ dhPub: chain.dhPub, n, messageKey: step.messageKey, at: now });
    chainKey = step.chainKey;
  }
  return { chain: { ...chain, chainKey, n }, skipped };
}

function keepSkipped(state: RatchetState, added: readonly SkippedKey[]): RatchetState {
  if (added.length === 0) return state;
  return { ...state, skipped: [...state.skipped, ...added].slice(-MAX_SKIPPED_KEYS) };
}

/** The peer answered with a new ratchet key: a new receiving chain, and our sending chain is over. */
function turnReceiving(state: RatchetState, header: RatchetHeader, limits: RatchetLimits): RatchetState {
  if (!state.ownKeys) throw new CryptoError('unknown_chain', 'ratchet key out of turn');
  const last = state.receiving.at(-1);
  ensure(header.pn >= (last?.n ?? 0) && (last !== undefined || header.pn === 0), 'mismatch', 'chain length');
  const dhPub = importX25519(header.dhPub);
  const step = rootStep(state.rootKey, x25519Shared(state.ownKeys.secretKey, dhPub));
  const closed = last ? state.receiving.with(-1, { ...last, length: header.pn }) : state.receiving;
  const turned: RatchetState = {
    ...state,
    rootKey: step.rootKey,
    ownKeys: null,
    sending: null,
    previousLength: state.sending?.n ?? state.previousLength,
    receiving: [...closed, { dhPub, chainKey: step.chainKey, n: 0, length: null }],
    receivedBefore: state.receivedBefore + header.pn,
  };
  return evictOldestChain(turned, limits.now);
}

/** Over MAX_RECEIVER_CHAINS the oldest goes; the keys of its messages still under way are put aside first. */
function evictOldestChain(state: RatchetState, now: number): RatchetState {
  const [oldest, ...rest] = state.receiving;
  if (!oldest || state.receiving.length <= MAX_RECEIVER_CHAINS) return state;
  const end = Math.min(oldest.length ?? oldest.n, oldest.n + MAX_FORWARD_JUMP);
  return keepSkipped({ ...state, receiving: rest }, walkChain(oldest, end, now).skipped);
}

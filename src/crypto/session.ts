// The sessions with one device of a peer, as one record: opening, choosing which to send on, encrypting, decrypting
// (protocol 3.5, 3.6; docs/protocol.md, Pairwise packets). Pure: the caller commits the returned record before a packet
// leaves or a plaintext is used; a call that throws has produced nothing to commit.
import { requireLiveDevice, requireSender, type AccountLogState } from './account-log.ts';
import { authenticatePacket, type AuthenticatedPacket } from './authenticated.ts';
import { concat, equalBytes, toHex } from './bytes.ts';
import {
  ARCHIVED_SESSION_LIFETIME_MS,
  MAX_ARCHIVED_SESSIONS,
  MAX_FORWARD_JUMP,
  MAX_FORWARD_JUMP_SELF,
  MAX_PACKET_BYTES,
  PACKET_PREKEY,
  PACKET_RATCHET,
  PQ_REFRESH_MESSAGES,
  PQ_REFRESH_MS,
  UNACKNOWLEDGED_SESSION_MS,
  YOUNG_SESSION_MS,
} from './constants.ts';
import { deviceAddress, type DeviceCert } from './device.ts';
import {
  answerRatchet,
  chainExhausted,
  decodeRatchetMessage,
  dropOldSkipped,
  ratchetDecrypt,
  ratchetEncrypt,
  receivedCount,
  startRatchet,
  type RatchetState,
} from './double-ratchet.ts';
import { CryptoError, ensure } from './errors.ts';
import { frameWithGossip, judgeGossip, splitGossip, type GossipVerdict, type LogPair } from './gossip.ts';
import type { PrekeyRecord } from './prekey-store.ts';
import type { PrekeyBundle } from './prekeys.ts';
import { decodePrekeyMessage, initiate, respond, type ConsumedPrekey, type LocalDevice } from './pqxdh.ts';
import { H } from './primitives.ts';
import type { Rng } from './rng.ts';

/** One session. Times in ms, 0 = never. */
export interface Session {
  readonly sid: Uint8Array;
  readonly th: Uint8Array;
  readonly role: 'initiator' | 'responder';
  /** Opened under the last-resort key. */
  readonly lastResort: boolean;
  readonly createdAt: number;
  readonly lastSentAt: number;
  readonly lastReceivedAt: number;
  /** Position of the newest decryption in the set's history: 0 = none. */
  readonly receivedOrder: number;
  /** Messages sent. */
  readonly sent: number;
  /** Replaced by a newer session: decrypts, is never sent on. */
  readonly retired: boolean;
  /** Initiator until a first reply decrypts: the PREKEY header repeated in every message. */
  readonly prekey: Uint8Array | null;
  /** H(PREKEY header): how a repeated first message finds its session. */
  readonly prekeyHash: Uint8Array;
  readonly ratchet: RatchetState;
}

/** The record kept per peer device. */
export interface SessionSet {
  readonly v: 1;
  readonly aid: Uint8Array;
  readonly deviceId: Uint8Array;
  /** Decryptions so far; gives `receivedOrder`. */
  readonly received: number;
  /** Oldest first: at most one to send on and MAX_ARCHIVED_SESSIONS others. */
  readonly sessions: readonly Session[];
}

/** Time in ms and randomness of one operation. */
export interface SessionClock {
  readonly now: number;
  readonly rng: Rng;
}

/** The record key of the sessions with a device. */
export function sessionSetKey(aid: Uint8Array, deviceId: Uint8Array): string {
  return `session/${deviceAddress(aid, deviceId)}`;
}

/** Acknowledged and due for post-quantum refresh: a week old, or 500 messages either way. */
function isWorn(session: Session, now: number): boolean {
  if (session.receivedOrder === 0) return false;
  return (
    now - session.createdAt >= PQ_REFRESH_MS ||
    session.sent >= PQ_REFRESH_MESSAGES ||
    receivedCount(session.ratchet) >= PQ_REFRESH_MESSAGES
  );
}

function maySend(session: Session, now: number): boolean {
  if (session.retired || chainExhausted(session.ratchet)) return false;
  return session.receivedOrder > 0 || now - session.createdAt < UNACKNOWLEDGED_SESSION_MS;
}

/**
 * The session both sides agree on without talking about it: the lowest sid among young ones that have decrypted
 * something; else the one last decrypted on; else the own newest. null: a handshake is needed.
 */
export function chooseSession(set: SessionSet, now: number): Session | null {
  const usable = set.sessions.filter((session) => maySend(session, now));
  const answered = usable.filter((session) => session.receivedOrder > 0);
  const young = answered.filter((s) => now - s.createdAt < YOUNG_SESSION_MS && !isWorn(s, now));
  if (young.length > 0) return young.reduce((a, b) => (order(a) <= order(b) ? a : b));
  if (answered.length > 0) return answered.reduce((a, b) => (a.receivedOrder > b.receivedOrder ? a : b));
  return usable.at(-1) ?? null;
}

/** sid first, transcript hash where two sids collide: the same order on both sides. */
function order(session: Session): string {
  return toHex(session.sid) + toHex(session.th);
}

/**
 * Whether to open a session before sending: `required` (nothing to send on), `refresh` (sending works, but the session
 * is a week old or has sent 500 messages: open a new one when a bundle can be had), or `none`.
 */
export function handshakeNeed(set: SessionSet | null, now: number): 'none' | 'refresh' | 'required' {
  const session = set && chooseSession(set, now);
  if (!session) return 'required';
  const due = now - session.createdAt >= PQ_REFRESH_MS || session.sent >= PQ_REFRESH_MESSAGES;
  return session.receivedOrder > 0 && due ? 'refresh' : 'none';
}

/** How to open a session; `retire: 'all'` when the peer reported that it cannot decrypt the present ones. */
export interface StartOptions {
  readonly self: LocalDevice;
  readonly peerLog: AccountLogState;
  /** A claim that passed verifyClaimedPrekeys against a device of `peerLog`. */
  readonly bundle: PrekeyBundle;
  readonly retire?: 'worn' | 'all';
}

/**
 * Opens a session as initiator; the next encryptPairwise sends on it unless a younger answered one exists. Sessions
 * due for refresh are retired: they decrypt for 30 days more. Throws what initiate throws.
 */
export function startSession(set: SessionSet | null, options: StartOptions, clock: SessionClock): SessionSet {
  const { self, peerLog, bundle } = options;
  const base = set ?? emptySet(peerLog.aid, bundle.device.deviceId);
  ensureSameDevice(base, peerLog.aid, bundle.device.deviceId);
  const handshake = initiate(self, { peerLog, bundle }, clock.rng);
  const session: Session = {
    sid: handshake.sid,
    th: handshake.th,
    role: 'initiator',
    lastResort: handshake.lastResort,
    createdAt: clock.now,
    lastSentAt: 0,
    lastReceivedAt: 0,
    receivedOrder: 0,
    sent: 0,
    retired: false,
    prekey: handshake.prekey,
    prekeyHash: H(handshake.prekey),
    ratchet: startRatchet(handshake.rootKey, handshake.signedPrekey, clock.rng),
  };
  const older = base.sessions.map((s) =>
    options.retire === 'all' || isWorn(s, clock.now) ? { ...s, retired: true } : s,
  );
  return tidy({ ...base, sessions: [...older, session] }, clock.now, session.th);
}

/** A payload (pairwise.ts) and the newest verified logs of both accounts, whose heads go with it. */
export interface PairwiseSend extends LogPair {
  readonly payload: Uint8Array;
}

/**
 * Encrypts to the device. Commit the record first, then send the packet (≤ 4 kB). Throws `unknown_session` when a
 * handshake is required, `limit` for a payload that does not fit, unknown_device or revoked where the peer's log no
 * longer certifies the device.
 */
export function encryptPairwise(
  set: SessionSet,
  send: PairwiseSend,
  clock: SessionClock,
): { record: SessionSet; packet: Uint8Array } {
  ensureSameDevice(set, send.peerLog.aid, set.deviceId);
  requireLiveDevice(send.peerLog, set.deviceId);
  const session = chooseSession(set, clock.now);
  if (!session) throw new CryptoError('unknown_session', 'no session to send on');
  const plaintext = frameWithGossip(send, send.payload);
  const sent = ratchetEncrypt(session.ratchet, { binding: session, plaintext }, clock.rng);
  const packet = session.prekey ? concat(session.prekey, sent.message) : sent.message;
  ensure(packet.length <= MAX_PACKET_BYTES, 'limit', 'packet size');
  const next = { ...session, ratchet: sent.state, sent: session.sent + 1, lastSentAt: clock.now };
  return { record: tidy(replaceSession(set, next), clock.now, next.th), packet };
}

/** A packet, whom the server says it is from, and this device's own state. */
export interface PairwiseInput {
  readonly packet: Uint8Array;
  readonly self: LocalDevice;
  /** Newest verified log of the account the server names as the sender. */
  readonly peerLog: AccountLogState;
  readonly peerDeviceId: Uint8Array;
  readonly prekeys: PrekeyRecord;
  readonly now: number;
  /** Set only for packets this device had before it learned that the sender's device is revoked (docs/protocol.md). */
  readonly acceptRevoked?: boolean;
}

/** Who sent a packet, out of the verified account log; never out of the packet. */
export interface PairwiseSender {
  readonly accountId: Uint8Array;
  readonly aid: Uint8Array;
  readonly deviceId: Uint8Array;
  readonly cert: DeviceCert;
}

/** What a decrypted packet changes. `record` and `prekeys` go into one commit with the payload's effect. */
export interface PairwiseResult {
  readonly record: SessionSet;
  /** The payload with the proof of whose session it came over, for decodePairwise. */
  readonly packet: AuthenticatedPacket;
  readonly sender: PairwiseSender;
  /** What the packet's log heads say about our copies of the two logs. */
  readonly heads: GossipVerdict;
  /** The prekey record afterwards; the same object where nothing was used up. */
  readonly prekeys: PrekeyRecord;
  /** Set when the packet opened a session: the one-time unit, or the last-resort replay entry. */
  readonly consumed: ConsumedPrekey | null;
}

/** First byte of a packet: `prekey` opens (or repeats the opening of) a session, `ratchet` needs one. */
export function packetKind(packet: Uint8Array): 'prekey' | 'ratchet' {
  if (packet[0] === PACKET_PREKEY) return 'prekey';
  ensure(packet[0] === PACKET_RATCHET, 'malformed', 'not a pairwise packet');
  return 'ratchet';
}

/**
 * Decrypts a packet from a device. Beside what respond and ratchetDecrypt throw: `limit` (over 4 kB),
 * `unknown_session` (no session for it: ask the peer to open one), unknown_device, revoked, mismatch.
 */
export function decryptPairwise(set: SessionSet | null, input: PairwiseInput): PairwiseResult {
  const { packet, peerLog, peerDeviceId } = input;
  ensure(packet.length <= MAX_PACKET_BYTES, 'limit', 'packet size');
  const base = set ?? emptySet(peerLog.aid, peerDeviceId);
  ensureSameDevice(base, peerLog.aid, peerDeviceId);
  if (packetKind(packet) === 'ratchet') return decryptKnown(base, input);
  const { header, message } = decodePrekeyMessage(packet);
  const hash = H(header.encoded);
  const known = base.sessions.find((s) => s.role === 'responder' && equalBytes(s.prekeyHash, hash));
  if (known) return decryptOn(base, known, { ...input, packet: message });
  const opened = respond(input.self, header, input);
  const session: Session = {
    sid: opened.sid,
    th: opened.th,
    role: 'responder',
    lastResort: opened.lastResort,
    createdAt: input.now,
    lastSentAt: 0,
    lastReceivedAt: 0,
    receivedOrder: 0,
    sent: 0,
    retired: false,
    prekey: null,
    prekeyHash: hash,
    ratchet: answerRatchet(opened.rootKey, opened.signedPrekey),
  };
  const extended = { ...base, sessions: [...base.sessions, session] };
  const result = decryptOn(extended, session, { ...input, packet: message });
  return { ...result, prekeys: opened.prekeys, consumed: opened.consumed };
}

/** Finds the session by sid; where sids collide each of them is tried, at most 9. */
function decryptKnown(set: SessionSet, input: PairwiseInput): PairwiseResult {
  const { header } = decodeRatchetMessage(input.packet);
  let failure = new CryptoError('unknown_session', 'no session with this id');
  for (const session of set.sessions) {
    if (!equalBytes(session.sid, header.sid)) continue;
    try {
      return decryptOn(set, session, input);
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

function decryptOn(set: SessionSet, session: Session, input: PairwiseInput): PairwiseResult {
  const sender = senderOf(input);
  const self = equalBytes(input.peerLog.aid, input.self.log.aid);
  const opened = ratchetDecrypt(
    session.ratchet,
    { binding: session, message: input.packet },
    { now: input.now, maxJump: self ? MAX_FORWARD_JUMP_SELF : MAX_FORWARD_JUMP },
  );
  const { gossip, payload } = splitGossip(opened.plaintext);
  const heads = judgeGossip(gossip, { ownLog: input.self.log, peerLog: input.peerLog });
  const received = set.received + 1;
  const next: Session = {
    ...session,
    ratchet: opened.state,
    prekey: null,
    receivedOrder: received,
    lastReceivedAt: input.now,
  };
  const record = tidy({ ...replaceSession(set, next), received }, input.now, next.th);
  const packet = authenticatePacket(sender, payload);
  return { record, packet, sender, heads, prekeys: input.prekeys, consumed: null };
}

function senderOf(input: PairwiseInput): PairwiseSender {
  const { peerLog, peerDeviceId } = input;
  const { cert } = requireSender(peerLog, peerDeviceId, input.acceptRevoked);
  return { accountId: peerLog.accountId, aid: peerLog.aid, deviceId: peerDeviceId, cert };
}

function emptySet(aid: Uint8Array, deviceId: Uint8Array): SessionSet {
  return { v: 1, aid, deviceId, received: 0, sessions: [] };
}

function ensureSameDevice(set: SessionSet, aid: Uint8Array, deviceId: Uint8Array): void {
  ensure(equalBytes(set.aid, aid), 'mismatch', 'sessions of another account');
  ensure(equalBytes(set.deviceId, deviceId), 'mismatch', 'sessions of another device');
}

function replaceSession(set: SessionSet, next: Session): SessionSet {
  return { ...set, sessions: set.sessions.map((s) => (equalBytes(s.th, next.th) ? next : s)) };
}

function lastUsed(session: Session): number {
  return Math.max(session.createdAt, session.lastSentAt, session.lastReceivedAt);
}

/**
 * Bounds the record: sessions neither chosen nor in use just now go after 30 idle days, and the longest idle of them
 * beyond MAX_ARCHIVED_SESSIONS; skipped keys past their lifetime go everywhere.
 */
function tidy(set: SessionSet, now: number, inUse: Uint8Array): SessionSet {
  const chosen = chooseSession(set, now);
  const keep = (s: Session): boolean => equalBytes(s.th, inUse) || s === chosen;
  const fresh = set.sessions.filter((s) => keep(s) || now - lastUsed(s) < ARCHIVED_SESSION_LIFETIME_MS);
  const surplus = Math.max(0, fresh.length - (MAX_ARCHIVED_SESSIONS + 1));
  const evicted = new Set(
    fresh
      .filter((s) => !keep(s))
      .sort((a, b) => lastUsed(a) - lastUsed(b))
      .slice(0, surplus),
  );
  const sessions = fresh
    .filter((s) => !evicted.has(s))
    .map((s) => {
      const ratchet = dropOldSkipped(s.ratchet, now);
      return ratchet === s.ratchet ? s : { ...s, ratchet };
    });
  return { ...set, sessions };
}

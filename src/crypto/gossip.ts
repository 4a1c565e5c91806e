// The plaintext of every pairwise packet (protocol 3.2; docs/protocol.md, Pairwise packets): first the account log heads
// both sides see, then the payload of pairwise.ts. Session encryption writes the heads itself, so no packet goes
// without them, and a server that shows two people two logs is caught by the first packet that gets through.
import type { AccountLogState } from './account-log.ts';
import { concat, equalBytes } from './bytes.ts';
import { Reader, Writer } from './codec.ts';
import { HEAD_HASH_BYTES } from './constants.ts';
import { ensure } from './errors.ts';

/** A log head as gossiped: position and the first 16 bytes of H(entry ‖ sig). */
export interface ShortHead {
  readonly seq: number;
  readonly hash16: Uint8Array;
}

/** What a packet says about the two logs. */
export interface Gossip {
  /** The sender's own log head. */
  readonly own: ShortHead;
  /** The sender's view of the recipient's log head. */
  readonly peer: ShortHead;
}

/** A gossiped head against our copy: `newer` means fetch that log and compare again, `fork` raises the alarm (A04). */
export type HeadVerdict = 'agrees' | 'newer' | 'fork';

/** The verdict on both logs, as the receiver names them. */
export interface GossipVerdict {
  readonly peerLog: HeadVerdict;
  readonly ownLog: HeadVerdict;
}

/** Both logs as the calling device holds them. */
export interface LogPair {
  readonly ownLog: AccountLogState;
  readonly peerLog: AccountLogState;
}

/** seq u32 ‖ hash16 of the own head, the same of the recipient's, then the payload. */
export function frameWithGossip(logs: LogPair, payload: Uint8Array): Uint8Array {
  const w = new Writer();
  for (const log of [logs.ownLog, logs.peerLog]) {
    w.u32(log.headSeq).fixed(log.headHash.slice(0, HEAD_HASH_BYTES), HEAD_HASH_BYTES);
  }
  return concat(w.done(), payload);
}

/** Splits what frameWithGossip made. Throws malformed, also for an empty payload. */
export function splitGossip(plaintext: Uint8Array): { gossip: Gossip; payload: Uint8Array } {
  const r = new Reader(plaintext);
  const gossip = { own: readShortHead(r), peer: readShortHead(r) };
  const payload = r.rest();
  ensure(payload.length > 0, 'malformed', 'packet without a payload');
  return { gossip, payload };
}

function readShortHead(r: Reader): ShortHead {
  return { seq: r.u32(), hash16: r.fixed(HEAD_HASH_BYTES) };
}

/** Holds the heads of a decrypted packet against our copies. On `fork` sending to that person stops. */
export function judgeGossip(gossip: Gossip, logs: LogPair): GossipVerdict {
  return { peerLog: judge(logs.peerLog, gossip.own), ownLog: judge(logs.ownLog, gossip.peer) };
}

function judge(log: AccountLogState, head: ShortHead): HeadVerdict {
  const known = log.hashes[head.seq];
  if (!known) return 'newer';
  return equalBytes(known.subarray(0, HEAD_HASH_BYTES), head.hash16) ? 'agrees' : 'fork';
}

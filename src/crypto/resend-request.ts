// What a device says that cannot decrypt a peer's packets (protocol 3.6; docs/protocol.md, Resend): which packet, and why.
// The same fields travel inside a session (pairwise.ts) or signed in a control packet (resend.ts). Pure.
import { KEY_X25519, readKey, type Reader, writeKey, type Writer } from './codec.ts';
import { MAX_CHAIN_WITHOUT_TURN, SID_BYTES } from './constants.ts';
import { CryptoError } from './errors.ts';

/** Why a device asks; wire numbers are the positions. */
export const RESEND_REASONS = [
  'unknown-session', // no session with this sid
  'unknown-prekey', // the opening names a prekey that is gone
  'broken', // the session is there, the packet does not fit it
  'too-far', // more messages were skipped than a session keeps keys for
  'used', // the number was used before: the sender's state is an old one
  'unreadable', // not a packet
  'missing', // a message is here, its key never came
  'by-hand', // a person asked
] as const;
export type ResendReason = (typeof RESEND_REASONS)[number];

/** A packet as its header names it: session id 8, ratchet key 32, number in its chain. */
export interface PacketPlace {
  readonly sid: Uint8Array;
  readonly dhPub: Uint8Array;
  readonly n: number;
}

export interface ResendRequest {
  readonly reason: ResendReason;
  /** null where no packet is meant, or its header cannot be read. */
  readonly place: PacketPlace | null;
}

const HAS_PLACE = 1;

/** presence mask, [sid ‖ DHpub ‖ n], reason. */
export function writeResend(w: Writer, { reason, place }: ResendRequest): void {
  w.u8(place ? HAS_PLACE : 0);
  if (place) {
    w.fixed(place.sid, SID_BYTES);
    writeKey(w, KEY_X25519, place.dhPub);
    w.varint(place.n);
  }
  w.u8(RESEND_REASONS.indexOf(reason));
}

/** Throws malformed; `unsupported` for a reason or field of a newer client. */
export function readResend(r: Reader): ResendRequest {
  const isPlaced = r.mask(HAS_PLACE) === HAS_PLACE;
  const place = isPlaced
    ? { sid: r.fixed(SID_BYTES), dhPub: readKey(r, KEY_X25519), n: r.varint(MAX_CHAIN_WITHOUT_TURN - 1) }
    : null;
  const reason = RESEND_REASONS[r.u8()];
  if (reason === undefined) throw new CryptoError('unsupported', 'resend reason');
  return { reason, place };
}

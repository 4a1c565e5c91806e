// Proof that bytes came out of a pairwise session: only session decryption makes an AuthenticatedPacket, and everything
// that accepts keys asks for one (tests A51, A60). The proof lives in memory only; it is never stored or cloned, so
// bytes from the server, from a channel message or from a record can not pass for it.
import { ensure } from './errors.ts';

/** One certified device: its account's identity string (32 bytes) and its id (16 bytes). */
export interface PeerDevice {
  readonly aid: Uint8Array;
  readonly deviceId: Uint8Array;
}

/** A decrypted pairwise payload and the certified device whose session it came over. */
export interface AuthenticatedPacket {
  readonly peer: PeerDevice;
  readonly payload: Uint8Array;
}

const genuine = new WeakSet<AuthenticatedPacket>();

/** Called by session decryption alone, after the AEAD accepted; not exported by index.ts. */
export function authenticatePacket(peer: PeerDevice, payload: Uint8Array): AuthenticatedPacket {
  const packet = Object.freeze({
    peer: Object.freeze({ aid: peer.aid.slice(), deviceId: peer.deviceId.slice() }),
    payload: payload.slice(),
  });
  genuine.add(packet);
  return packet;
}

/** Throws `not_allowed` for anything session decryption did not make, whatever its shape. */
export function requireAuthenticated(packet: AuthenticatedPacket): void {
  ensure(genuine.has(packet), 'not_allowed', 'packet did not come over an authenticated session');
}

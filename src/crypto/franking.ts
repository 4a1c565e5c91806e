// Franking, client half (protocol 3.14): the sender commits to the content with a key that travels inside it, the
// commitment travels outside, and a receiver shows nothing whose commitment does not open. Later a reader can prove
// to a moderator what was sent without the server ever having read it.
import { equalBytes, utf8 } from './bytes.ts';
import { Writer } from './codec.ts';
import { COMMITMENT_BYTES, FRANKING_KEY_BYTES, HASH_BYTES, ID_BYTES } from './constants.ts';
import { ensure } from './errors.ts';
import { H, hmac } from './primitives.ts';

/** What a commitment ties together; ids 16 bytes, aid 32, content = the CBOR bytes. */
export interface FrankedContent {
  readonly channelId: Uint8Array;
  readonly eventId: Uint8Array;
  readonly aid: Uint8Array;
  readonly deviceId: Uint8Array;
  readonly content: Uint8Array;
}

const LABEL = utf8('cl1/frank');

/** C = HMAC(kf, "cl1/frank" ‖ canon(channelId, eventId, AID, deviceId, H(content))); 32 bytes. */
export function commitContent(frankKey: Uint8Array, franked: FrankedContent): Uint8Array {
  ensure(frankKey.length === FRANKING_KEY_BYTES, 'malformed', 'franking key length');
  const fields = new Writer()
    .fixed(franked.channelId, ID_BYTES)
    .fixed(franked.eventId, ID_BYTES)
    .fixed(franked.aid, HASH_BYTES)
    .fixed(franked.deviceId, ID_BYTES)
    .fixed(H(franked.content), HASH_BYTES)
    .done();
  return hmac(frankKey, LABEL, fields);
}

/** Throws `bad_mac` unless the commitment opens to this content; such a message is never displayed. */
export function verifyCommitment(commit: Uint8Array, frankKey: Uint8Array, franked: FrankedContent): void {
  ensure(commit.length === COMMITMENT_BYTES, 'malformed', 'commitment length');
  ensure(equalBytes(commit, commitContent(frankKey, franked)), 'bad_mac', 'commitment does not open');
}

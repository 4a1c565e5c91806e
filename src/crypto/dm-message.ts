// Direct messages (protocol 3.7): the body is encrypted once under a random content key; that key, the body's hash and
// the commitment go to every device of both people over their pairwise sessions. No signature: a direct message stays
// deniable, its author is the device whose session carried the key.
import { type AuthenticatedPacket, type PeerDevice } from './authenticated.ts';
import { dmKeyBinding, type DmKeyArchive } from './backup-kinds.ts';
import { concat, equalBytes, utf8 } from './bytes.ts';
import { Reader, Writer } from './codec.ts';
import { AEAD_KEY_BYTES, AEAD_NONCE_BYTES, FRANKING_KEY_BYTES } from './constants.ts';
import { checkAgreement, type Content, decodeContent, encodeContent, type KnownContent } from './content.ts';
import { decodeEnvelope, encodeEnvelope, type EnvelopeHeader, envelopeHash } from './envelope.ts';
import { CryptoError, ensure } from './errors.ts';
import { commitContent, verifyCommitment } from './franking.ts';
import { padContent, unpadContent } from './padding.ts';
import { decodePairwise, encodePairwise, type DmKeyFields } from './pairwise.ts';
import { aeadOpen, aeadSeal, H } from './primitives.ts';
import type { Rng } from './rng.ts';

/** First byte of a direct message's payload. */
export const MESSAGE_DM = 0x20;

/** An event as the server delivered it. Sequence, time and sender are the server's word until a check confirms them. */
export interface IncomingEvent {
  readonly envelope: Uint8Array;
  readonly seq: number;
  /** Server time of acceptance, ms. */
  readonly createdAt: number;
  readonly sender: PeerDevice;
}

/** An event whose author, place and content all checked out. */
export interface OpenedEvent {
  readonly header: EnvelopeHeader;
  readonly seq: number;
  readonly createdAt: number;
  readonly sender: PeerDevice;
  readonly content: Content;
  /** The committed bytes and the key that opens the commitment: what a report would show a moderator. */
  readonly contentBytes: Uint8Array;
  readonly frankKey: Uint8Array;
}

/** The fields of an outgoing event the caller chooses; class, ref and content must agree. */
export type OutgoingHeader = Omit<EnvelopeHeader, 'mode' | 'commit'>;

/** A received content key, bound to the device it came from. Plain and storable. */
export interface DmKey {
  readonly sender: PeerDevice;
  readonly eventId: Uint8Array;
  readonly contentKey: Uint8Array;
  readonly bodyHash: Uint8Array;
  readonly commit: Uint8Array;
}

/** What the caller knows about the conversation, independent of the server. */
export interface DmConversation {
  readonly channelId: Uint8Array;
  /** The two accounts pinned when the conversation began (equal for notes to oneself). */
  readonly participants: readonly [Uint8Array, Uint8Array];
}

/** A ready event, the pairwise payload for every other device of both people, and what a report would need. */
export interface EncryptedDm {
  readonly envelope: Uint8Array;
  readonly keyPacket: Uint8Array;
  /** The content key as its receivers get it: for the own backup. */
  readonly key: DmKey;
  readonly contentBytes: Uint8Array;
  readonly frankKey: Uint8Array;
}

const LABEL = utf8('cl1/dm');

/** Encrypts one event of a 1:1 conversation. Throws `mismatch` where content and header disagree. */
export function encryptDm(
  message: { readonly header: OutgoingHeader; readonly content: KnownContent; readonly sender: PeerDevice },
  rng: Rng,
): EncryptedDm {
  const { content, sender } = message;
  checkAgreement(content, message.header);
  const contentBytes = encodeContent(content);
  const frankKey = rng.bytes(FRANKING_KEY_BYTES);
  const { channelId, eventId } = message.header;
  const commit = commitContent(frankKey, { channelId, eventId, ...sender, content: contentBytes });
  const header: EnvelopeHeader = { ...message.header, mode: 'dm', commit };
  const contentKey = rng.bytes(AEAD_KEY_BYTES);
  const nonce = rng.bytes(AEAD_NONCE_BYTES);
  const sealed = aeadSeal(contentKey, nonce, padContent(frankKey, contentBytes), associated(header, sender));
  const payload = concat(Uint8Array.of(MESSAGE_DM, 0), nonce, sealed);
  const bodyHash = H(payload);
  return {
    envelope: encodeEnvelope({ ...header, payload }),
    keyPacket: encodePairwise({ kind: 'dm-key', eventId, contentKey, bodyHash, commit }),
    key: { sender, eventId, contentKey, bodyHash, commit },
    contentBytes,
    frankKey,
  };
}

/** Takes the key out of a packet that session decryption authenticated; the sender is the session's peer, nobody else. */
export function acceptDmKey(packet: AuthenticatedPacket): DmKey {
  const payload = decodePairwise(packet);
  if (payload.kind !== 'dm-key') throw new CryptoError('malformed', 'packet is not a message key');
  return keyFrom(packet.peer, payload);
}

/** The same for a packet with keys of earlier messages, which the sender was asked to send again. */
export function acceptDmKeys(packet: AuthenticatedPacket): DmKey[] {
  const payload = decodePairwise(packet);
  if (payload.kind !== 'dm-keys') throw new CryptoError('malformed', 'packet does not hold message keys');
  return payload.keys.map((key) => keyFrom(packet.peer, key));
}

function keyFrom(sender: PeerDevice, { eventId, contentKey, bodyHash, commit }: DmKeyFields): DmKey {
  return { sender, eventId, contentKey, bodyHash, commit };
}

/**
 * Opens a direct message with the key its sender's session brought. Throws `not_allowed` for any mode but dm or a sender
 * who is not of this conversation, `mismatch` where envelope, key and body disagree, `bad_mac`, `malformed`.
 */
export function openDm(event: IncomingEvent, key: DmKey, conversation: DmConversation): OpenedEvent {
  const { header, payload } = readDm(event, conversation);
  ensure(sameDevice(key.sender, event.sender), 'mismatch', 'key came from another device');
  ensure(equalBytes(header.eventId, key.eventId), 'mismatch', 'key of another event');
  ensure(equalBytes(header.commit, key.commit), 'mismatch', 'commitment differs from the key packet');
  ensure(equalBytes(H(payload), key.bodyHash), 'mismatch', 'body differs from the key packet');
  return openBody(event, { header, payload, contentKey: key.contentKey });
}

/**
 * Opens a direct message with a key out of the own backup: sender, body and commitment must be those the key was put
 * away with. Throws as openDm.
 */
export function openArchivedDm(
  event: IncomingEvent,
  key: DmKeyArchive,
  conversation: DmConversation,
): OpenedEvent {
  const { header, payload } = readDm(event, conversation);
  ensure(equalBytes(header.eventId, key.eventId), 'mismatch', 'key of another event');
  const bound = { sender: event.sender, bodyHash: H(payload), commit: header.commit };
  ensure(equalBytes(dmKeyBinding(bound), key.binding), 'mismatch', 'sender or body differs from the backup');
  return openBody(event, { header, payload, contentKey: key.contentKey });
}

/** Mode, conversation and sender, as far as they can be checked without a key. */
function readDm(
  event: IncomingEvent,
  conversation: DmConversation,
): { header: EnvelopeHeader; payload: Uint8Array } {
  const { payload, ...header } = decodeEnvelope(event.envelope);
  ensure(header.mode === 'dm', 'not_allowed', 'not a direct message');
  ensure(equalBytes(header.channelId, conversation.channelId), 'mismatch', 'event of another conversation');
  const isParticipant = conversation.participants.some((aid) => equalBytes(aid, event.sender.aid));
  ensure(isParticipant, 'not_allowed', 'sender is not of this conversation');
  return { header, payload };
}

function openBody(
  event: IncomingEvent,
  body: { readonly header: EnvelopeHeader; readonly payload: Uint8Array; readonly contentKey: Uint8Array },
): OpenedEvent {
  const { header } = body;
  const r = new Reader(body.payload);
  ensure(r.u8() === MESSAGE_DM, 'malformed', 'not a direct message body');
  r.mask(0);
  const nonce = r.fixed(AEAD_NONCE_BYTES);
  const inner = aeadOpen(body.contentKey, nonce, r.rest(), associated(header, event.sender));
  return { ...openInner(inner, header, event.sender), seq: event.seq, createdAt: event.createdAt };
}

/** The last steps every encrypted event shares: padding, commitment, content, agreement with the envelope. */
export function openInner(
  inner: Uint8Array,
  header: EnvelopeHeader,
  sender: PeerDevice,
): Omit<OpenedEvent, 'seq' | 'createdAt'> {
  const { frankKey, content: contentBytes } = unpadContent(inner);
  const { channelId, eventId } = header;
  verifyCommitment(header.commit, frankKey, { channelId, eventId, ...sender, content: contentBytes });
  const content = decodeContent(contentBytes);
  checkAgreement(content, header);
  return { header, sender, content, contentBytes, frankKey };
}

/** Whether both name the same device of the same account. */
export function sameDevice(a: PeerDevice, b: PeerDevice): boolean {
  return equalBytes(a.aid, b.aid) && equalBytes(a.deviceId, b.deviceId);
}

/** AAD = "cl1/dm" ‖ canon(channelId, eventId, AID, deviceId, C, EH). */
function associated(header: EnvelopeHeader, sender: PeerDevice): Uint8Array {
  const fields = new Writer()
    .fixed(header.channelId, 16)
    .fixed(header.eventId, 16)
    .fixed(sender.aid, 32)
    .fixed(sender.deviceId, 16)
    .fixed(header.commit, 32)
    .fixed(envelopeHash(header), 32)
    .done();
  return concat(LABEL, fields);
}

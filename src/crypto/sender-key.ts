// Sender-key messages (protocol 3.9): one ciphertext for all readers of a channel, signed by the sender's chain and
// linked to the message before it. Opening checks everything that can be checked without the key first, then the
// signature, and only then moves the chain, on a copy.
import { concat, equalBytes, utf8 } from './bytes.ts';
import { Reader, Writer } from './codec.ts';
import {
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  CHAIN_ID_BYTES,
  CHAIN_MAX_ITER,
  COMMITMENT_BYTES,
  EPHEMERAL_MS,
  FRANKING_KEY_BYTES,
  HASH_BYTES,
  ID_BYTES,
  MAX_PAYLOAD_BYTES,
  MESSAGE_SENDER_KEY,
  SIGN_LABELS,
  SIGNATURE_BYTES,
} from './constants.ts';
import { checkAgreement, encodeContent, type KnownContent } from './content.ts';
import {
  type IncomingEvent,
  type OpenedEvent,
  openInner,
  type OutgoingHeader,
  sameDevice,
} from './dm-message.ts';
import {
  decodeEnvelope,
  encodeEnvelope,
  type EnvelopeHeader,
  envelopeHash,
  linkHash,
  readChainHead,
} from './envelope.ts';
import { acceptedUntil } from './chain-cert.ts';
import { ensure } from './errors.ts';
import { commitContent } from './franking.ts';
import { padContent } from './padding.ts';
import { aeadOpen, aeadSeal, H, sign, verifySigned } from './primitives.ts';
import { markSeen, type ReceiverChain, seenAt, takeMessageKey } from './receiver-chain.ts';
import type { Rng } from './rng.ts';
import { type SenderChain, stepChain } from './sender-chain.ts';

/** What the client knows of the channel at the event's place, independent of the event itself. */
export interface ReceiveContext {
  /** Highest epoch seen at any lower seq: an event under an older one is refused. */
  readonly minEpoch: number;
  /** Highest server time seen at any lower seq (P7). */
  readonly minCreatedAt: number;
  /** First epoch in which the sender may no longer write (removed, device revoked); 0 if it never was a reader. */
  readonly removedFromEpoch?: number | undefined;
  /** Only for the least-recently-used bounds, ms. */
  readonly now: number;
}

/** A group event whose signature, place and content checked out. */
export interface OpenedGroupEvent extends OpenedEvent {
  readonly chainId: Uint8Array;
  readonly iter: number;
  readonly link: Uint8Array;
}

/** A sender-key message taken apart; nothing in it is verified yet. */
export interface GroupMessage {
  readonly event: IncomingEvent;
  readonly header: EnvelopeHeader;
  readonly headerHash: Uint8Array;
  readonly chainId: Uint8Array;
  readonly iter: number;
  readonly prev: Uint8Array;
  readonly commit: Uint8Array;
  readonly nonce: Uint8Array;
  /** `0x21` … nonce: authenticated by AEAD and signature. */
  readonly prefix: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly signature: Uint8Array;
  readonly link: Uint8Array;
}

/** A ready event and the chain to store before sending it. */
export interface EncryptedGroupEvent {
  readonly chain: SenderChain;
  readonly envelope: Uint8Array;
  readonly iter: number;
  readonly link: Uint8Array;
  readonly contentBytes: Uint8Array;
  readonly frankKey: Uint8Array;
}

const EPHEMERAL_SECONDS = EPHEMERAL_MS / 1000;
const AAD_LABEL = utf8('cl1/sk');

/**
 * Encrypts one event with the next key of the chain. Throws `not_allowed` while another event is unacknowledged (P6),
 * `limit` for a used-up chain, `expired`, `mismatch` where header, content and chain disagree.
 */
export function encryptGroupEvent(
  chain: SenderChain,
  message: { readonly header: OutgoingHeader; readonly content: KnownContent },
  context: { readonly rng: Rng; readonly now: number },
): EncryptedGroupEvent {
  const { content } = message;
  const { channelId, eventId, epoch } = message.header;
  ensure(chain.pending === null, 'not_allowed', 'an event of this chain is still unacknowledged');
  ensure(chain.iter < CHAIN_MAX_ITER, 'limit', 'chain used up');
  ensure(context.now < chain.notAfter, 'expired', 'chain past its lifetime');
  ensure(equalBytes(channelId, chain.channelId), 'mismatch', 'chain of another channel');
  ensure(epoch === chain.epoch, 'mismatch', 'chain of another epoch');
  checkAgreement(content, message.header);
  const contentBytes = encodeContent(content);
  const frankKey = context.rng.bytes(FRANKING_KEY_BYTES);
  const commit = commitContent(frankKey, { channelId, eventId, ...chain.owner, content: contentBytes });
  const lifetime = chain.ephemeral ? { ttlSeconds: EPHEMERAL_SECONDS } : {};
  const header: EnvelopeHeader = { ...message.header, ...lifetime, mode: 'group', commit };
  const headerHash = envelopeHash(header);
  const { chainKey, messageKey } = stepChain(chain.chainKey);
  const nonce = context.rng.bytes(AEAD_NONCE_BYTES);
  const prefix = encodePrefix(chain, commit, nonce);
  const bound = { channelId, certHash: chain.certHash, headerHash, prefix };
  const ciphertext = aeadSeal(messageKey, nonce, padContent(frankKey, contentBytes), associated(bound));
  const signature = sign(chain.chainSecretKey, SIGN_LABELS.senderKeyMessage, signedFields(bound, ciphertext));
  const payload = concat(prefix, ciphertext, signature);
  const link = linkHash(headerHash, payload);
  return {
    chain: { ...chain, chainKey, iter: chain.iter + 1, pending: { eventId, iter: chain.iter, link } },
    envelope: encodeEnvelope({ ...header, payload }),
    iter: chain.iter,
    link,
    contentBytes,
    frankKey,
  };
}

/**
 * Takes an event of an end-to-end encrypted channel apart. Throws `not_allowed` for every mode but group: readable
 * (webhook, system) events and direct messages are never content of such a channel (A76). Also `malformed`.
 */
export function parseGroupEvent(event: IncomingEvent): GroupMessage {
  const { payload, ...header } = decodeEnvelope(event.envelope);
  ensure(header.mode === 'group', 'not_allowed', 'not a sender-key event');
  const r = new Reader(payload);
  const { chainId, iter } = readChainHead(r);
  const prev = r.fixed(HASH_BYTES);
  const commit = r.fixed(COMMITMENT_BYTES);
  const nonce = r.fixed(AEAD_NONCE_BYTES);
  ensure(r.remaining >= AEAD_TAG_BYTES + SIGNATURE_BYTES, 'malformed', 'sender-key message too short');
  const prefix = payload.slice(0, payload.length - r.remaining);
  const ciphertext = r.fixed(r.remaining - SIGNATURE_BYTES);
  const signature = r.fixed(SIGNATURE_BYTES);
  const headerHash = envelopeHash(header);
  const link = linkHash(headerHash, payload);
  return {
    event,
    header,
    headerHash,
    chainId,
    iter,
    prev,
    commit,
    nonce,
    prefix,
    ciphertext,
    signature,
    link,
  };
}

/**
 * Opens one event. Throws `unknown_chain` (park it and ask), `limit`, `expired`, `revoked`, `not_allowed`, `mismatch`,
 * `bad_signature`, `replay`, `equivocation` (one position signed twice), `bad_mac`, `malformed`; the record given stays
 * as it was.
 */
export function openGroupEvent(
  chain: ReceiverChain,
  event: IncomingEvent,
  context: ReceiveContext,
): { chain: ReceiverChain; opened: OpenedGroupEvent } {
  const message = parseGroupEvent(event);
  checkPlace(chain, message, context);
  verifyMessageSignature(chain, message);
  return openVerified(chain, message, context.now);
}

/** Every rule that needs no key: chain, channel, sender, epoch, lifetime, removal. */
export function checkPlace(chain: ReceiverChain, m: GroupMessage, context: ReceiveContext): void {
  const { event, header } = m;
  ensure(equalBytes(m.chainId, chain.chainId), 'unknown_chain', 'message of another chain');
  ensure(equalBytes(header.channelId, chain.channelId), 'mismatch', 'message of another channel');
  ensure(sameDevice(event.sender, chain.owner), 'mismatch', 'sender does not own the chain');
  ensure(header.epoch === chain.epoch, 'mismatch', 'message and chain of different epochs');
  ensure(header.epoch >= context.minEpoch, 'revoked', 'chain older than the channel epoch');
  const { removedFromEpoch } = context;
  ensure(removedFromEpoch === undefined || header.epoch < removedFromEpoch, 'revoked', 'sender was removed');
  ensure(m.iter < chain.maxIter, 'limit', 'past the end of the chain');
  ensure(event.createdAt >= context.minCreatedAt, 'mismatch', 'server time runs backwards');
  const ttl = chain.ephemeral ? EPHEMERAL_SECONDS : undefined;
  ensure(header.ttlSeconds === ttl, 'mismatch', 'message and chain are kept for different times');
  ensure(event.createdAt <= acceptedUntil(chain), 'expired', 'chain past its lifetime');
  ensure(
    chain.historyUpTo === null || event.seq <= chain.historyUpTo,
    'not_allowed',
    'forwarded chain opens history only',
  );
  ensure(equalBytes(m.commit, header.commit), 'mismatch', 'commitment differs from the envelope');
}

/** What a message's signature depends on of its chain. */
export type SigningChain = Pick<ReceiverChain, 'channelId' | 'certHash' | 'chainPublicKey'>;

/** Throws `bad_signature` unless the chain's key signed this message under this envelope. */
export function verifyMessageSignature(chain: SigningChain, m: GroupMessage): void {
  const fields = signedFields(boundTo(chain, m), m.ciphertext);
  verifySigned(chain.chainPublicKey, SIGN_LABELS.senderKeyMessage, fields, m.signature);
}

/** Opens a message that is already known to be the chain owner's. */
export function openVerified(
  chain: ReceiverChain,
  m: GroupMessage,
  now: number,
): { chain: ReceiverChain; opened: OpenedGroupEvent } {
  const seen = seenAt(chain, m.iter);
  if (seen) {
    ensure(!equalBytes(seen.link, m.link), 'replay', 'message was opened before');
    ensure(false, 'equivocation', 'two messages signed for one position');
  }
  const { chain: advanced, messageKey } = takeMessageKey(chain, m.iter, now);
  const inner = aeadOpen(messageKey, m.nonce, m.ciphertext, associated(boundTo(chain, m)));
  const opened = openInner(inner, m.header, m.event.sender);
  const { event, chainId, iter, link, prev } = m;
  return {
    chain: markSeen(advanced, { iter, seq: event.seq, link, prev }),
    opened: { ...opened, seq: event.seq, createdAt: event.createdAt, chainId, iter, link },
  };
}

/** What AEAD and signature bind besides the ciphertext. */
interface Bound {
  readonly channelId: Uint8Array;
  readonly certHash: Uint8Array;
  readonly headerHash: Uint8Array;
  readonly prefix: Uint8Array;
}

function boundTo(chain: Pick<SigningChain, 'channelId' | 'certHash'>, m: GroupMessage): Bound {
  return {
    channelId: chain.channelId,
    certHash: chain.certHash,
    headerHash: m.headerHash,
    prefix: m.prefix,
  };
}

/** `0x21 ‖ flags ‖ chainId8 ‖ varint iter ‖ prev32 ‖ C32 ‖ nonce12`. */
function encodePrefix(chain: SenderChain, commit: Uint8Array, nonce: Uint8Array): Uint8Array {
  return new Writer()
    .u8(MESSAGE_SENDER_KEY)
    .u8(0)
    .fixed(chain.chainId, CHAIN_ID_BYTES)
    .u32(chain.iter)
    .fixed(chain.acknowledged, HASH_BYTES)
    .fixed(commit, COMMITMENT_BYTES)
    .fixed(nonce, AEAD_NONCE_BYTES)
    .done();
}

/** AAD = "cl1/sk" ‖ channelId ‖ H(ChainCert) ‖ EH ‖ prefix. */
function associated(b: Bound): Uint8Array {
  return concat(AAD_LABEL, b.channelId, b.certHash, b.headerHash, b.prefix);
}

/** canon(channelId, H(ChainCert), EH, prefix, H(ciphertext)). */
function signedFields(b: Bound, ciphertext: Uint8Array): Uint8Array {
  return new Writer()
    .fixed(b.channelId, ID_BYTES)
    .fixed(b.certHash, HASH_BYTES)
    .fixed(b.headerHash, HASH_BYTES)
    .bytes(b.prefix, MAX_PAYLOAD_BYTES)
    .fixed(H(ciphertext), HASH_BYTES)
    .done();
}

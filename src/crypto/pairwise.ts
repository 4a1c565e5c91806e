// What travels inside pairwise sessions beside the ratchet's own fields (docs/protocol.md, Pairwise payloads): keys of
// direct messages, sender chains, requests for a missing chain, refusals, requests to send again, a rotated backup key. The
// first byte is the kind; decoding asks for the proof of session decryption, so none of these is read from anywhere else.
import { type AuthenticatedPacket, requireAuthenticated } from './authenticated.ts';
import { decodeAll, type Reader, Writer } from './codec.ts';
import {
  AEAD_KEY_BYTES,
  CHAIN_ID_BYTES,
  CHAIN_MAX_ITER,
  COMMITMENT_BYTES,
  HASH_BYTES,
  ID_BYTES,
  MAX_CHAIN_CERT_BYTES,
  MAX_DM_KEYS_PER_PACKET,
} from './constants.ts';
import { CryptoError, ensure } from './errors.ts';
import { readResend, writeResend, type ResendRequest } from './resend-request.ts';

/** Why a key request is not answered; wire numbers are the positions. */
export const WITHHELD_CODES = ['not-member', 'not-shareable', 'revoked', 'too-old'] as const;
export type WithheldCode = (typeof WITHHELD_CODES)[number];

/** Key of one direct message (3.7): content key 32, H(payload) 32, commitment 32. */
export interface DmKeyFields {
  readonly eventId: Uint8Array;
  readonly contentKey: Uint8Array;
  readonly bodyHash: Uint8Array;
  readonly commit: Uint8Array;
}

export interface DmKeyPayload extends DmKeyFields {
  readonly kind: 'dm-key';
}

/** Keys of earlier direct messages, sent again because the receiver asked (3.6); none: the session is the answer. */
export interface DmKeysPayload {
  readonly kind: 'dm-keys';
  readonly keys: readonly DmKeyFields[];
}

/** "I can not decrypt what you send me": see resend-request.ts. */
export interface ResendPayload extends ResendRequest {
  readonly kind: 'resend';
}

/** A sender chain from its owner (3.9): the chain key that yields message `startIter`. */
export interface ChainPayload {
  readonly kind: 'chain';
  readonly chainId: Uint8Array;
  readonly startIter: number;
  readonly chainKey: Uint8Array;
  readonly certHash: Uint8Array;
  /** Ephemeral chains only, as in the certificate (ms): whoever must keep the packet knows until when. */
  readonly madeAt?: number;
}

/** A chain handed on by somebody else than its owner, with the owner's signed certificate. */
export interface ForwardedChainPayload {
  readonly kind: 'forwarded-chain';
  readonly cert: Uint8Array;
  readonly startIter: number;
  readonly chainKey: Uint8Array;
}

/** "I can not read message `iter` of this chain." */
export interface KeyRequestPayload {
  readonly kind: 'key-request';
  readonly channelId: Uint8Array;
  readonly chainId: Uint8Array;
  readonly iter: number;
}

export interface WithheldPayload {
  readonly kind: 'withheld';
  readonly channelId: Uint8Array;
  readonly chainId: Uint8Array;
  readonly code: WithheldCode;
}

/** The key of a new backup version, from one device of an account to another. Secret: key, 32 bytes. */
export interface BackupKeyPayload {
  readonly kind: 'backup-key';
  readonly version: number;
  readonly key: Uint8Array;
}

export type PairwisePayload =
  | DmKeyPayload
  | DmKeysPayload
  | ChainPayload
  | ForwardedChainPayload
  | KeyRequestPayload
  | WithheldPayload
  | ResendPayload
  | BackupKeyPayload;

const KIND: Record<PairwisePayload['kind'], number> = {
  'dm-key': 1,
  chain: 2,
  'forwarded-chain': 3,
  'key-request': 4,
  withheld: 5,
  resend: 6,
  'dm-keys': 7,
  'backup-key': 9,
};
/** A chain with the time it was made at: of an ephemeral one. */
const EPHEMERAL_CHAIN = 8;

/** Bytes to hand to session encryption. */
export function encodePairwise(p: PairwisePayload): Uint8Array {
  const isEphemeral = p.kind === 'chain' && p.madeAt !== undefined;
  const w = new Writer().u8(isEphemeral ? EPHEMERAL_CHAIN : KIND[p.kind]);
  switch (p.kind) {
    case 'dm-key':
      writeDmKey(w, p);
      return w.done();
    case 'dm-keys':
      return w.array(p.keys, MAX_DM_KEYS_PER_PACKET, writeDmKey).done();
    case 'resend':
      writeResend(w, p);
      return w.done();
    case 'chain':
      w.fixed(p.chainId, CHAIN_ID_BYTES).fixed(iterBytes(p.startIter), 4);
      w.fixed(p.chainKey, AEAD_KEY_BYTES).fixed(p.certHash, HASH_BYTES);
      return (p.madeAt === undefined ? w : w.varint(p.madeAt)).done();
    case 'forwarded-chain':
      w.bytes(p.cert, MAX_CHAIN_CERT_BYTES).fixed(iterBytes(p.startIter), 4);
      return w.fixed(p.chainKey, AEAD_KEY_BYTES).done();
    case 'key-request':
      w.fixed(p.channelId, ID_BYTES).fixed(p.chainId, CHAIN_ID_BYTES);
      return w.fixed(iterBytes(p.iter), 4).done();
    case 'withheld':
      w.fixed(p.channelId, ID_BYTES).fixed(p.chainId, CHAIN_ID_BYTES);
      return w.u8(WITHHELD_CODES.indexOf(p.code)).done();
    case 'backup-key':
      return w.u32(p.version).fixed(p.key, AEAD_KEY_BYTES).done();
  }
}

/** Reads a decrypted packet; throws `not_allowed` without the proof, `unsupported` for a kind of a newer client. */
export function decodePairwise(packet: AuthenticatedPacket): PairwisePayload {
  requireAuthenticated(packet);
  return decodeAll(packet.payload, readPayload);
}

function readPayload(r: Reader): PairwisePayload {
  switch (r.u8()) {
    case KIND['dm-key']:
      return { kind: 'dm-key', ...readDmKey(r) };
    case KIND['dm-keys']:
      return { kind: 'dm-keys', keys: r.array(MAX_DM_KEYS_PER_PACKET, readDmKey) };
    case KIND.resend:
      return { kind: 'resend', ...readResend(r) };
    case KIND.chain:
      return readChain(r);
    case EPHEMERAL_CHAIN: {
      const chain = readChain(r);
      return { ...chain, madeAt: r.varint() };
    }
    case KIND['forwarded-chain']:
      return {
        kind: 'forwarded-chain',
        cert: r.bytes(MAX_CHAIN_CERT_BYTES),
        startIter: readIter(r),
        chainKey: r.fixed(AEAD_KEY_BYTES),
      };
    case KIND['key-request']:
      return {
        kind: 'key-request',
        channelId: r.fixed(ID_BYTES),
        chainId: r.fixed(CHAIN_ID_BYTES),
        iter: readIter(r),
      };
    case KIND.withheld:
      return {
        kind: 'withheld',
        channelId: r.fixed(ID_BYTES),
        chainId: r.fixed(CHAIN_ID_BYTES),
        code: readCode(r),
      };
    case KIND['backup-key']: {
      const version = r.u32();
      // The first key came with the account: no device ever hands it on like this.
      ensure(version >= 2, 'malformed', 'version of no rotation');
      return { kind: 'backup-key', version, key: r.fixed(AEAD_KEY_BYTES) };
    }
    default:
      throw new CryptoError('unsupported', 'pairwise payload kind');
  }
}

function writeDmKey(w: Writer, key: DmKeyFields): void {
  w.fixed(key.eventId, ID_BYTES).fixed(key.contentKey, AEAD_KEY_BYTES);
  w.fixed(key.bodyHash, HASH_BYTES).fixed(key.commit, COMMITMENT_BYTES);
}

function readDmKey(r: Reader): DmKeyFields {
  return {
    eventId: r.fixed(ID_BYTES),
    contentKey: r.fixed(AEAD_KEY_BYTES),
    bodyHash: r.fixed(HASH_BYTES),
    commit: r.fixed(COMMITMENT_BYTES),
  };
}

function readChain(r: Reader): ChainPayload {
  return {
    kind: 'chain',
    chainId: r.fixed(CHAIN_ID_BYTES),
    startIter: readIter(r),
    chainKey: r.fixed(AEAD_KEY_BYTES),
    certHash: r.fixed(HASH_BYTES),
  };
}

/** Four bytes big-endian, so that packets of one kind have one length whatever the position. */
function iterBytes(iter: number): Uint8Array {
  ensure(Number.isInteger(iter) && iter >= 0 && iter <= CHAIN_MAX_ITER, 'limit', 'iteration out of range');
  return Uint8Array.of(0, 0, iter >> 8, iter & 255);
}

function readIter(r: Reader): number {
  const b = r.fixed(4);
  const iter = new DataView(b.buffer, b.byteOffset, 4).getUint32(0);
  ensure(iter <= CHAIN_MAX_ITER, 'malformed', 'iteration out of range');
  return iter;
}

function readCode(r: Reader): WithheldCode {
  const code = WITHHELD_CODES[r.u8()];
  if (code === undefined) throw new CryptoError('unsupported', 'withheld code');
  return code;
}

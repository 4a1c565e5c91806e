// Chain certificates (protocol 3.9): a device's signed statement that a sender chain is its own, for one channel, one
// epoch, one week and at most 1000 messages. Public; the server stores them beside the messages.
import { equalBytes } from './bytes.ts';
import { decodeAll, KEY_ED25519, readKey, type Reader, Writer, writeKey } from './codec.ts';
import {
  CHAIN_GRACE_MS,
  CHAIN_ID_BYTES,
  CHAIN_LIFETIME_MS,
  CHAIN_MAX_ITER,
  EPHEMERAL_CHAIN_MS,
  EPHEMERAL_MS,
  HASH_BYTES,
  ID_BYTES,
  MAX_CHAIN_CERT_BYTES,
  SIGN_LABELS,
  SIGNATURE_BYTES,
  WIRE_VERSION,
} from './constants.ts';
import { MAX_EPOCH } from './envelope.ts';
import { ensure } from './errors.ts';
import { H, importEd25519, sign, verifySigned } from './primitives.ts';

/** The signed fields. Until the roster log exists `epoch` takes its place and its head is 32 zero bytes. */
export interface ChainCert {
  readonly channelId: Uint8Array;
  readonly aid: Uint8Array;
  readonly deviceId: Uint8Array;
  readonly chainId: Uint8Array;
  readonly chainPublicKey: Uint8Array;
  readonly epoch: number;
  /** Whether the chain may be handed to people who join later; fixed for ever at creation. */
  readonly shareable: boolean;
  /** Every key of it is deleted 24 hours after it was made, and never shared or backed up (P13); fixed like the above. */
  readonly ephemeral?: boolean | undefined;
  readonly createdAt: number;
  readonly notAfter: number;
  readonly maxIter: number;
}

/** A certificate whose signature held, with its bytes and H(bytes). */
export interface VerifiedChainCert extends ChainCert {
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
}

/** Whose certificate it must be, and the signing key the account log certifies for that device. */
export interface ChainCertOwner {
  readonly channelId: Uint8Array;
  readonly aid: Uint8Array;
  readonly deviceId: Uint8Array;
  readonly devicePublicKey: Uint8Array;
  /** Highest epoch of the channel known so far. */
  readonly maxEpoch: number;
}

const SHAREABLE = 1;
const EPHEMERAL = 2;
const NO_ROSTER = new Uint8Array(HASH_BYTES);

/** fields ‖ SIGN(device key, "chain-cert"). */
export function signChainCert(cert: ChainCert, deviceSecretKey: Uint8Array): Uint8Array {
  checkTerms(cert);
  const fields = encodeFields(cert);
  return new Writer()
    .fixed(fields, fields.length)
    .fixed(sign(deviceSecretKey, SIGN_LABELS.chainCert, fields), SIGNATURE_BYTES)
    .done();
}

/** Reads a certificate and checks its terms, not its signature; throws `malformed`, `unsupported` or `limit`. */
export function parseChainCert(bytes: Uint8Array): ChainCert {
  ensure(bytes.length <= MAX_CHAIN_CERT_BYTES, 'malformed', 'chain certificate over its cap');
  const cert = decodeAll(bytes, (r) => {
    const fields = readFields(r);
    r.fixed(SIGNATURE_BYTES);
    return fields;
  });
  checkTerms(cert);
  return cert;
}

/** H(certificate with its signature). */
export function chainCertHash(bytes: Uint8Array): Uint8Array {
  return H(bytes);
}

/**
 * Checks that the owner's device signed this certificate for this channel. Throws as parseChainCert, `mismatch` for
 * another channel, account or device or an epoch still to come, `bad_key`, `bad_signature`.
 */
export function verifyChainCert(bytes: Uint8Array, owner: ChainCertOwner): VerifiedChainCert {
  const cert = parseChainCert(bytes);
  ensure(equalBytes(cert.channelId, owner.channelId), 'mismatch', 'chain certificate of another channel');
  ensure(equalBytes(cert.aid, owner.aid), 'mismatch', 'chain certificate of another account');
  ensure(equalBytes(cert.deviceId, owner.deviceId), 'mismatch', 'chain certificate of another device');
  ensure(cert.epoch <= owner.maxEpoch, 'mismatch', 'chain certificate of a future epoch');
  importEd25519(cert.chainPublicKey);
  const split = bytes.length - SIGNATURE_BYTES;
  verifySigned(owner.devicePublicKey, SIGN_LABELS.chainCert, bytes.subarray(0, split), bytes.subarray(split));
  return { ...cert, bytes: bytes.slice(), hash: chainCertHash(bytes) };
}

function encodeFields(cert: ChainCert): Uint8Array {
  const w = new Writer()
    .u8(WIRE_VERSION)
    .u8((cert.shareable ? SHAREABLE : 0) | (cert.ephemeral ? EPHEMERAL : 0))
    .fixed(cert.channelId, ID_BYTES)
    .fixed(cert.aid, HASH_BYTES)
    .fixed(cert.deviceId, ID_BYTES)
    .fixed(cert.chainId, CHAIN_ID_BYTES);
  writeKey(w, KEY_ED25519, cert.chainPublicKey);
  return w
    .u32(cert.epoch)
    .fixed(NO_ROSTER, HASH_BYTES)
    .varint(cert.createdAt)
    .varint(cert.notAfter)
    .u32(cert.maxIter)
    .done();
}

function readFields(r: Reader): ChainCert {
  ensure(r.u8() === WIRE_VERSION, 'unsupported', 'chain certificate version');
  const flags = r.mask(SHAREABLE | EPHEMERAL);
  const channelId = r.fixed(ID_BYTES);
  const aid = r.fixed(HASH_BYTES);
  const deviceId = r.fixed(ID_BYTES);
  const chainId = r.fixed(CHAIN_ID_BYTES);
  const chainPublicKey = readKey(r, KEY_ED25519);
  const epoch = r.u32();
  ensure(equalBytes(r.fixed(HASH_BYTES), NO_ROSTER), 'unsupported', 'roster head not reserved');
  const [createdAt, notAfter, maxIter] = [r.varint(), r.varint(), r.u32()];
  return {
    channelId,
    aid,
    deviceId,
    chainId,
    chainPublicKey,
    epoch,
    shareable: (flags & SHAREABLE) !== 0,
    ...(flags & EPHEMERAL ? { ephemeral: true } : {}),
    createdAt,
    notAfter,
    maxIter,
  };
}

/** The bounds no owner may sign past. */
function checkTerms(cert: ChainCert): void {
  ensure(cert.maxIter >= 1 && cert.maxIter <= CHAIN_MAX_ITER, 'limit', 'chain longer than allowed');
  ensure(
    cert.notAfter > cert.createdAt &&
      cert.notAfter - cert.createdAt <= (cert.ephemeral ? EPHEMERAL_CHAIN_MS : CHAIN_LIFETIME_MS),
    'limit',
    'chain lives longer than allowed',
  );
  ensure(!(cert.ephemeral && cert.shareable), 'malformed', 'chain both ephemeral and shareable');
  ensure(cert.epoch <= MAX_EPOCH, 'malformed', 'epoch out of range');
}

/** The latest server time, ms, at which a message of a chain may have been stored: receivers refuse what is later. */
export const acceptedUntil = (
  chain: Pick<VerifiedChainCert, 'createdAt' | 'notAfter'> & { readonly ephemeral?: boolean | undefined },
): number => (chain.ephemeral ? chain.createdAt + EPHEMERAL_MS : chain.notAfter + CHAIN_GRACE_MS);

// The sending half of a sender chain (protocol 3.9, P6): one per channel and device, replaced by needsNewChain's rules.
// Records are plain and immutable; the caller stores the returned record before a byte leaves the device.
import type { PeerDevice } from './authenticated.ts';
import { concat, equalBytes } from './bytes.ts';
import { chainCertHash, signChainCert } from './chain-cert.ts';
import {
  AEAD_KEY_BYTES,
  CHAIN_ID_BYTES,
  CHAIN_LIFETIME_MS,
  CHAIN_MAX_ITER,
  EPHEMERAL_CHAIN_MS,
  HASH_BYTES,
} from './constants.ts';
import { ensure } from './errors.ts';
import { encodePairwise } from './pairwise.ts';
import { ed25519KeyPair, hkdfExpand } from './primitives.ts';
import type { Rng } from './rng.ts';

/** The one message of a chain whose fate the server has not told yet. */
export interface PendingSend {
  readonly eventId: Uint8Array;
  readonly iter: number;
  readonly link: Uint8Array;
}

/** An own chain. Holds secrets: chainKey and seed (32 bytes each), chainSecretKey (Ed25519 seed). */
export interface SenderChain {
  readonly channelId: Uint8Array;
  readonly owner: PeerDevice;
  readonly chainId: Uint8Array;
  readonly cert: Uint8Array;
  readonly certHash: Uint8Array;
  readonly chainSecretKey: Uint8Array;
  readonly epoch: number;
  readonly shareable: boolean;
  /** As its certificate says: gone 24 hours after `createdAt`. */
  readonly ephemeral?: boolean | undefined;
  readonly createdAt: number;
  readonly notAfter: number;
  /** Chain key of message 0, kept while the chain lives to answer readers who missed it. */
  readonly seed: Uint8Array;
  readonly chainKey: Uint8Array;
  /** Position of the next message. */
  readonly iter: number;
  /** Link of the last acknowledged message; H(certificate) before the first. */
  readonly acknowledged: Uint8Array;
  readonly pending: PendingSend | null;
  /** H over the own device list the chain was made under. */
  readonly deviceListHash: Uint8Array;
  /** Identity strings of the accounts that could read the channel when the chain began, 32 bytes each. */
  readonly readers: Uint8Array;
}

/** What a new chain is made for. `now` of the context is the server's time as the client best knows it. */
export interface NewChain {
  readonly channelId: Uint8Array;
  readonly owner: PeerDevice;
  /** The device's signing key, 32 bytes. */
  readonly deviceSecretKey: Uint8Array;
  readonly epoch: number;
  readonly shareable: boolean;
  readonly ephemeral?: boolean | undefined;
  readonly ownDeviceListHash: Uint8Array;
  readonly readers: readonly Uint8Array[];
}

/** Chain key to (next chain key, message key): EXP(ck, "cl1/sk/chain", 64). */
export function stepChain(chainKey: Uint8Array): { chainKey: Uint8Array; messageKey: Uint8Array } {
  const okm = hkdfExpand(chainKey, 'cl1/sk/chain', 2 * AEAD_KEY_BYTES);
  return { chainKey: okm.slice(0, AEAD_KEY_BYTES), messageKey: okm.slice(AEAD_KEY_BYTES) };
}

/** A fresh chain with its signed certificate. */
export function createSenderChain(input: NewChain, context: { rng: Rng; now: number }): SenderChain {
  const { rng, now } = context;
  const chainId = rng.bytes(CHAIN_ID_BYTES);
  const pair = ed25519KeyPair(rng);
  const seed = rng.bytes(AEAD_KEY_BYTES);
  const { channelId, owner, epoch, shareable, ephemeral = false } = input;
  const terms = {
    epoch,
    shareable,
    ...(ephemeral ? { ephemeral } : {}),
    createdAt: now,
    notAfter: now + (ephemeral ? EPHEMERAL_CHAIN_MS : CHAIN_LIFETIME_MS),
    maxIter: CHAIN_MAX_ITER,
  };
  const cert = signChainCert(
    { channelId, ...owner, chainId, chainPublicKey: pair.publicKey, ...terms },
    input.deviceSecretKey,
  );
  const certHash = chainCertHash(cert);
  return {
    channelId,
    owner: { aid: owner.aid, deviceId: owner.deviceId },
    chainId,
    cert,
    certHash,
    chainSecretKey: pair.secretKey,
    epoch,
    shareable,
    ...(ephemeral ? { ephemeral } : {}),
    createdAt: terms.createdAt,
    notAfter: terms.notAfter,
    seed,
    chainKey: seed,
    iter: 0,
    acknowledged: certHash,
    pending: null,
    deviceListHash: input.ownDeviceListHash,
    readers: concat(...input.readers),
  };
}

export type RotationReason = 'none-yet' | 'epoch' | 'used-up' | 'expired' | 'devices' | 'history-policy';

/** What the next message must be sent under. */
export interface RotationFacts {
  readonly now: number;
  readonly epoch: number;
  readonly ownDeviceListHash: Uint8Array;
  /** The channel's present history policy; left out: unchanged. */
  readonly shareable?: boolean | undefined;
  readonly ephemeral?: boolean | undefined;
}

/**
 * Why the next message needs a new chain, or null. The epoch rises whenever a reader or a reader's device is removed;
 * joins do not rotate. An unacknowledged message blocks nothing here: it is repeated byte-identical or refused first.
 */
export function needsNewChain(chain: SenderChain | undefined, facts: RotationFacts): RotationReason | null {
  if (!chain) return 'none-yet';
  if (chain.epoch !== facts.epoch) return 'epoch';
  if (chain.iter >= CHAIN_MAX_ITER) return 'used-up';
  if (facts.now >= chain.notAfter) return 'expired';
  if (!equalBytes(chain.deviceListHash, facts.ownDeviceListHash)) return 'devices';
  if (facts.shareable !== undefined && facts.shareable !== chain.shareable) return 'history-policy';
  const isEphemeral = chain.ephemeral === true;
  if (facts.ephemeral !== undefined && facts.ephemeral !== isEphemeral) return 'history-policy';
  return null;
}

/** The server stored this event: the next message links to it. Acknowledging twice changes nothing. */
export function acknowledgeSend(chain: SenderChain, eventId: Uint8Array): SenderChain {
  const { pending } = chain;
  if (!pending || !equalBytes(pending.eventId, eventId)) return chain;
  return { ...chain, acknowledged: pending.link, pending: null };
}

/** The server finally refused this event: its position stays unused and nothing links to it. */
export function refuseSend(chain: SenderChain, eventId: Uint8Array): SenderChain {
  const { pending } = chain;
  if (!pending || !equalBytes(pending.eventId, eventId)) return chain;
  return { ...chain, pending: null };
}

/**
 * The pairwise payload that lets a device read this chain from message `startIter` on (default: the next message,
 * which is what somebody who joins gets). Throws `limit` for a position the chain has not reached.
 */
export function senderChainPacket(chain: SenderChain, startIter: number = chain.iter): Uint8Array {
  ensure(
    Number.isInteger(startIter) && startIter >= 0 && startIter <= chain.iter,
    'limit',
    'start beyond the chain',
  );
  let chainKey = startIter === chain.iter ? chain.chainKey : chain.seed;
  if (startIter !== chain.iter) {
    for (let i = 0; i < startIter; i++) chainKey = stepChain(chainKey).chainKey;
  }
  const { chainId, certHash, createdAt } = chain;
  const madeAt = chain.ephemeral ? { madeAt: createdAt } : {};
  return encodePairwise({ kind: 'chain', chainId, startIter, chainKey, certHash, ...madeAt });
}

/** Whether this account could read the channel when the chain began, by the client's own record of it. */
export function wasReaderAtStart(chain: SenderChain, aid: Uint8Array): boolean {
  for (let i = 0; i < chain.readers.length; i += HASH_BYTES) {
    if (equalBytes(chain.readers.subarray(i, i + HASH_BYTES), aid)) return true;
  }
  return false;
}

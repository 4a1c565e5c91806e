// The receiving half of sender chains (protocol 3.9): installing a chain that came over a pairwise session, finding the
// key of a message, remembering what was seen, and keeping all of it bounded. Records are plain and immutable.
import { type AuthenticatedPacket, type PeerDevice } from './authenticated.ts';
import type { ChainArchive } from './backup-kinds.ts';
import { concat, equalBytes } from './bytes.ts';
import type { VerifiedChainCert } from './chain-cert.ts';
import { HASH_BYTES, MAX_CHAINS_PER_SENDER_DEVICE, MAX_SKIPPED_PER_CHANNEL } from './constants.ts';
import { sameDevice } from './dm-message.ts';
import { CryptoError, ensure } from './errors.ts';
import { decodePairwise } from './pairwise.ts';
import { stepChain } from './sender-chain.ts';

/** How the chain key came: from the owner's device, from an own device, or from another member (history only). */
export type ChainOrigin = 'direct' | 'own' | 'forwarded';

/** The key of a message that was skipped over, 32 bytes. */
export interface SkippedKey {
  readonly iter: number;
  readonly key: Uint8Array;
}

/** Somebody's chain as this device holds it. Holds secrets: chainKey and the skipped keys. */
export interface ReceiverChain {
  readonly channelId: Uint8Array;
  readonly owner: PeerDevice;
  readonly chainId: Uint8Array;
  readonly chainPublicKey: Uint8Array;
  readonly cert: Uint8Array;
  readonly certHash: Uint8Array;
  readonly epoch: number;
  readonly shareable: boolean;
  readonly ephemeral?: boolean | undefined;
  readonly createdAt: number;
  readonly notAfter: number;
  readonly maxIter: number;
  readonly origin: ChainOrigin;
  /** Made way for newer chains of its device; opens what was sent under it and nothing else changes. */
  readonly archived: boolean;
  /** Highest seq a forwarded chain may open; null for chains from their owner or an own device. */
  readonly historyUpTo: number | null;
  /** First message this device was given the key of. */
  readonly startIter: number;
  /** Chain key of message `iter`, the next one not derived yet. */
  readonly chainKey: Uint8Array;
  readonly iter: number;
  readonly skipped: readonly SkippedKey[];
  /** Positions of opened messages, ascending; beside each its seq and its link ‖ prev (64 bytes). */
  readonly seenIters: readonly number[];
  readonly seenSeqs: readonly number[];
  readonly seenLinks: Uint8Array;
  /** Time of the last use, ms: what the least-recently-used bounds go by. */
  readonly usedAt: number;
}

/** What installing needs besides the packet. */
export interface InstallContext {
  /** The owner's certificate, verified against the account log. */
  readonly cert: VerifiedChainCert;
  /** Every chain of that owner device in that channel the store holds. */
  readonly existing: readonly ReceiverChain[];
  readonly now: number;
}

/** For chains handed on by somebody else. */
export interface ForwardContext extends InstallContext {
  readonly ownAid: Uint8Array;
  /** Highest seq of the channel right now: a forwarded chain opens nothing newer. */
  readonly historyUpTo: number;
}

/** The record to store, those to store again as archived, and those to delete. */
export interface Installed {
  readonly chain: ReceiverChain;
  readonly archived: readonly ReceiverChain[];
  readonly evicted: readonly ReceiverChain[];
}

/** Archived chains kept per sender device, for history not opened yet. */
export const MAX_ARCHIVED_CHAINS = 32;

const SEEN_BYTES = 2 * HASH_BYTES;

/**
 * Accepts a chain from its owner's own device. A known chain is never set back: a lower start is taken only when it
 * leads to exactly the key already held. Throws `not_allowed` without proof or from another device, `mismatch`.
 */
export function installChain(packet: AuthenticatedPacket, context: InstallContext): Installed {
  const payload = decodePairwise(packet);
  const { cert } = context;
  if (payload.kind !== 'chain') throw new CryptoError('malformed', 'packet is not a chain');
  ensure(sameDevice(packet.peer, cert), 'not_allowed', 'chain from a device that does not own it');
  ensure(equalBytes(payload.chainId, cert.chainId), 'mismatch', 'chain id differs from its certificate');
  ensure(equalBytes(payload.certHash, cert.hash), 'mismatch', 'chain packet of another certificate');
  const madeAt = cert.ephemeral ? cert.createdAt : undefined;
  ensure(
    payload.madeAt === madeAt,
    'mismatch',
    'packet and certificate differ in how long the chain is kept',
  );
  const known = findChain(context.existing, cert.chainId);
  const fresh = freshChain(context, payload, { origin: 'direct', historyUpTo: null });
  if (!known) return bounded(fresh, context.existing);
  if (known.origin === 'direct') return alone(extendBack(known, payload));
  // the owner's word replaces anybody else's; what was seen stays seen
  const { archived, seenIters, seenSeqs, seenLinks } = known;
  const replaced = { ...fresh, archived, seenIters, seenSeqs, seenLinks };
  if (known.origin === 'own') return alone(withEarlierKeys(replaced, known));
  const others = context.existing.filter((other) => other !== known);
  return bounded({ ...replaced, archived: false }, others);
}

/**
 * Accepts a chain from somebody who does not own it: an own device (any chain), or another member (shareable chains,
 * for history up to now only). It never replaces and never extends a chain that is held, except one from another member
 * that has opened nothing: a wrong key can not keep the right one out. Throws `not_allowed`.
 */
export function installForwardedChain(packet: AuthenticatedPacket, context: ForwardContext): Installed {
  const payload = decodePairwise(packet);
  const { cert } = context;
  if (payload.kind !== 'forwarded-chain')
    throw new CryptoError('malformed', 'packet is not a forwarded chain');
  ensure(equalBytes(payload.cert, cert.bytes), 'mismatch', 'forwarded with another certificate');
  const known = findChain(context.existing, cert.chainId);
  const idle = known?.origin === 'forwarded' && known.seenIters.length === 0;
  ensure(!known || idle, 'not_allowed', 'forwarded chain is already held');
  const own = equalBytes(packet.peer.aid, context.ownAid);
  ensure(!cert.ephemeral, 'not_allowed', 'an ephemeral chain is handed on by nobody');
  ensure(own || cert.shareable, 'not_allowed', 'chain is not shareable');
  const source = own
    ? ({ origin: 'own', historyUpTo: null } as const)
    : ({ origin: 'forwarded', historyUpTo: context.historyUpTo } as const);
  const chain = freshChain(context, payload, source);
  if (known) return alone({ ...chain, archived: known.archived });
  // history takes no live chain's place
  return bounded({ ...chain, archived: !own }, context.existing);
}

/**
 * Accepts a chain out of the own backup. A chain that is held is only ever extended backwards, and only where the archive
 * leads to exactly the key held. Throws `mismatch` (another certificate, or a key that leads elsewhere), `not_allowed`
 * for another member's word about a chain that is held or not shareable.
 */
export function restoreChain(archive: ChainArchive, context: InstallContext): Installed {
  const { cert, existing } = context;
  const { startIter, chainKey, historyUpTo } = archive;
  ensure(equalBytes(archive.certHash, cert.hash), 'mismatch', 'archive of another certificate');
  ensure(!cert.ephemeral, 'not_allowed', 'an ephemeral chain has no archive');
  const known = findChain(existing, cert.chainId);
  if (historyUpTo !== null) {
    ensure(!known && cert.shareable, 'not_allowed', 'forwarded chain is not needed or not shareable');
    const chain = freshChain(context, archive, { origin: 'forwarded', historyUpTo });
    return bounded({ ...chain, archived: true }, existing);
  }
  const fresh = freshChain(context, { startIter, chainKey }, { origin: 'own', historyUpTo: null });
  if (!known) return bounded(fresh, existing);
  if (known.origin !== 'forwarded') return alone(extendBack(known, archive));
  const { archived, seenIters, seenSeqs, seenLinks } = known;
  return alone({ ...fresh, archived, seenIters, seenSeqs, seenLinks });
}

/** The chain with this id, if held. */
export function findChain(chains: readonly ReceiverChain[], chainId: Uint8Array): ReceiverChain | undefined {
  return chains.find((chain) => equalBytes(chain.chainId, chainId));
}

/**
 * The key of message `iter` and the record without it. The positions passed over are kept as skipped keys. Throws
 * `limit` at or past maxIter, `unknown_chain` before the first position given, `replay` for a key already used or dropped.
 */
export function takeMessageKey(
  chain: ReceiverChain,
  iter: number,
  now: number,
): { chain: ReceiverChain; messageKey: Uint8Array } {
  ensure(iter < chain.maxIter, 'limit', 'past the end of the chain');
  ensure(iter >= chain.startIter, 'unknown_chain', 'before the first message shared with this device');
  if (iter < chain.iter) {
    const found = chain.skipped.find((key) => key.iter === iter);
    if (!found) throw new CryptoError('replay', 'message key used or dropped before');
    const skipped = chain.skipped.filter((key) => key !== found);
    return { chain: { ...chain, skipped, usedAt: now }, messageKey: found.key };
  }
  const ahead = derive(chain.chainKey, chain.iter, iter);
  const next = stepChain(ahead.chainKey);
  return {
    chain: {
      ...chain,
      chainKey: next.chainKey,
      iter: iter + 1,
      skipped: ahead.skipped.length === 0 ? chain.skipped : [...chain.skipped, ...ahead.skipped],
      usedAt: now,
    },
    messageKey: next.messageKey,
  };
}

/** What was seen at a position: link and prev, 32 bytes each. */
export function seenAt(
  chain: ReceiverChain,
  iter: number,
): { link: Uint8Array; prev: Uint8Array } | undefined {
  const index = chain.seenIters.indexOf(iter);
  if (index < 0) return undefined;
  const at = index * SEEN_BYTES;
  return {
    link: chain.seenLinks.slice(at, at + HASH_BYTES),
    prev: chain.seenLinks.slice(at + HASH_BYTES, at + SEEN_BYTES),
  };
}

/** One opened message as the chain remembers it. */
export interface SeenMessage {
  readonly iter: number;
  readonly seq: number;
  readonly link: Uint8Array;
  readonly prev: Uint8Array;
}

/**
 * Remembers an opened message. A sender has one event in flight at a time, so positions rise with seq; throws `mismatch`
 * where the server ordered them otherwise.
 */
export function markSeen(chain: ReceiverChain, seen: SeenMessage): ReceiverChain {
  let at = chain.seenIters.length;
  while (at > 0 && chain.seenIters[at - 1]! > seen.iter) at--;
  const [before, after] = [chain.seenSeqs[at - 1], chain.seenSeqs[at]];
  const ordered = (before === undefined || before < seen.seq) && (after === undefined || seen.seq < after);
  ensure(ordered, 'mismatch', 'events of one sender reordered');
  const seenIters = [...chain.seenIters.slice(0, at), seen.iter, ...chain.seenIters.slice(at)];
  const seenSeqs = [...chain.seenSeqs.slice(0, at), seen.seq, ...chain.seenSeqs.slice(at)];
  const seenLinks = concat(
    chain.seenLinks.subarray(0, at * SEEN_BYTES),
    seen.link,
    seen.prev,
    chain.seenLinks.subarray(at * SEEN_BYTES),
  );
  return { ...chain, seenIters, seenSeqs, seenLinks };
}

/**
 * Holds the channel-wide bound of 4000 skipped keys: the least recently used chains lose theirs first. Returns only the
 * chains that changed.
 */
export function boundSkippedKeys(chains: readonly ReceiverChain[]): ReceiverChain[] {
  let excess = chains.reduce((sum, chain) => sum + chain.skipped.length, 0) - MAX_SKIPPED_PER_CHANNEL;
  const changed: ReceiverChain[] = [];
  for (const chain of leastRecentFirst(chains)) {
    if (excess <= 0) break;
    if (chain.skipped.length === 0) continue;
    const dropped = Math.min(excess, chain.skipped.length);
    changed.push({ ...chain, skipped: chain.skipped.slice(dropped) });
    excess -= dropped;
  }
  return changed;
}

function freshChain(
  context: InstallContext,
  keys: { readonly startIter: number; readonly chainKey: Uint8Array },
  source: { readonly origin: ChainOrigin; readonly historyUpTo: number | null },
): ReceiverChain {
  const { cert, now } = context;
  ensure(keys.startIter < cert.maxIter, 'limit', 'chain starts past its end');
  return {
    channelId: cert.channelId,
    owner: { aid: cert.aid, deviceId: cert.deviceId },
    chainId: cert.chainId,
    chainPublicKey: cert.chainPublicKey,
    cert: cert.bytes,
    certHash: cert.hash,
    epoch: cert.epoch,
    shareable: cert.shareable,
    ...(cert.ephemeral ? { ephemeral: true } : {}),
    createdAt: cert.createdAt,
    notAfter: cert.notAfter,
    maxIter: cert.maxIter,
    ...source,
    archived: false,
    startIter: keys.startIter,
    chainKey: keys.chainKey,
    iter: keys.startIter,
    skipped: [],
    seenIters: [],
    seenSeqs: [],
    seenLinks: new Uint8Array(0),
    usedAt: now,
  };
}

/** At most five live chains per sender device: the least recently used are archived, the oldest archived ones go. */
function bounded(chain: ReceiverChain, existing: readonly ReceiverChain[]): Installed {
  const live = leastRecentFirst(existing.filter((other) => !other.archived));
  const [asLive, asArchived] = chain.archived ? [0, 1] : [1, 0];
  const surplus = Math.max(0, live.length + asLive - MAX_CHAINS_PER_SENDER_DEVICE);
  const archived = live.slice(0, surplus).map((other) => ({ ...other, archived: true }));
  const old = leastRecentFirst(existing.filter((other) => other.archived));
  const excess = Math.max(0, old.length + archived.length + asArchived - MAX_ARCHIVED_CHAINS);
  return { chain, archived, evicted: old.slice(0, excess) };
}

function alone(chain: ReceiverChain): Installed {
  return { chain, archived: [], evicted: [] };
}

function leastRecentFirst(chains: readonly ReceiverChain[]): ReceiverChain[] {
  return [...chains].sort((a, b) => a.usedAt - b.usedAt || a.createdAt - b.createdAt);
}

/** Adds the keys from a lower start, if that start leads to the chain already held; otherwise nothing changes. */
function extendBack(
  known: ReceiverChain,
  keys: { readonly startIter: number; readonly chainKey: Uint8Array },
): ReceiverChain {
  if (keys.startIter >= known.startIter) return known;
  const path = derive(keys.chainKey, keys.startIter, known.iter);
  ensure(equalBytes(path.chainKey, known.chainKey), 'mismatch', 'chain does not lead to the one held');
  const earlier = path.skipped.filter((key) => key.iter < known.startIter);
  return { ...known, startIter: keys.startIter, skipped: [...earlier, ...known.skipped] };
}

/** Keeps what an own device gave for positions before the owner's start; a wrong key among them opens nothing. */
function withEarlierKeys(chain: ReceiverChain, known: ReceiverChain): ReceiverChain {
  if (known.startIter >= chain.startIter) return chain;
  const kept = known.skipped.filter((key) => key.iter < chain.startIter);
  const ahead = derive(known.chainKey, known.iter, chain.startIter).skipped;
  return { ...chain, startIter: known.startIter, skipped: [...kept, ...ahead] };
}

/** Steps from `from` to `to`, collecting the message keys passed over. */
function derive(
  chainKey: Uint8Array,
  from: number,
  to: number,
): { chainKey: Uint8Array; skipped: SkippedKey[] } {
  const skipped: SkippedKey[] = [];
  let current = chainKey;
  for (let iter = from; iter < to; iter++) {
    const step = stepChain(current);
    skipped.push({ iter, key: step.messageKey });
    current = step.chainKey;
  }
  return { chainKey: current, skipped };
}

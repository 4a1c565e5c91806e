// History another member handed on (protocol 3.10): the sender's certificate and signatures say who wrote what, and a key
// counts only once it opened something the sender signed.
import { isHistoryWanted, uuidToBytes, type ReceiverChain, type verifyRun } from '#crypto/index.ts';
import type { ChannelId } from '#shared/ids.ts';
import { queueChain } from './backup-queue.ts';
import type { Candidate } from './event-checks.ts';
import { keys, type AskedRecord, type PeerRecord, type ReadersRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

type Outcome = ReturnType<typeof verifyRun>;

/** Those a chain may open, and those that came after a chain of another member's was handed on. */
export function withinHistory(
  { historyUpTo }: ReceiverChain,
  run: readonly Candidate[],
): [within: Candidate[], beyond: Candidate[]] {
  const isWithin = ({ event }: Candidate): boolean => historyUpTo === null || event.seq <= historyUpTo;
  return [run.filter(isWithin), run.filter((candidate) => !isWithin(candidate))];
}

/** Others' history counts where it was asked for, and from somebody who reads the channel (A61, A72). */
export async function isWanted(
  unit: UnitOfWork,
  handed: { channelId: ChannelId; chainId: Uint8Array; from: Uint8Array },
): Promise<boolean> {
  const { channelId, chainId, from } = handed;
  const asked = await unit.get<AskedRecord>(keys.asked(channelId, chainId));
  const known = await unit.get<ReadersRecord>(keys.readers(channelId));
  const readers: Uint8Array[] = [];
  for (const accountId of known?.readers ?? []) {
    const peer = await unit.get<PeerRecord>(keys.peer(accountId));
    if (peer) readers.push(peer.log.aid);
  }
  const channel = uuidToBytes(channelId);
  const wanted = asked && { channelId: channel, chainId: asked.chainId, isShared: asked.isShared === true };
  return isHistoryWanted({ channelId: channel, chainId, from }, wanted, readers);
}

const isUnproved = (chain: ReceiverChain): boolean =>
  chain.origin === 'forwarded' && chain.seenIters.length === 0;

/** The sender signed these messages and the key opens none of them. */
export const isWrongKey = (chain: ReceiverChain, { results }: Outcome): boolean =>
  isUnproved(chain) &&
  results.every((result) => !result.ok) &&
  results.some((result) => !result.ok && result.code === 'bad_mac');

export const isProved = (chain: ReceiverChain, { results }: Outcome): boolean =>
  isUnproved(chain) && results.some((result) => result.ok);

/** Keeps the key it came with, here and in the backup, and asks nobody for it any more. `chain` as before its first use. */
export async function keepHistory(
  unit: UnitOfWork,
  channelId: ChannelId,
  chain: ReceiverChain,
): Promise<void> {
  const { channelId: channel, owner, chainId, certHash, startIter, chainKey, historyUpTo } = chain;
  unit.remove(keys.asked(channelId, chainId));
  await queueChain(unit, { channelId: channel, owner, chainId, certHash, startIter, chainKey, historyUpTo });
}

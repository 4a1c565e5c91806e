// What is kept of opened events, and what the links between a sender's messages say about those that were not shown.
import {
  boundSkippedKeys,
  CryptoError,
  equalBytes,
  findLinkGaps,
  fromBase64Url,
  H,
  uuidToBytes,
  type EventStub,
  type OpenedEvent,
  type ReceiverChain,
} from '#crypto/index.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { isCovered } from './channel-order.ts';
import { fromWire } from './content-bridge.ts';
import { fadePlain, goneAtOf } from './fading.ts';
import type { DecryptResult } from './protocol.ts';
import { keys, type ChannelRecord, type PlainRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** Stores what was opened and answers it. The account named is the one whose keys it verified under. */
export function keep(
  unit: UnitOfWork,
  event: ChannelEvent,
  { opened, missingBefore, now }: { opened: OpenedEvent; missingBefore: number; now: number },
): DecryptResult {
  const { eventId, senderDeviceId } = event;
  const senderAccountId: AccountId = event.senderAccountId;
  if (!equalBytes(opened.header.eventId, uuidToBytes(eventId)))
    throw new CryptoError('mismatch', 'another event');
  const content = fromWire(opened.content);
  const { contentBytes, frankKey } = opened;
  // A deletion says nothing and is what tells a removed message from a withheld one: it stays.
  const isFading = opened.header.ttlSeconds !== undefined && content?.type !== 'redact';
  const lasts = isFading ? { goneAt: goneAtOf(event.createdAt, now) } : {};
  const record: PlainRecord = {
    ...lasts,
    content,
    senderAccountId,
    senderDeviceId,
    missingBefore,
    channelId: event.channelId,
    envelopeHash: H(fromBase64Url(event.envelope ?? '')),
    contentBytes,
    frankKey,
  };
  unit.put(keys.plain(eventId), record);
  if (lasts.goneAt !== undefined) fadePlain(unit, eventId, lasts.goneAt);
  return { eventId, status: 'decrypted', content, senderAccountId, senderDeviceId, missingBefore, ...lasts };
}

export async function boundSkipped(unit: UnitOfWork, channelId: ChannelId): Promise<void> {
  const chains = await unit.list<ReceiverChain>(keys.chains(channelId));
  for (const chain of boundSkippedKeys([...chains.values()])) {
    unit.put(keys.chain(channelId, chain.owner, chain.chainId), chain);
  }
}

/** Stubs among the events: they keep their place in their sender's links (protocol P6). */
export function stubsOf(events: readonly ChannelEvent[]): EventStub[] {
  return events.flatMap(({ eventId, seq, class: eventClass, stub }) => {
    if (stub?.chainId == null || stub.iter === null || stub.linkHash === null) return [];
    const [chainId, linkHash] = [fromBase64Url(stub.chainId), fromBase64Url(stub.linkHash)];
    return [{ eventId: uuidToBytes(eventId), seq, class: eventClass, chainId, iter: stub.iter, linkHash }];
  });
}

/**
 * Positions before which a message of this sender is missing (A65). Only where the server showed everything in between:
 * a page leaves out superseded edits, and that is not a loss.
 */
export function missingBefore(
  chain: ReceiverChain,
  { channel, stubs }: { channel: ChannelRecord; stubs: readonly EventStub[] },
): Set<number> {
  const own = stubs.filter((stub) => equalBytes(stub.chainId, chain.chainId));
  const seqOf = new Map(own.map((stub) => [stub.iter, stub.seq]));
  chain.seenIters.forEach((iter, at) => seqOf.set(iter, chain.seenSeqs[at] ?? 0));
  const missing = new Set<number>();
  for (const gap of findLinkGaps(chain, own)) {
    if (gap.kind !== 'missing') continue;
    const [from = 0, to = 0] = [seqOf.get(gap.afterIter), seqOf.get(gap.beforeIter)];
    if (isCovered(channel, from, to)) missing.add(gap.beforeIter);
  }
  return missing;
}

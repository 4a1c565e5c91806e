// What a conversation is, is decided when this device first meets it: a direct conversation keeps its two people and never
// becomes a channel, whatever the server says later (A76).
import { CryptoError } from '#crypto/index.ts';
import type { ChannelKind } from '#shared/channels.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import { noteReaders } from './channel-order.ts';
import type { Own } from './engine-core.ts';
import type { ConversationRef } from './protocol.ts';
import { keys, type PinRecord, type ReadersRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

interface Claim {
  readonly channelId: ChannelId;
  readonly kind: ChannelKind;
  /** Of a direct conversation. */
  readonly members: readonly AccountId[] | null;
}

function pinOf(own: Own, { kind, members }: Claim): PinRecord {
  if (kind !== 'dm') return { kind: 'group' };
  const people = [...new Set(members)].sort();
  if (people.length > 2 || !people.includes(own.self.accountId))
    throw new CryptoError('mismatch', 'not a direct conversation of this account');
  return { kind: 'dm', members: people };
}

const nameOf = (pin: PinRecord): string => (pin.kind === 'dm' ? `dm ${pin.members.join(' ')}` : pin.kind);

/** Remembers what the conversation is. Throws `mismatch` when it was something else, or other people, before. */
export async function requirePinned(unit: UnitOfWork, own: Own, claim: Claim): Promise<void> {
  const key = keys.pin(claim.channelId);
  const pin = pinOf(own, claim);
  const known = await unit.get<PinRecord>(key);
  if (!known) unit.put(key, pin);
  else if (nameOf(known) !== nameOf(pin))
    throw new CryptoError('mismatch', 'another conversation than before');
}

/** Takes note of who the server says reads a channel. */
export async function noteReadersOf(unit: UnitOfWork, conversation: ConversationRef): Promise<void> {
  const key = keys.readers(conversation.channelId);
  const known = await unit.get<ReadersRecord>(key);
  const readersNow = noteReaders(known, conversation);
  if (readersNow !== known) unit.put(key, readersNow);
}

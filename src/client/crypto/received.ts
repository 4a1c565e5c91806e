// What received packets leave behind: chains, message keys, parked packets, alarms; every one of them bounded.
import {
  uuidToBytes,
  verifyChainCert,
  type CryptoError,
  type ChainCertOwner,
  type Installed,
  type PairwiseResult,
  type VerifiedChainCert,
} from '#crypto/index.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import type { MailboxPacket } from '#shared/mailbox.ts';
import type { Own } from './engine-core.ts';
import { MAX_PARKED, MAX_PARKED_PER_DEVICE } from './engine-limits.ts';
import type { IdentityAlarm } from './protocol.ts';
import {
  keys,
  type AskedRecord,
  type CertRecord,
  type ChannelRecord,
  type ParkedRecord,
  type PeerRecord,
} from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

export interface WantedLog {
  readonly accountId: AccountId;
  readonly fromSeq: number;
}

/** What one packet led to. */
export interface Outcome {
  readonly unlocked?: readonly ChannelId[];
  readonly requested?: ChannelId;
  readonly alarm?: IdentityAlarm;
  readonly logs?: readonly WantedLog[];
  /** Somebody is to be asked, or answered. */
  readonly repair?: boolean;
  /** Decryption refused it: unless it can wait, its sender is to be asked. */
  readonly failure?: CryptoError['code'];
  /** Why it has to wait. */
  readonly park?: Pick<ParkedRecord, 'waitsFor' | 'certHash'>;
}

type CertOwner = Omit<ChainCertOwner, 'channelId' | 'maxEpoch'>;

/** Whose a certificate must be; an epoch beyond what the channel has reached is refused (A63). */
export async function ownerIn(
  unit: UnitOfWork,
  channelId: ChannelId,
  owner: CertOwner,
): Promise<ChainCertOwner> {
  const channel = await unit.get<ChannelRecord>(keys.channel(channelId));
  return { channelId: uuidToBytes(channelId), ...owner, maxEpoch: channel?.maxEpoch ?? 0 };
}

/** Checks a certificate for this owner. */
export async function verifiedCert(
  unit: UnitOfWork,
  record: CertRecord,
  owner: CertOwner,
): Promise<VerifiedChainCert> {
  return verifyChainCert(record.bytes, await ownerIn(unit, record.channelId, owner));
}

export async function storeInstalled(
  unit: UnitOfWork,
  channelId: ChannelId,
  installed: Installed,
): Promise<void> {
  for (const chain of [installed.chain, ...installed.archived]) {
    unit.put(keys.chain(channelId, chain.owner, chain.chainId), chain);
  }
  for (const chain of installed.evicted) unit.remove(keys.chain(channelId, chain.owner, chain.chainId));
  const { chainId, startIter, origin } = installed.chain;
  // Another member's word ends the asking only when it opened something.
  if (origin === 'forwarded') return;
  const asked = await unit.get<AskedRecord>(keys.asked(channelId, chainId));
  if (asked && asked.iter >= startIter) unit.remove(keys.asked(channelId, chainId));
}

/** Room for one more parked packet: the oldest of its device goes, or the oldest of all (A74). */
export async function makeRoom(unit: UnitOfWork, packet: MailboxPacket): Promise<void> {
  const parked = [...(await unit.list<ParkedRecord>(keys.parkedAll))];
  if (parked.some(([, item]) => item.packet.seq === packet.seq)) return;
  const same = parked.filter(([, item]) => item.packet.senderDeviceId === packet.senderDeviceId);
  const oldest = same.length >= MAX_PARKED_PER_DEVICE ? same[0] : parked[0];
  if (oldest && (same.length >= MAX_PARKED_PER_DEVICE || parked.length >= MAX_PARKED)) unit.remove(oldest[0]);
}

/** Two logs of this account exist: everything with that person stops. */
export function raiseFork(
  unit: UnitOfWork,
  accountId: AccountId,
  peer: PeerRecord,
): { alarm: IdentityAlarm } {
  unit.put(keys.peer(accountId), { ...peer, alarm: 'fork', offered: null } satisfies PeerRecord);
  return { alarm: { accountId, kind: 'fork', blocked: true } };
}

/** What the log heads in a packet say (A03, A04): a fork stops everything, a newer head is looked for. */
export function judgeHeads(
  unit: UnitOfWork,
  own: Own,
  found: { peer: PeerRecord; accountId: AccountId; result: PairwiseResult },
): { alarm?: IdentityAlarm; logs?: WantedLog[] } {
  const { peer, accountId, result } = found;
  const { peerLog, ownLog } = result.heads;
  // Whichever of the two logs was shown in two versions: the server lies about who talks to whom here.
  if (peerLog === 'fork' || ownLog === 'fork') return raiseFork(unit, accountId, peer);
  const logs: WantedLog[] = [];
  if (peerLog === 'newer') {
    unit.put(keys.peer(accountId), { ...peer, behind: true } satisfies PeerRecord);
    logs.push({ accountId, fromSeq: peer.log.headSeq });
  }
  if (ownLog === 'newer') logs.push({ accountId: own.self.accountId, fromSeq: own.log.headSeq });
  return logs.length === 0 ? {} : { logs };
}

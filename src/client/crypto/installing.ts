// Keys that came in packets: chains are checked against their certificate; all are kept and queued for the backup.
import {
  bytesToUuid,
  CryptoError,
  dmKeyBinding,
  EPHEMERAL_MS,
  equalBytes,
  findDevice,
  idKey,
  installChain,
  installForwardedChain,
  parseChainCert,
  type ChainArchive,
  type DmKey,
  type PairwisePayload,
  type PairwiseResult,
  type ReceiverChain,
  type VerifiedChainCert,
} from '#crypto/index.ts';
import type { AccountId, ChannelId, EventId } from '#shared/ids.ts';
import { queueChain, queueDmKey } from './backup-queue.ts';
import { shownUpTo } from './channel-order.ts';
import type { Own } from './engine-core.ts';
import { fadeChain, fadeParked } from './fading.ts';
import { keepDmKey } from './key-archive.ts';
import { storeInstalled, verifiedCert, type Outcome } from './received.ts';
import { keys, type CertRecord, type ChannelRecord, type PeerRecord } from './records.ts';
import { isWanted } from './shared-history.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** An opened packet. */
export interface Opening {
  readonly own: Own;
  readonly result: PairwiseResult;
  readonly peer: PeerRecord;
  readonly peerAccountId: AccountId;
  readonly now: number;
  /** The packet's position in the mailbox. */
  readonly seq: number;
}

const archiveOf = (
  cert: VerifiedChainCert,
  key: Pick<ChainArchive, 'startIter' | 'chainKey' | 'historyUpTo'>,
): ChainArchive => {
  const { channelId, aid, deviceId, chainId, hash: certHash } = cert;
  return { channelId, owner: { aid, deviceId }, chainId, certHash, ...key };
};

/** A chain its owner sent; parked until its certificate was shown. */
export async function installOwned(
  unit: UnitOfWork,
  { result, now, seq }: Opening,
  payload: Extract<PairwisePayload, { kind: 'chain' }>,
): Promise<Outcome> {
  const certHash = idKey(payload.certHash);
  const record = await unit.get<CertRecord>(keys.cert(certHash));
  const goneAt = payload.madeAt === undefined ? Infinity : payload.madeAt + EPHEMERAL_MS;
  if (goneAt <= now) return {};
  if (!record) {
    if (payload.madeAt !== undefined) fadeParked(unit, seq, goneAt);
    return { park: { waitsFor: 'cert', certHash } };
  }
  const cert = await verifiedCert(unit, record, {
    aid: result.sender.aid,
    deviceId: result.sender.deviceId,
    devicePublicKey: result.sender.cert.signingPub,
  });
  const existing = await existingChains(unit, record.channelId, cert);
  const installed = installChain(result.packet, { cert, existing, now });
  await storeInstalled(unit, record.channelId, installed);
  fadeChain(unit, record.channelId, installed.chain);
  const { startIter, chainKey } = payload;
  await queueChain(unit, archiveOf(cert, { startIter, chainKey, historyUpTo: null }));
  return { unlocked: [record.channelId] };
}

/** A chain somebody else handed on: an own device, or a reader who was asked. */
export async function installForwarded(
  unit: UnitOfWork,
  { own, result, peerAccountId, now }: Opening,
  payload: Extract<PairwisePayload, { kind: 'forwarded-chain' }>,
): Promise<Outcome> {
  const parsed = parseChainCert(payload.cert);
  const channelId = bytesToUuid(parsed.channelId) as ChannelId;
  const isOwn = peerAccountId === own.self.accountId;
  const handed = { channelId, chainId: parsed.chainId, from: result.sender.aid };
  if (!isOwn && !(await isWanted(unit, handed))) return {};
  const ownerId = await unit.get<AccountId>(keys.aid(parsed.aid));
  const owner = ownerId && (await unit.get<PeerRecord>(keys.peer(ownerId)));
  const device = owner && findDevice(owner.log, parsed.deviceId);
  if (!owner || !device) throw new CryptoError('unknown_device', 'chain of an unknown device');
  const { aid } = owner.log;
  const record: CertRecord = { channelId, bytes: payload.cert, hash: '' };
  const cert = await verifiedCert(unit, record, {
    aid,
    deviceId: parsed.deviceId,
    devicePublicKey: device.cert.signingPub,
  });
  const existing = await existingChains(unit, channelId, cert);
  const channel = await unit.get<ChannelRecord>(keys.channel(channelId));
  const context = { cert, existing, now, ownAid: own.device.aid, historyUpTo: shownUpTo(channel) };
  const installed = installForwardedChain(result.packet, context);
  await storeInstalled(unit, channelId, installed);
  const { startIter, chainKey } = payload;
  // What another member handed on is kept for good when it opened something, and not before.
  if (isOwn) await queueChain(unit, archiveOf(cert, { startIter, chainKey, historyUpTo: null }));
  return { unlocked: [channelId] };
}

async function existingChains(
  unit: UnitOfWork,
  channelId: ChannelId,
  cert: VerifiedChainCert,
): Promise<ReceiverChain[]> {
  return [...(await unit.list<ReceiverChain>(keys.chainsOf(channelId, cert))).values()];
}

/** Events that wait for a key (hex) → their channel. */
type Waiting = ReadonlyMap<string, ChannelId>;

/** Keeps keys of direct messages that are not here yet; answers the channels in which messages wait for them. */
export async function keepMessageKeys(
  unit: UnitOfWork,
  received: readonly DmKey[],
  waiting: Waiting,
): Promise<Outcome> {
  const unlocked = new Set<ChannelId>();
  for (const key of received) {
    const eventId = bytesToUuid(key.eventId) as EventId;
    if ((await unit.get(keys.plain(eventId))) !== undefined) continue;
    const known = await unit.get<DmKey>(keys.dmKey(key.eventId));
    if (!known || !sameKey(known, key)) {
      await keepDmKey(unit, key);
      queueDmKey(unit, key);
    }
    const channelId = waiting.get(idKey(key.eventId));
    if (channelId) unlocked.add(channelId);
  }
  return { unlocked: [...unlocked] };
}

const sameKey = (a: DmKey, b: DmKey): boolean =>
  equalBytes(dmKeyBinding(a), dmKeyBinding(b)) && equalBytes(a.contentKey, b.contentKey);

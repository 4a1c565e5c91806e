// Keys for history, kept small until a message needs them: earliest keys of chains, and content keys of direct messages in
// buckets of about a quarter of an hour (event ids begin with their time).
import {
  archiveDmKey,
  decodeChainArchive,
  decodeDmKeys,
  deviceAddress,
  encodeDmKeys,
  equalBytes,
  findDevice,
  idKey,
  bytesToUuid,
  MAX_DM_KEYS_PER_ENTRY,
  restoreChain,
  uuidToBytes,
  verifyChainCert,
  type Ahead,
  type ChainArchive,
  type ChainCertOwner,
  type DmKey,
  type DmKeyArchive,
  type PeerDevice,
  type ReceiverChain,
} from '#crypto/index.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import { codeOf } from './engine-core.ts';
import { MAX_KEYS_PER_BUCKET, MAX_WAITING_DM_KEYS } from './engine-limits.ts';
import { logOfDevice } from './former-logs.ts';
import { ownerIn, storeInstalled } from './received.ts';
import { keys, type CertRecord, type PeerRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

export const archiveKeyOf = ({ channelId, owner, chainId, certHash }: ChainArchive): string =>
  `${keys.archivesOf(bytesToUuid(channelId) as ChannelId, owner, chainId)}${idKey(certHash)}`;

/** Which chain a message wants opened. */
export interface WantedChain {
  readonly channelId: ChannelId;
  readonly sender: PeerDevice;
  readonly senderAccountId: AccountId;
  readonly chainId: Uint8Array;
  readonly now: number;
}

/** An archived key with the certificate shown for it, not verified yet, and whose that must be. */
export interface ArchivedChain {
  readonly archive: ChainArchive;
  readonly cert: Uint8Array;
  readonly owner: ChainCertOwner;
}

/** What is archived of a chain and has its certificate shown; nothing while the sender's device is unknown. */
export async function archivedChains(
  unit: UnitOfWork,
  { channelId, sender, chainId, senderAccountId }: Omit<WantedChain, 'now'>,
): Promise<ArchivedChain[]> {
  const peer = await unit.get<PeerRecord>(keys.peer(senderAccountId));
  const log = peer && logOfDevice(peer, sender.deviceId);
  const device = log && findDevice(log, sender.deviceId);
  if (!device || !equalBytes(log.aid, sender.aid)) return [];
  const found: ArchivedChain[] = [];
  const archives = await unit.list<Uint8Array>(keys.archivesOf(channelId, sender, chainId));
  for (const archive of [...archives.values()].map(decodeChainArchive)) {
    const shown = await unit.get<CertRecord>(keys.cert(idKey(archive.certHash)));
    if (!shown) continue;
    const owner = await ownerIn(unit, shown.channelId, {
      ...sender,
      devicePublicKey: device.cert.signingPub,
    });
    found.push({ archive, cert: shown.bytes, owner });
  }
  return found;
}

/**
 * Makes a chain out of what is archived of it, or lets the chain that is held begin earlier. Undefined where nothing is
 * archived, its certificate has not been shown yet, or does not verify.
 */
export async function chainFromArchive(
  unit: UnitOfWork,
  wanted: WantedChain,
  ahead: Ahead,
): Promise<ReceiverChain | undefined> {
  const { channelId, sender, now } = wanted;
  for (const { archive, cert: shown, owner } of await archivedChains(unit, wanted)) {
    try {
      const cert = ahead.use(() => verifyChainCert(shown, owner));
      const existing = [...(await unit.list<ReceiverChain>(keys.chainsOf(channelId, sender))).values()];
      const installed = restoreChain(archive, { cert, existing, now });
      await storeInstalled(unit, channelId, installed);
      return installed.chain;
    } catch (error) {
      codeOf(error); // another certificate of the same chain id, or a key that leads elsewhere: of no use
    }
  }
  return undefined;
}

/** The first 28 bits of the id's time: a bucket is 2^20 ms long. */
const bucketOf = (eventId: Uint8Array): string => keys.dmArchive(idKey(eventId.subarray(0, 4)).slice(0, 7));

function readBucket(chunks: readonly Uint8Array[] | undefined): DmKeyArchive[] {
  return (chunks ?? []).flatMap(decodeDmKeys);
}

function writeBucket(archived: readonly DmKeyArchive[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < archived.length; at += MAX_DM_KEYS_PER_ENTRY)
    chunks.push(encodeDmKeys(archived.slice(at, at + MAX_DM_KEYS_PER_ENTRY)));
  return chunks;
}

/** Keeps content keys on this device. Beyond its bound a bucket takes no more; they stay in the backup. */
export async function keepDmKeys(unit: UnitOfWork, archived: readonly DmKeyArchive[]): Promise<void> {
  const byBucket = new Map<string, DmKeyArchive[]>();
  for (const key of archived) {
    const bucket = bucketOf(key.eventId);
    const list = byBucket.get(bucket);
    if (list) list.push(key);
    else byBucket.set(bucket, [key]);
  }
  await unit.prefetch([...byBucket.keys()]);
  for (const [bucket, added] of byBucket) {
    const known = readBucket(await unit.get<readonly Uint8Array[]>(bucket));
    const names = new Set(known.map((key) => idKey(key.binding)));
    const fresh = names.size === 0 ? added : added.filter((key) => !names.has(idKey(key.binding)));
    if (fresh.length === 0) continue;
    unit.put(bucket, writeBucket([...known, ...fresh].slice(0, MAX_KEYS_PER_BUCKET)));
  }
}

/** Kept content keys of this event: one, or several where somebody sent keys that are not the message's. */
export async function archivedDmKeys(unit: UnitOfWork, eventId: Uint8Array): Promise<DmKeyArchive[]> {
  const bucket = readBucket(await unit.get<readonly Uint8Array[]>(bucketOf(eventId)));
  return bucket.filter((key) => equalBytes(key.eventId, eventId));
}

/** Reads the buckets of these events at once. */
export function prefetchDmKeys(unit: UnitOfWork, eventIds: readonly string[]): Promise<void> {
  return unit.prefetch([...new Set(eventIds.map((id) => bucketOf(uuidToBytes(id))))]);
}

/** Keeps a message key until its message is opened; of one device at most the newest so many, older ones archived. */
export async function keepDmKey(unit: UnitOfWork, key: DmKey): Promise<void> {
  const address = deviceAddress(key.sender.aid, key.sender.deviceId);
  const count = (await unit.get<number>(keys.dmKeyCount(address))) ?? 0;
  const slot = keys.dmKeySlot(address, count % MAX_WAITING_DM_KEYS);
  const oldest = await unit.get<Uint8Array>(slot);
  const unopened = oldest && (await unit.get<DmKey>(keys.dmKey(oldest)));
  if (oldest && unopened) {
    await keepDmKeys(unit, [archiveDmKey(unopened)]);
    unit.remove(keys.dmKey(oldest));
  }
  unit.put(slot, key.eventId);
  unit.put(keys.dmKeyCount(address), count + 1);
  unit.put(keys.dmKey(key.eventId), key);
}

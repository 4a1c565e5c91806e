// What waits to be backed up. It is queued in the same unit of work that stores the key, so that a crash forgets neither or
// both, and leaves the queue when the server acknowledged its entry: only then is it backed up (protocol 3.12).
import {
  archiveDmKey,
  BACKUP_CHAIN,
  BACKUP_DM_KEYS,
  BACKUP_PEER,
  decodeChainArchive,
  encodeChainArchive,
  encodeDmKeys,
  encodePeerState,
  idKey,
  parseChainCert,
  type ChainArchive,
  type DmKey,
  type SenderChain,
} from '#crypto/index.ts';
import { archiveKeyOf } from './key-archive.ts';
import type { PeerNote } from './backup-records.ts';
import { keys, type CertRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** One thing to be backed up: its kind, what its id is made of, and the payload of its kind. */
export interface QueuedItem {
  readonly kind: number;
  readonly name: Uint8Array;
  readonly payload: Uint8Array;
}

const putItem = (unit: UnitOfWork, item: QueuedItem): void =>
  unit.put(keys.backupItem(item.kind, item.name), item);

/** Whether the first says more than the second: its owner's or an own device's word, then the earlier start. */
function saysMore(next: ChainArchive, known: ChainArchive): boolean {
  const [isHistory, wasHistory] = [next.historyUpTo !== null, known.historyUpTo !== null];
  return isHistory === wasHistory ? next.startIter < known.startIter : wasHistory;
}

/** Whether backing up the second adds nothing to the first. */
export const saysAsMuch = (stored: ChainArchive, waiting: ChainArchive): boolean =>
  !saysMore(waiting, stored);

/** Keeps a chain's earliest key on this device. False where as much or more was kept before. */
export async function keepChainArchive(unit: UnitOfWork, archive: ChainArchive): Promise<boolean> {
  const key = archiveKeyOf(archive);
  const known = await unit.get<Uint8Array>(key);
  if (known && !saysMore(archive, decodeChainArchive(known))) return false;
  unit.put(key, encodeChainArchive(archive));
  return true;
}

/**
 * Keeps a chain's earliest key and queues it for the backup, unless as much is kept already. Never of an ephemeral chain
 * (P13), whoever asks: its certificate is here whenever its key is.
 */
export async function queueChain(unit: UnitOfWork, archive: ChainArchive): Promise<void> {
  const cert = await unit.get<CertRecord>(keys.cert(idKey(archive.certHash)));
  if (cert && parseChainCert(cert.bytes).ephemeral) return;
  if (!(await keepChainArchive(unit, archive))) return;
  putItem(unit, { kind: BACKUP_CHAIN, name: archive.certHash, payload: encodeChainArchive(archive) });
}

/** An own chain from its first message on. */
export function queueOwnChain(unit: UnitOfWork, chain: SenderChain): Promise<void> {
  const { channelId, owner, chainId, certHash, seed } = chain;
  const from = { startIter: 0, chainKey: seed, historyUpTo: null };
  return queueChain(unit, { channelId, owner, chainId, certHash, ...from });
}

/** The content key of a direct message, sent or received. Of a message the server then refuses, it is never used. */
export function queueDmKey(unit: UnitOfWork, key: DmKey): void {
  const archived = archiveDmKey(key);
  putItem(unit, { kind: BACKUP_DM_KEYS, name: archived.binding, payload: encodeDmKeys([archived]) });
}

/**
 * Keeps a note about another account (at most 512 bytes, in its writer's format) and queues it for the backup, from where
 * every device of this account gets it. The newest written counts.
 */
export function putPeerNote(unit: UnitOfWork, aid: Uint8Array, record: Uint8Array): void {
  unit.put(keys.peerNote(idKey(aid)), { record, position: null } satisfies PeerNote);
  putItem(unit, { kind: BACKUP_PEER, name: aid, payload: encodePeerState({ aid, record }) });
}

/** The note is in the backup, at this place or just before it. */
export async function placePeerNote(unit: UnitOfWork, aid: Uint8Array, position: number): Promise<void> {
  const note = await unit.get<PeerNote>(keys.peerNote(idKey(aid)));
  if (note) unit.put(keys.peerNote(idKey(aid)), { ...note, position } satisfies PeerNote);
}

/** The newest note about this account, from whichever own device; undefined when there is none. */
export async function peerNote(unit: UnitOfWork, aid: Uint8Array): Promise<Uint8Array | undefined> {
  return (await unit.get<PeerNote>(keys.peerNote(idKey(aid))))?.record;
}

/** Everything that waits, by record key. */
export const queued = (unit: UnitOfWork): Promise<Map<string, QueuedItem>> =>
  unit.list<QueuedItem>(keys.backupQueue);

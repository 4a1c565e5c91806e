// Entries of the backup on their way in: keys go to the archive, notes about people wait for the proof, and what another
// device backed up leaves this one's queue.
import {
  BACKUP_CHAIN,
  BACKUP_DM_KEYS,
  BACKUP_PEER,
  bytesToUuid,
  decodeChainArchive,
  decodeDmKeys,
  decodePeerState,
  idKey,
  type BackupItem,
  type DmKeyArchive,
} from '#crypto/index.ts';
import type { ChannelId } from '#shared/ids.ts';
import { keepChainArchive, queued, saysAsMuch, type QueuedItem } from './backup-queue.ts';
import type { Own } from './engine-core.ts';
import { keepDmKeys } from './key-archive.ts';
import type { PeerNote } from './backup-records.ts';
import { keys } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';
import { takeVouch } from './vouching.ts';

interface Taken {
  readonly unlocked: readonly ChannelId[];
  /** By AID, hex. */
  readonly notes: Readonly<Record<string, PeerNote>>;
}

/** Takes opened entries, whose places (`placeOf`) begin at `from`. Kinds this client does not know are passed over. */
export async function takeItems(
  unit: UnitOfWork,
  items: readonly BackupItem[],
  { from, waiting }: { from: number; waiting: ReadonlyMap<string, ChannelId> },
): Promise<Taken> {
  const queue = await queued(unit);
  const unlocked = new Set<ChannelId>();
  const dmKeys: DmKeyArchive[] = [];
  const notes: Record<string, PeerNote> = {};
  for (const [at, { kind, payload }] of items.entries()) {
    if (kind === BACKUP_CHAIN) unlocked.add(await takeChain(unit, payload, queue));
    else if (kind === BACKUP_DM_KEYS) dmKeys.push(...decodeDmKeys(payload));
    else if (kind === BACKUP_PEER) {
      const { aid, record } = decodePeerState(payload);
      notes[idKey(aid)] = { record, position: from + at };
    }
  }
  // A hundred thousand keys come in a restore, when nothing waits and nothing is queued.
  const isLookedFor = waiting.size > 0 || queue.size > 0;
  for (const key of isLookedFor ? dmKeys : []) {
    const channelId = waiting.get(idKey(key.eventId));
    if (channelId) unlocked.add(channelId);
    const name = keys.backupItem(BACKUP_DM_KEYS, key.binding);
    if (queue.has(name)) unit.remove(name);
  }
  await keepDmKeys(unit, dmKeys);
  return { unlocked: [...unlocked], notes };
}

async function takeChain(
  unit: UnitOfWork,
  payload: Uint8Array,
  queue: ReadonlyMap<string, QueuedItem>,
): Promise<ChannelId> {
  const archive = decodeChainArchive(payload);
  await keepChainArchive(unit, archive);
  const name = keys.backupItem(BACKUP_CHAIN, archive.certHash);
  const waits = queue.get(name);
  if (waits && saysAsMuch(archive, decodeChainArchive(waits.payload))) unit.remove(name);
  return bytesToUuid(archive.channelId) as ChannelId;
}

/** Notes of a list that was proved: the newest written counts. */
export async function keepNotes(
  unit: UnitOfWork,
  own: Own,
  notes: Readonly<Record<string, PeerNote>>,
): Promise<void> {
  for (const [aid, note] of Object.entries(notes)) {
    const known = await unit.get<PeerNote>(keys.peerNote(aid));
    // One that waits here was written on this device after it last looked: it will be the newest.
    if (known && (known.position === null || known.position >= (note.position ?? 0))) continue;
    unit.put(keys.peerNote(aid), note);
    await takeVouch(unit, own.self.accountId, note.record);
  }
}

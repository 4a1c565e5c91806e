// From the queue to sealed entries: one per chain and per note, content keys of direct messages 256 together.
import {
  BACKUP_DM_KEYS,
  backupId,
  decodeDmKeys,
  encodeDmKeys,
  MAX_DM_KEYS_PER_ENTRY,
  sealBackupEntry,
  type BackupKey,
  type DmKey,
  type ReceiverChain,
  type Rng,
} from '#crypto/index.ts';
import { queueChain, queueDmKey, queueOwnChain, type QueuedItem } from './backup-queue.ts';
import { keys, type OwnChainRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

type Named = readonly [key: string, item: QueuedItem];

/** What goes into one entry. */
interface Batch {
  readonly kind: number;
  readonly id: Uint8Array;
  readonly payload: Uint8Array;
  readonly items: readonly Named[];
}

const DM_ID_BYTES = 16;

function batches(queue: ReadonlyMap<string, QueuedItem>, made: { key: BackupKey; rng: Rng }): Batch[] {
  const single: Batch[] = [];
  const dms: Named[] = [];
  for (const named of queue) {
    const [, { kind, name, payload }] = named;
    if (kind === BACKUP_DM_KEYS) dms.push(named);
    else single.push({ kind, id: backupId(made.key, kind, name), payload, items: [named] });
  }
  const grouped: Batch[] = [];
  for (let at = 0; at < dms.length; at += MAX_DM_KEYS_PER_ENTRY) {
    const items = dms.slice(at, at + MAX_DM_KEYS_PER_ENTRY);
    const payload = encodeDmKeys(items.flatMap(([, item]) => decodeDmKeys(item.payload)));
    grouped.push({ kind: BACKUP_DM_KEYS, id: made.rng.bytes(DM_ID_BYTES), payload, items });
  }
  // Chains first: one opens up to a thousand messages.
  return [...single, ...grouped].sort((a, b) => a.kind - b.kind);
}

/** As many entries as one append may hold, and the queued items in them. */
export function sealQueue(
  queue: ReadonlyMap<string, QueuedItem>,
  context: { key: BackupKey; rng: Rng; bounds: { entries: number; bytes: number } },
): { entries: Uint8Array[]; items: Named[] } {
  const { key, rng, bounds } = context;
  const entries: Uint8Array[] = [];
  const items: Named[] = [];
  let size = 0;
  for (const batch of batches(queue, context)) {
    const entry = sealBackupEntry(key, batch, rng);
    size += entry.length;
    if (entries.length >= bounds.entries || size > bounds.bytes) break;
    entries.push(entry);
    items.push(...batch.items);
  }
  return { entries, items };
}

/** Keys that were here before there was a backup: queued once, as far back as this device still has them. */
export async function queueEarlierKeys(unit: UnitOfWork): Promise<void> {
  for (const prefix of [keys.ownChainsAll, keys.oldChainsAll]) {
    for (const record of (await unit.list<OwnChainRecord>(prefix)).values())
      if (!record.chain.ephemeral) await queueOwnChain(unit, record.chain);
  }
  for (const chain of (await unit.list<ReceiverChain>(keys.chainsAll)).values()) {
    if (chain.iter >= chain.maxIter || chain.ephemeral) continue;
    const { channelId, owner, chainId, certHash, chainKey, historyUpTo } = chain;
    await queueChain(unit, {
      channelId,
      owner,
      chainId,
      certHash,
      startIter: chain.iter,
      chainKey,
      historyUpTo,
    });
  }
  for (const key of (await unit.list<DmKey>(keys.dmKeysAll)).values()) queueDmKey(unit, key);
}

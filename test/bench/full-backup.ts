// Keys of many messages in somebody's queue for the backup: half of direct messages, evenly over a year, half in chains.
import { queueChain, queueDmKey } from '#client/crypto/backup-queue.ts';
import { UnitOfWork } from '#client/crypto/unit-of-work.ts';
import { systemRng as rng, timeOrderedId } from '#crypto/index.ts';
import type { MemoryStore } from '#crypto/memory-store.ts';
import type { AccountId } from '#shared/ids.ts';

const PER_CHAIN = 100;
const YEAR_MS = 365 * 86_400_000;

/** Queues keys of so many messages that ended at `now`, ms. Answers how many chains they fill. */
export async function queueKeys(
  of: { accountId: AccountId; store: MemoryStore },
  { messages, now }: { messages: number; now: number },
): Promise<{ direct: number; chains: number }> {
  const direct = messages / 2;
  const chains = direct / PER_CHAIN;
  const owner = { aid: rng.bytes(32), deviceId: rng.bytes(16) };
  const unit = new UnitOfWork(of.store, `${of.accountId}/`);
  for (let n = 0; n < direct; n++) {
    const eventId = timeOrderedId(now + Math.round((n * YEAR_MS) / direct), rng);
    const key = { eventId, contentKey: rng.bytes(32), bodyHash: rng.bytes(32), commit: rng.bytes(32) };
    queueDmKey(unit, { sender: owner, ...key });
  }
  for (let n = 0; n < chains; n++) {
    const chain = { channelId: rng.bytes(16), owner, chainId: rng.bytes(8), certHash: rng.bytes(32) };
    await queueChain(unit, { ...chain, startIter: 0, chainKey: rng.bytes(32), historyUpTo: null });
  }
  await unit.commit();
  return { direct, chains };
}

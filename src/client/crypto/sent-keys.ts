// Keys of direct messages this device sent in the last 14 days, and to which devices: what it can send again when one of
// them asks (protocol 3.6). Kept by day, so that old ones go without being looked at one by one.
import { encodePairwise, MAX_DM_KEYS_PER_PACKET, RESEND_WINDOW_MS, type DmKey } from '#crypto/index.ts';
import type { AccountId, EventId } from '#shared/ids.ts';
import { MAX_SENT_AGAIN } from './engine-limits.ts';
import type { Own } from './engine-core.ts';
import type { Target } from './pairwise-link.ts';
import { keys } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

interface SentKeyRecord {
  readonly at: number;
  readonly key: Omit<DmKey, 'sender'>;
  /** deviceAddress of every device it was sent to: nobody else gets it again. */
  readonly devices: readonly string[];
}

const DAY_MS = 86_400_000;
const dayOf = (at: number): number => Math.floor(at / DAY_MS);

/**
 * Remembers the key of a message, in the unit that encrypts it; answers under which record key. `other`: the other person
 * of the conversation.
 */
export async function noteSentKey(
  unit: UnitOfWork,
  sent: { eventId: EventId; other: AccountId; at: number; key: DmKey; targets: readonly Target[] },
): Promise<string> {
  const { eventId, other, at, key, targets } = sent;
  const day = dayOf(at);
  const { contentKey, bodyHash, commit } = key;
  const devices = targets.map((target) => target.address);
  const record: SentKeyRecord = { at, key: { eventId: key.eventId, contentKey, bodyHash, commit }, devices };
  const recordKey = keys.sentKey(day, other, eventId);
  unit.put(recordKey, record);
  if ((await unit.get<number>(keys.sentKeysFrom)) === undefined) unit.put(keys.sentKeysFrom, day);
  return recordKey;
}

/** Forgets what is older than 14 days. */
export async function pruneSentKeys(unit: UnitOfWork, now: number): Promise<void> {
  const from = await unit.get<number>(keys.sentKeysFrom);
  const first = dayOf(now - RESEND_WINDOW_MS);
  if (from === undefined || from >= first) return;
  for (let day = from; day < first; day++) {
    for (const key of (await unit.list(keys.sentKeysOn(day))).keys()) unit.remove(key);
  }
  unit.put(keys.sentKeysFrom, first);
}

/**
 * The payloads that answer a device: keys it was sent in the last 14 days, newest first, at least one payload (it says
 * "this session is the answer" where there are none).
 */
export async function sentAgain(
  unit: UnitOfWork,
  own: Own,
  { target, now }: { target: Target; now: number },
): Promise<Uint8Array[]> {
  const records: SentKeyRecord[] = [];
  for (let day = dayOf(now - RESEND_WINDOW_MS); day <= dayOf(now); day++) {
    // The own devices were sent every key, whoever the other person was.
    const isOwn = target.accountId === own.self.accountId;
    const prefix = isOwn ? keys.sentKeysOn(day) : keys.sentKeysTo(day, target.accountId);
    records.push(...(await unit.list<SentKeyRecord>(prefix)).values());
  }
  const due = records
    .filter(({ at, devices }) => now - at < RESEND_WINDOW_MS && devices.includes(target.address))
    .sort((a, b) => b.at - a.at)
    .slice(0, MAX_SENT_AGAIN);
  const payloads: Uint8Array[] = [];
  for (let from = 0; from === 0 || from < due.length; from += MAX_DM_KEYS_PER_PACKET) {
    const some = due.slice(from, from + MAX_DM_KEYS_PER_PACKET).map(({ key }) => key);
    payloads.push(encodePairwise({ kind: 'dm-keys', keys: some }));
  }
  return payloads;
}

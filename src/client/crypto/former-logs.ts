// Logs an account had before it started over. They read what was written under them and nothing else: no packet is taken
// from their devices and none is sent there. A server could make one up; it opens nothing, for keys of its devices come from
// what this device or its own backup took while the log was the account's.
import {
  CryptoError,
  equalBytes,
  findDevice,
  fromBase64Url,
  openAccountLog,
  uuidToBytes,
  type AccountLogState,
} from '#crypto/index.ts';
import type { AccountId } from '#shared/ids.ts';
import { codeOf } from './engine-core.ts';
import { MAX_FORMER_ENTRIES, MAX_FORMER_LOGS } from './engine-limits.ts';
import { keys, type PeerRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** The field of a record whose log is `log` now: what was known before it, then what the server shows. */
export function formerOf(
  known: PeerRecord | undefined,
  log: AccountLogState,
  shown: readonly AccountLogState[],
): Pick<PeerRecord, 'former'> {
  const former: AccountLogState[] = [];
  const before = known ? [known.log, ...(known.former ?? [])] : [];
  for (const state of [...before, ...shown])
    if (![log, ...former].some((other) => equalBytes(other.aid, state.aid))) former.push(state);
  return former.length === 0 ? {} : { former: former.slice(0, MAX_FORMER_LOGS) };
}

/** What the server shows of former logs, as far as it verifies. */
export function openFormer(
  accountId: AccountId,
  shown: readonly (readonly string[])[],
): readonly AccountLogState[] {
  const opened: AccountLogState[] = [];
  let left = MAX_FORMER_ENTRIES;
  for (const entries of shown.slice(0, MAX_FORMER_LOGS)) {
    left -= entries.length;
    if (left < 0) break;
    try {
      const log = openAccountLog(entries.map(fromBase64Url));
      if (!equalBytes(log.accountId, uuidToBytes(accountId)))
        throw new CryptoError('mismatch', 'log of another account');
      opened.push(log);
    } catch (error) {
      codeOf(error); // of no use, and nothing depends on it
    }
  }
  return opened;
}

/** The log that holds this device: the account's, or one it had before. Null when none does. */
export function logOfDevice(peer: PeerRecord, deviceId: Uint8Array): AccountLogState | null {
  return [peer.log, ...(peer.former ?? [])].find((log) => findDevice(log, deviceId) !== null) ?? null;
}

/** The identities of these accounts, those they gave up included. */
export async function identitiesOf(
  unit: UnitOfWork,
  accountIds: readonly AccountId[],
): Promise<readonly Uint8Array[]> {
  const aids: Uint8Array[] = [];
  for (const accountId of new Set(accountIds)) {
    const peer = await unit.get<PeerRecord>(keys.peer(accountId));
    if (peer) aids.push(...[peer.log, ...(peer.former ?? [])].map((log) => log.aid));
  }
  return aids;
}

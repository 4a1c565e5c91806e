// Whose devices are whose: verifying account logs against what is known, alarms, and what a person may see of it.
import {
  CryptoError,
  equalBytes,
  extendAccountLog,
  fromBase64Url,
  identityResetPolicy,
  openAccountLog,
  uuidToBytes,
  type AccountLogState,
} from '#crypto/index.ts';
import type { AccountLog } from '#shared/devices.ts';
import type { AccountId } from '#shared/ids.ts';
import { codeOf, deviceIdOf, type EngineCore, type Own } from './engine-core.ts';
import type { CryptoApi, IdentityAlarm, IdentityView, MissingKeys } from './protocol.ts';
import { keys, type PeerRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

type IdentityCalls = Pick<CryptoApi, 'ingestLogs' | 'logsNeeded' | 'identities' | 'acceptIdentity'>;

const alarmOf = { fork: 'fork', truncated: 'truncated', identity_reset: 'reset' } as const;

/** Verification of people is a later stage, so a reset is always held for one tap, never silently taken. */
const isBlocked = (kind: IdentityAlarm['kind']): boolean =>
  kind !== 'reset' || identityResetPolicy(false) === 'block';

function extend(
  accountId: AccountId,
  prior: AccountLogState | null,
  entries: readonly Uint8Array[],
): AccountLogState {
  const log = extendAccountLog(prior, entries);
  if (!equalBytes(log.accountId, uuidToBytes(accountId)))
    throw new CryptoError('mismatch', 'log of another account');
  return log;
}

/** The other identity the server shows, as far as it verifies from its genesis on; null when it shows none. */
function offeredLog(
  accountId: AccountId,
  known: PeerRecord,
  entries: readonly Uint8Array[],
): readonly Uint8Array[] | null {
  for (const before of [known.offered, null]) {
    try {
      const log = extend(accountId, before && openAccountLog(before), entries);
      if (equalBytes(log.aid, known.log.aid)) continue;
      const added = log.headSeq + 1 - (before?.length ?? 0);
      return [...(before ?? []), ...entries.slice(entries.length - added)];
    } catch (error) {
      codeOf(error);
    }
  }
  return null;
}

export class Identities implements IdentityCalls {
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  ingestLogs({ logs }: { logs: readonly AccountLog[] }): Promise<readonly IdentityAlarm[]> {
    return this.#core.run(async (unit) => {
      const alarms: IdentityAlarm[] = [];
      for (const { accountId, entries } of logs) {
        const alarm = await this.#ingest(unit, accountId, entries.map(fromBase64Url));
        if (alarm) alarms.push(alarm);
      }
      return alarms;
    });
  }

  /** A log that contradicts what is known changes nothing but the alarm: the known keys stay, sending stops. */
  async #ingest(
    unit: UnitOfWork,
    accountId: AccountId,
    entries: readonly Uint8Array[],
  ): Promise<IdentityAlarm | null> {
    const known = await unit.get<PeerRecord>(keys.peer(accountId));
    if (!known && entries.length === 0) return null;
    try {
      // The known head itself is always asked for again, so a server without it shows less than it did before.
      if (entries.length === 0) throw new CryptoError('truncated', 'log ends before the known head');
      const log = extend(accountId, known?.log ?? null, entries);
      if (known?.behind && log.headSeq === known.log.headSeq)
        throw new CryptoError('truncated', 'log ends before the head its own device named');
      // Two logs that both exist cannot be taken back; anything else the server showed meanwhile, it took back.
      const alarm = known?.alarm === 'fork' ? 'fork' : null;
      unit.put(keys.peer(accountId), { log, alarm, offered: null, behind: false } satisfies PeerRecord);
      unit.put(keys.aid(log.aid), accountId);
      return null;
    } catch (error) {
      return this.#alarm(unit, known, { accountId, entries, code: codeOf(error) });
    }
  }

  #alarm(
    unit: UnitOfWork,
    known: PeerRecord | undefined,
    shown: { accountId: AccountId; entries: readonly Uint8Array[]; code: string },
  ): IdentityAlarm {
    const { accountId, entries, code } = shown;
    const found = Object.hasOwn(alarmOf, code) ? alarmOf[code as keyof typeof alarmOf] : 'invalid';
    const offered = known ? offeredLog(accountId, known, entries) : null;
    const isForked = known?.alarm === 'fork' || found === 'reset';
    const kind = offered ? 'reset' : isForked ? 'fork' : found;
    if (known) {
      unit.put(keys.peer(accountId), { ...known, alarm: kind, offered } satisfies PeerRecord);
    }
    return { accountId, kind, blocked: isBlocked(kind) };
  }

  logsNeeded({
    accounts,
  }: {
    accounts: readonly { accountId: AccountId; headSeq?: number }[];
  }): Promise<MissingKeys['logs']> {
    return this.#core.run(async (unit) => {
      await unit.prefetch(accounts.map((a) => keys.peer(a.accountId)));
      const needed: { accountId: AccountId; fromSeq: number }[] = [];
      for (const { accountId, headSeq } of accounts) {
        const peer = await unit.get<PeerRecord>(keys.peer(accountId));
        if (!peer) needed.push({ accountId, fromSeq: 0 });
        else if (headSeq !== undefined && headSeq !== peer.log.headSeq) {
          needed.push({ accountId, fromSeq: Math.min(headSeq, peer.log.headSeq) });
        }
      }
      return needed;
    });
  }

  identities({ accountIds }: { accountIds: readonly AccountId[] }): Promise<readonly IdentityView[]> {
    return this.#core.run(async (unit, own) => {
      await unit.prefetch(accountIds.map(keys.peer));
      const views: IdentityView[] = [];
      for (const accountId of accountIds) {
        views.push(viewOf(accountId, await unit.get<PeerRecord>(keys.peer(accountId)), own));
      }
      return views;
    });
  }

  acceptIdentity({ accountId }: { accountId: AccountId }): Promise<void> {
    return this.#core.run(async (unit, own) => {
      const peer = await unit.get<PeerRecord>(keys.peer(accountId));
      // The own identity is what the vault holds; nobody may talk this device into another one.
      if (!peer?.offered || accountId === own.self.accountId)
        throw new CryptoError('not_allowed', 'no identity waits to be accepted');
      const log = openAccountLog(peer.offered);
      unit.put(keys.peer(accountId), { log, alarm: null, offered: null, behind: false } satisfies PeerRecord);
      unit.put(keys.aid(log.aid), accountId);
    });
  }
}

function viewOf(accountId: AccountId, peer: PeerRecord | undefined, own: Own): IdentityView {
  if (!peer) return { accountId, state: 'unknown', alarm: null, devices: [] };
  const { alarm, log } = peer;
  const devices = Object.values(log.devices).map(({ cert, revokedAtSeq }) => ({
    deviceId: deviceIdOf(cert.deviceId),
    addedAt: cert.createdAt,
    isRevoked: revokedAtSeq !== null,
    isOwn: deviceIdOf(cert.deviceId) === own.self.deviceId,
  }));
  const state = alarm === null ? 'unverified' : isBlocked(alarm) ? 'blocked' : 'held';
  return { accountId, state, alarm, devices };
}

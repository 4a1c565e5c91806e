// Whose devices are whose: verifying account logs against what is known, alarms, and what a person may see of it.
import {
  CryptoError,
  equalBytes,
  extendAccountLog,
  findDevice,
  fromBase64Url,
  identityResetPolicy,
  openAccountLog,
  toBase64Url,
  uuidToBytes,
  type AccountLogState,
  type Ahead,
} from '#crypto/index.ts';
import type { AccountId } from '#shared/ids.ts';
import { codeOf, deviceIdOf, type EngineCore, type Own } from './engine-core.ts';
import { formerOf, openFormer } from './former-logs.ts';
import type { IngestReport } from './people-calls.ts';
import type { CryptoApi, DeviceView, IdentityAlarm, IdentityView, MissingKeys } from './protocol.ts';
import { keys, type PeerRecord, type VerifiedRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';
import { identityInQuestion, restoreTo, vouchedFor } from './vouching.ts';

type IdentityCalls = Pick<CryptoApi, 'ingestLogs' | 'logsNeeded' | 'identities'>;

const alarmOf = { fork: 'fork', truncated: 'truncated', identity_reset: 'reset' } as const;

/** A reset waits for one tap, or stops everything when somebody had vouched for the person; the rest always stops. */
const isBlocked = (kind: IdentityAlarm['kind'], vouched: VerifiedRecord | undefined): boolean =>
  kind !== 'reset' || identityResetPolicy(vouched !== undefined) === 'block';

const contradicts = (vouched: VerifiedRecord | undefined, log: AccountLogState): boolean =>
  vouched !== undefined && !equalBytes(vouched.aid, log.aid);

/** A run of entries as the server shows it. */
interface ShownLog {
  readonly accountId: AccountId;
  readonly entries: readonly Uint8Array[];
  readonly former: readonly (readonly string[])[];
}

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

/** Whether a device counted, as far as was known, that counts no more. */
const removesDevice = (known: AccountLogState | undefined, log: AccountLogState): boolean =>
  Object.values(log.devices).some(({ cert, revokedAtSeq }) => {
    const before = known && findDevice(known, cert.deviceId);
    return revokedAtSeq !== null && (before?.revokedAtSeq ?? null) === null;
  });

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

  ingestLogs({ logs, isMailTaken = false }: Parameters<CryptoApi['ingestLogs']>[0]): Promise<IngestReport> {
    return this.#core.run(async (unit) => {
      const shown = logs.map(({ accountId, entries, former = [] }) => ({
        accountId,
        entries: entries.map(fromBase64Url),
        former,
      }));
      const ahead = await this.#verifyAhead(unit, shown);
      const alarms: IdentityAlarm[] = [];
      const keptBack: AccountId[] = [];
      for (const log of shown) {
        const outcome = await this.#ingest(unit, { ...log, ahead, isMailTaken });
        if (outcome === 'kept back') keptBack.push(log.accountId);
        else if (outcome) alarms.push(outcome);
      }
      return { alarms, keptBack };
    });
  }

  /** The signatures of all these logs at once. An account shown twice is judged one after the other all the same. */
  async #verifyAhead(unit: UnitOfWork, shown: readonly ShownLog[]): Promise<Ahead> {
    await unit.prefetch(shown.map(({ accountId }) => keys.peer(accountId)));
    const known = await Promise.all(shown.map((log) => unit.get<PeerRecord>(keys.peer(log.accountId))));
    const ahead = this.#core.ahead();
    await ahead.prepare(
      shown.map(
        ({ accountId, entries }, at) =>
          () =>
            extend(accountId, known[at]?.log ?? null, entries),
      ),
    );
    return ahead;
  }

  /** A log that contradicts what is known changes nothing but the alarm: the known keys stay, sending stops. */
  async #ingest(
    unit: UnitOfWork,
    { accountId, entries, former, ahead, isMailTaken }: ShownLog & { ahead: Ahead; isMailTaken: boolean },
  ): Promise<IdentityAlarm | 'kept back' | null> {
    const known = await unit.get<PeerRecord>(keys.peer(accountId));
    const vouched = await vouchedFor(unit, accountId);
    if (!known && entries.length === 0) return null;
    try {
      // The known head itself is always asked for again, so a server without it shows less than it did before.
      if (entries.length === 0) throw new CryptoError('truncated', 'log ends before the known head');
      const log = ahead.use(() => extend(accountId, known?.log ?? null, entries));
      if (known?.behind && log.headSeq === known.log.headSeq)
        throw new CryptoError('truncated', 'log ends before the head its own device named');
      if (!isMailTaken && removesDevice(known?.log, log)) return 'kept back';
      // Two logs that both exist cannot be taken back; anything else the server showed meanwhile, it took back.
      const isForked = known?.alarm === 'fork';
      const alarm = contradicts(vouched, log) ? 'reset' : isForked ? 'fork' : null;
      const record: PeerRecord = { log, alarm, offered: null, behind: false };
      const before = known?.former ? [] : openFormer(accountId, former);
      unit.put(keys.peer(accountId), { ...record, ...formerOf(known, log, before) });
      unit.put(keys.aid(log.aid), accountId);
      return alarm === 'reset' ? { accountId, kind: alarm, blocked: isBlocked(alarm, vouched) } : null;
    } catch (error) {
      return this.#alarm(unit, { known, vouched }, { accountId, entries, code: codeOf(error) });
    }
  }

  #alarm(
    unit: UnitOfWork,
    { known, vouched }: { known: PeerRecord | undefined; vouched: VerifiedRecord | undefined },
    shown: { accountId: AccountId; entries: readonly Uint8Array[]; code: string },
  ): IdentityAlarm | null {
    const { accountId, entries, code } = shown;
    const found = Object.hasOwn(alarmOf, code) ? alarmOf[code as keyof typeof alarmOf] : 'invalid';
    const offered = known ? offeredLog(accountId, known, entries) : null;
    const offeredState = offered && openAccountLog(offered);
    if (vouched && offeredState && !contradicts(vouched, offeredState)) {
      // What is known is what contradicted: here is the identity that was vouched for, after all.
      restoreTo(unit, accountId, offeredState);
      return null;
    }
    const isForked = known?.alarm === 'fork' || found === 'reset';
    const kind = offered ? 'reset' : isForked ? 'fork' : found;
    if (known) {
      unit.put(keys.peer(accountId), { ...known, alarm: kind, offered } satisfies PeerRecord);
    }
    return { accountId, kind, blocked: isBlocked(kind, vouched) };
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
      await unit.prefetch(accountIds.flatMap((id) => [keys.peer(id), keys.verified(id)]));
      const views: IdentityView[] = [];
      for (const accountId of accountIds) {
        const peer = await unit.get<PeerRecord>(keys.peer(accountId));
        const vouched = await vouchedFor(unit, accountId);
        views.push({ accountId, ...standingOf(peer, vouched, own), devices: devicesOf(peer, own) });
      }
      return views;
    });
  }
}

function standingOf(
  peer: PeerRecord | undefined,
  vouched: VerifiedRecord | undefined,
  own: Own,
): Pick<IdentityView, 'state' | 'alarm' | 'verified' | 'offered'> {
  const verified = vouched ? { how: vouched.how, at: vouched.at } : null;
  if (!peer) return { state: 'unknown', alarm: null, verified, offered: null };
  const { alarm } = peer;
  if (alarm !== null) {
    const question = alarm === 'reset' ? identityInQuestion(peer) : null;
    const state = isBlocked(alarm, vouched) ? 'blocked' : 'held';
    return { state, alarm, verified, offered: question && toBase64Url(question.aid) };
  }
  // An invite link names its maker to whoever reads it; digits and codes are of two people.
  const isOfNow = vouched && (vouched.how === 'invite' || equalBytes(vouched.ownAid, own.log.aid));
  const state = !vouched ? 'unverified' : isOfNow ? 'verified' : 'you_reset';
  return { state, alarm, verified, offered: null };
}

function devicesOf(peer: PeerRecord | undefined, own: Own): DeviceView[] {
  const devices = Object.values(peer?.log.devices ?? {}).sort((a, b) => a.addedAtSeq - b.addedAtSeq);
  return devices.map(({ cert, addedAtSeq, addedBy, revokedAtSeq }) => ({
    deviceId: deviceIdOf(cert.deviceId),
    addedAt: cert.createdAt,
    isFirst: addedAtSeq === 1,
    addedBy: addedBy.kind === 'device' ? deviceIdOf(addedBy.deviceId) : null,
    isRevoked: revokedAtSeq !== null,
    isOwn: deviceIdOf(cert.deviceId) === own.self.deviceId,
  }));
}

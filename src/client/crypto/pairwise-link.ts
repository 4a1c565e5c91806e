// Pairwise sessions with devices: which are missing, opening them from claimed prekeys, encrypting to them.
import {
  deviceAddress,
  encryptPairwise,
  findDevice,
  fromBase64Url,
  handshakeNeed,
  liveDevices,
  requireLiveDevice,
  sessionSetKey,
  startSession,
  tapeRng,
  toBase64Url,
  uuidToBytes,
  verifyClaimedPrekeys,
  type AccountLogState,
  type Ahead,
  type PrekeyBundle,
  type SessionSet,
  type TapedRng,
} from '#crypto/index.ts';
import type { ClaimResult } from '#shared/devices.ts';
import type { AccountId, DeviceRef } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import { codeOf, deviceIdOf, trustedPeer, type EngineCore, type Own } from './engine-core.ts';
import type { MissingKeys } from './protocol.ts';
import { keys } from './records.ts';
import { withOpened, type RepairRecord } from './repair-record.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** One certified live device of a trusted account. */
export interface Target {
  readonly accountId: AccountId;
  readonly log: AccountLogState;
  readonly deviceId: Uint8Array;
  /** deviceAddress */
  readonly address: string;
}

export const refOf = (target: Target): DeviceRef => ({
  accountId: target.accountId,
  deviceId: deviceIdOf(target.deviceId),
});

/**
 * Every certified, unrevoked device of these accounts but this one: the only devices anything is encrypted to (A01).
 * Accounts whose identity is unknown, held or blocked have none.
 */
export async function targetsOf(
  unit: UnitOfWork,
  own: Own,
  accountIds: readonly AccountId[],
): Promise<Target[]> {
  await unit.prefetch(accountIds.map(keys.peer));
  const targets: Target[] = [];
  for (const accountId of accountIds) {
    const peer = await trustedPeer(unit, accountId);
    if (!peer) continue;
    for (const { cert } of liveDevices(peer.log)) {
      const address = deviceAddress(peer.log.aid, cert.deviceId);
      if (address === deviceAddress(own.device.aid, own.device.deviceId)) continue;
      targets.push({ accountId, log: peer.log, deviceId: cert.deviceId, address });
    }
  }
  return targets;
}

/** A device as a target; null unless its account's log certifies it now. */
export function targetOf(log: AccountLogState, accountId: AccountId, deviceId: Uint8Array): Target | null {
  if (!isLive(log, deviceId)) return null;
  return { accountId, log, deviceId, address: deviceAddress(log.aid, deviceId) };
}

const setKey = (target: Target): string => sessionSetKey(target.log.aid, target.deviceId);

/** Those of the targets there is no session with. */
export async function withoutSession(
  unit: UnitOfWork,
  targets: readonly Target[],
  now: number,
): Promise<Target[]> {
  await unit.prefetch(targets.map(setKey));
  const missing: Target[] = [];
  for (const target of targets) {
    const set = await unit.get<SessionSet>(setKey(target));
    if (handshakeNeed(set ?? null, now) === 'required') missing.push(target);
  }
  return missing;
}

/** Encrypts a payload to a device; the session record goes into the unit. Throws `unknown_session`. */
export async function packetFor(
  unit: UnitOfWork,
  own: Own,
  send: { target: Target; payload: Uint8Array; clock: { now: number; rng: EngineCore['rng'] } },
): Promise<OutgoingPacket> {
  const { target, payload, clock } = send;
  const key = setKey(target);
  const set = await unit.get<SessionSet>(key);
  const base = set ?? {
    v: 1 as const,
    aid: target.log.aid,
    deviceId: target.deviceId,
    received: 0,
    sessions: [],
  };
  const { record, packet } = encryptPairwise(base, { payload, ownLog: own.log, peerLog: target.log }, clock);
  unit.put(key, record);
  return { ...refOf(target), bytes: toBase64Url(packet) };
}

type Claimed = Extract<ClaimResult, { status: 'claimed' }>;

/** A claim for a device of an account that is trusted. */
interface Offer {
  readonly claim: Claimed;
  readonly log: AccountLogState;
  /** Its own, so that a refused claim takes no other's randomness. */
  readonly tape: TapedRng;
}

/** Throws what verifyClaimedPrekeys throws, and unknown_device or revoked. */
function verifyOffer({ claim, log }: Offer, check: { now: number; knownSetId: number }): PrekeyBundle {
  const { cert } = requireLiveDevice(log, uuidToBytes(claim.deviceId));
  const claimed = {
    set: fromBase64Url(claim.set),
    unit: claim.unit === null ? null : fromBase64Url(claim.unit),
  };
  const { now, knownSetId } = check;
  return verifyClaimedPrekeys(claimed, { device: cert, serverTime: now, knownSetId });
}

export class PairwiseLink {
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  /** Opens sessions; answers devices whose bundle did not verify. Devices the server would not serve are left out. */
  startSessions({
    claims,
    now,
  }: {
    claims: readonly ClaimResult[];
    now: number;
  }): Promise<readonly DeviceRef[]> {
    return this.#core.run(async (unit, own) => {
      const offers = await this.#offersOf(unit, claims);
      const ahead = await this.#prepare(own, { offers, now });
      const refused: DeviceRef[] = [];
      for (const offer of offers) {
        try {
          await this.#start(unit, own, { offer, ahead, now });
        } catch (error) {
          codeOf(error);
          refused.push({ accountId: offer.claim.accountId, deviceId: offer.claim.deviceId });
        }
      }
      return refused;
    });
  }

  async #offersOf(unit: UnitOfWork, claims: readonly ClaimResult[]): Promise<Offer[]> {
    const offers: Offer[] = [];
    for (const claim of claims) {
      if (claim.status !== 'claimed') continue;
      const peer = await trustedPeer(unit, claim.accountId);
      if (peer) offers.push({ claim, log: peer.log, tape: tapeRng(this.#core.rng) });
    }
    return offers;
  }

  /** All signatures at once, then all agreements of the sessions whose bundles hold. */
  async #prepare(own: Own, { offers, now }: { offers: readonly Offer[]; now: number }): Promise<Ahead> {
    const ahead = this.#core.ahead();
    // The set known of a device is looked at when its session is really opened.
    const verify = (offer: Offer): PrekeyBundle => verifyOffer(offer, { now, knownSetId: 0 });
    await ahead.prepare(offers.map((offer) => () => verify(offer)));
    function* starts(): Generator<() => unknown> {
      for (const offer of offers) {
        try {
          const bundle = ahead.use(() => verify(offer));
          const options = { self: own.local, peerLog: offer.log, bundle };
          yield () => startSession(null, options, { now, rng: offer.tape.record });
        } catch (error) {
          codeOf(error); // refused again, and said so, when its turn comes
        }
      }
    }
    await ahead.prepare(starts());
    return ahead;
  }

  async #start(
    unit: UnitOfWork,
    own: Own,
    { offer, ahead, now }: { offer: Offer; ahead: Ahead; now: number },
  ): Promise<void> {
    const { log, tape } = offer;
    const deviceId = uuidToBytes(offer.claim.deviceId);
    const address = deviceAddress(log.aid, deviceId);
    const knownSetId = (await unit.get<number>(keys.knownSet(address))) ?? 0;
    const key = sessionSetKey(log.aid, deviceId);
    const set = (await unit.get<SessionSet>(key)) ?? null;
    const repair = await unit.get<RepairRecord>(keys.repair(address));
    const retire = repair?.opening ? ('all' as const) : ('worn' as const);
    const opened = ahead.use(() => {
      const bundle = verifyOffer(offer, { now, knownSetId });
      const options = { self: own.local, peerLog: log, bundle, retire };
      return { setId: bundle.setId, set: startSession(set, options, { now, rng: tape.replay }) };
    });
    unit.put(key, opened.set);
    unit.put(keys.knownSet(address), opened.setId);
    if (repair?.opening) unit.put(keys.repair(address), withOpened(repair, now));
  }
}

/** Logs to fetch: unknown ones from their genesis, known ones from the known head on. */
export async function logsToFetch(
  unit: UnitOfWork,
  accountIds: readonly AccountId[],
  which: 'unknown' | 'all',
): Promise<MissingKeys['logs']> {
  await unit.prefetch(accountIds.map(keys.peer));
  const logs: { accountId: AccountId; fromSeq: number }[] = [];
  for (const accountId of accountIds) {
    const peer = await unit.get<{ log: AccountLogState }>(keys.peer(accountId));
    if (!peer) logs.push({ accountId, fromSeq: 0 });
    else if (which === 'all') logs.push({ accountId, fromSeq: peer.log.headSeq });
  }
  return logs;
}

/** Whether this account log certifies the device now. */
export const isLive = (log: AccountLogState, deviceId: Uint8Array): boolean =>
  findDevice(log, deviceId)?.revokedAtSeq === null;

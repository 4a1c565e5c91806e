// Mending sessions (protocol 3.6): asks devices whose packets could not be decrypted, answers those that ask with a new
// session and the keys that still matter. What is handed out is kept until the server has it.
import {
  bytesToUuid,
  encodePairwise,
  nextResend,
  RESEND_WINDOW_MS,
  signResend,
  toBase64Url,
  uuidToBytes,
} from '#crypto/index.ts';
import type { AccountId, ChannelId, DeviceRef } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import { trustedPeer, type EngineCore, type Own } from './engine-core.ts';
import { MAX_REQUESTS, OPEN_AGAIN_MS } from './engine-limits.ts';
import { handAgain } from './key-handout.ts';
import { packetFor, refOf, targetOf, withoutSession, type Target } from './pairwise-link.ts';
import type { DueRepairs, RepairCalls } from './repair-calls.ts';
import type { RepairRecord } from './repair-record.ts';
import { canAskOverSession, withinHour } from './repair-state.ts';
import { keys, type OwnChainRecord, type PeerRecord, type RequestRecord } from './records.ts';
import { pruneSentKeys, sentAgain } from './sent-keys.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** One device's repair under way, and what comes of it. */
interface Task {
  readonly key: string;
  readonly target: Target;
  readonly peer: PeerRecord;
  readonly now: number;
  readonly due: Due;
}

class Due {
  readonly packets: OutgoingPacket[] = [];
  readonly bundles = new Map<string, DeviceRef>();
  nextAt: number | null = null;

  later(at: number): void {
    this.nextAt = Math.min(at, this.nextAt ?? at);
  }
}

/** Nothing is done about this device; what it signed is remembered while it could be repeated. */
function rest(
  unit: UnitOfWork,
  { key, record, now }: { key: string; record: RepairRecord; now: number },
): void {
  if (now - record.seenAt >= RESEND_WINDOW_MS) unit.remove(key);
  else if (record.wanted ?? record.answerAt ?? record.isWedged)
    unit.put(key, { ...record, wanted: null, answerAt: null, isWedged: false } satisfies RepairRecord);
}

/** Channels in which somebody waits for an answer, also since before a crash. */
async function requestedIn(unit: UnitOfWork): Promise<ChannelId[]> {
  const requests = [...(await unit.list<RequestRecord>(keys.requestsAll)).values()];
  return [...new Set(requests.map(({ request }) => bytesToUuid(request.channelId) as ChannelId))];
}

export class Repairs implements RepairCalls {
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  dueRepairs({ now }: { now: number }): Promise<DueRepairs> {
    return this.#core.run(async (unit, own) => {
      const due = new Due();
      const unsent = await unit.get<readonly OutgoingPacket[]>(keys.repairing);
      if (unsent) return { packets: unsent, bundles: [], requested: await requestedIn(unit), nextAt: now };
      await pruneSentKeys(unit, now);
      for (const [key, record] of await unit.list<RepairRecord>(keys.repairs)) {
        const { accountId, deviceId } = record.device;
        const peer = await trustedPeer(unit, accountId);
        const target = peer && targetOf(peer.log, accountId, uuidToBytes(deviceId));
        // Revoked, or another identity's: nobody to ask, nobody to answer.
        if (!peer || !target || keys.repair(target.address) !== key) {
          rest(unit, { key, record, now });
          continue;
        }
        const task = { key, target, peer, now, due };
        const answered = await this.#answer(unit, own, { task, record });
        const asked = await this.#ask(unit, own, { task, record: answered });
        if (asked !== record) unit.put(key, asked);
      }
      if (due.packets.length > 0) unit.put(keys.repairing, due.packets);
      const { packets, bundles, nextAt } = due;
      return { packets, bundles: [...bundles.values()], requested: await requestedIn(unit), nextAt };
    });
  }

  repairsSent(): Promise<void> {
    return this.#core.run(async (unit) => unit.remove(keys.repairing));
  }

  wedgedDevices(): Promise<readonly DeviceRef[]> {
    return this.#core.run(async (unit) => {
      const records = [...(await unit.list<RepairRecord>(keys.repairs)).values()];
      return records.filter(({ isWedged }) => isWedged).map(({ device }) => device);
    });
  }

  repairByHand({ accountId }: { accountId: AccountId; now: number }): Promise<void> {
    return this.#core.run(async (unit) => {
      for (const [key, record] of await unit.list<RepairRecord>(keys.repairs)) {
        if (record.device.accountId !== accountId || !record.isWedged) continue;
        const wanted = { reason: 'by-hand', place: null } as const;
        const opening = 'wanted';
        unit.put(key, { ...record, wanted, asked: [], isWedged: false, opening } satisfies RepairRecord);
      }
    });
  }

  /** Asks where something is wanted; returns the record as it then is. */
  async #ask(
    unit: UnitOfWork,
    own: Own,
    { task, record }: { task: Task; record: RepairRecord },
  ): Promise<RepairRecord> {
    const { target, peer, now, due } = task;
    const { wanted } = record;
    if (!wanted || record.isWedged) return record;
    if (record.opening === 'wanted') {
      due.bundles.set(target.address, refOf(target));
      due.later(now);
      return { ...record, opening: 'claimed' };
    }
    const at = nextResend(record.asked, now);
    if (at === null) return { ...record, isWedged: true };
    if (at > now) {
      due.later(at);
      return record;
    }
    const clock = { now, rng: this.#core.rng };
    if (await canAskOverSession(unit, peer, { record, now })) {
      const payload = encodePairwise({ kind: 'resend', ...wanted });
      due.packets.push(await packetFor(unit, own, { target, payload, clock }));
    } else {
      const to = { aid: peer.log.aid, deviceId: target.deviceId };
      const bytes = signResend(own.self.secrets, { from: own.device, to, createdAt: now }, wanted);
      due.packets.push({ ...refOf(target), bytes: toBase64Url(bytes) });
    }
    // Sessions for an answer may be on their way.
    const opening = record.answerAt === null ? null : record.opening;
    return { ...record, wanted: null, opening, asked: [...withinHour(record.asked, now), now], askedAt: now };
  }

  /** Answers where the device asked: first a session it has for sure, then what it was sent before. */
  async #answer(
    unit: UnitOfWork,
    own: Own,
    { task, record }: { task: Task; record: RepairRecord },
  ): Promise<RepairRecord> {
    const { target, now, due } = task;
    const { answerAt } = record;
    if (answerAt === null) return record;
    if (answerAt > now) {
      due.later(answerAt);
      return record;
    }
    if (!record.isOpened || (await withoutSession(unit, [target], now)).length > 0) {
      due.bundles.set(target.address, refOf(target));
      // The server may refuse: so many claims an hour. Then it is tried again in a while.
      due.later(now + OPEN_AGAIN_MS);
      return { ...record, opening: 'claimed', isOpened: false, answerAt: now + OPEN_AGAIN_MS };
    }
    const clock = { now, rng: this.#core.rng };
    for (const payload of await sentAgain(unit, own, { target, now }))
      due.packets.push(await packetFor(unit, own, { target, payload, clock }));
    await this.#requestOwnChains(unit, task);
    if (target.accountId === own.self.accountId) handAgain(unit, target);
    const answers = [...withinHour(record.answers, now), now];
    // Answered at last; where this side waits for something too, it is still stuck.
    const isWedged = record.isWedged && record.wanted !== null;
    return { ...record, answerAt: null, isOpened: false, answers, isWedged };
  }

  /**
   * Every own chain the device was given is as good as asked for, from where it was given: the answer to that asks again
   * whether it may still read the channel (`answerKeyRequest`).
   */
  async #requestOwnChains(unit: UnitOfWork, { target, now }: Task): Promise<void> {
    const { accountId, address, deviceId, log } = target;
    const current = await unit.list<OwnChainRecord>(keys.ownChainsAll);
    const old = await unit.list<OwnChainRecord>(keys.oldChainsAll);
    let count = (await unit.list(keys.requestsAll)).size;
    for (const { chain, given } of [...current.values(), ...old.values()]) {
      const iter = given[address];
      if (iter === undefined || now - chain.createdAt >= RESEND_WINDOW_MS || ++count > MAX_REQUESTS) continue;
      const { chainId } = chain;
      const channelId = bytesToUuid(chain.channelId) as ChannelId;
      const peer = { aid: log.aid, deviceId };
      const key = keys.request(channelId, chainId, peer);
      const request = { kind: 'key-request', channelId: chain.channelId, chainId, iter } as const;
      // What it asked for itself may begin earlier.
      if (await unit.get<RequestRecord>(key)) continue;
      unit.put(key, { request, peer, peerAccountId: accountId } satisfies RequestRecord);
    }
  }
}

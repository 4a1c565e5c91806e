// Asking for chains that are missing, and answering those who ask (protocol 3.9): bounded, and only what this device's
// own records entitle the asker to. What may be shared is asked of, and given by, every reader's devices.
import {
  answerKeyRequest,
  deviceAddress,
  encodePairwise,
  equalBytes,
  findDevice,
  uuidToBytes,
  type RequestedChain,
} from '#crypto/index.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import { ASK_AGAIN_MS, ASK_DEVICES, ASKS_PER_HOUR, HOUR_MS } from './engine-limits.ts';
import { trustedPeer, type EngineCore, type Own } from './engine-core.ts';
import { Archives } from './held-chains.ts';
import { noteReadersOf, requirePinned } from './conversation-pin.ts';
import { isLive, packetFor, refOf, targetsOf, withoutSession, type Target } from './pairwise-link.ts';
import type { ConversationRef, CryptoApi } from './protocol.ts';
import { askForMissing } from './repair-state.ts';
import { keys, type AskedRecord, type OwnChainRecord, type RequestRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

type RequestCalls = Pick<CryptoApi, 'requestKeys' | 'answerRequests'>;

export class KeyRequests implements RequestCalls {
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  requestKeys(input: {
    channelId: ChannelId;
    conversation?: ConversationRef;
    hasTriedSessions?: boolean;
    again?: boolean;
    now: number;
  }): ReturnType<CryptoApi['requestKeys']> {
    const { channelId, conversation, hasTriedSessions = false, again = false, now } = input;
    return this.#core.run(async (unit, own) => {
      const packets: OutgoingPacket[] = [];
      const missing = new Map<string, Target>();
      let hasMore = false;
      const others = await this.#othersIn(unit, own, conversation);
      const repair = conversation?.kind === 'dm' && (await askForMissing(unit, { now, again }));
      for (const [key, asked] of await unit.list<AskedRecord>(keys.askedIn(channelId))) {
        const times = asked.times.filter((at) => now - at < HOUR_MS);
        const last = times.at(-1) ?? -Infinity;
        if (times.length >= ASKS_PER_HOUR) continue;
        const isDue = now - last >= ASK_AGAIN_MS;
        const isShared = asked.isShared === true;
        hasMore ||= isShared && others.length > ASK_DEVICES * (times.length + (isDue ? 1 : 0));
        if (!isDue) continue;
        const targets = await this.#toAsk(unit, { asked, others, round: times.length });
        const unreached = await withoutSession(unit, targets, now);
        for (const target of unreached) missing.set(target.address, target);
        const reached = targets.filter((target) => !unreached.includes(target));
        if (unreached.length > 0 && !hasTriedSessions) continue;
        // Of a shared chain it is the next devices' turn, also where nobody could be reached.
        if (reached.length === 0 && (!isShared || targets.length === 0)) continue;
        for (const target of reached)
          packets.push(await this.#ask(unit, own, { channelId, asked, target, now }));
        unit.put(key, { ...asked, times: [...times, now] } satisfies AskedRecord);
      }
      return { packets, missing: { logs: [], bundles: [...missing.values()].map(refOf) }, hasMore, repair };
    });
  }

  /** Devices of everybody who reads this channel; none for a direct conversation. */
  async #othersIn(unit: UnitOfWork, own: Own, conversation?: ConversationRef): Promise<Target[]> {
    if (!conversation || conversation.kind === 'dm') return [];
    const { channelId, kind, readers } = conversation;
    await requirePinned(unit, own, { channelId, kind, members: readers });
    await noteReadersOf(unit, conversation);
    return targetsOf(unit, own, readers);
  }

  #ask(
    unit: UnitOfWork,
    own: Own,
    to: { channelId: ChannelId; asked: AskedRecord; target: Target; now: number },
  ): Promise<OutgoingPacket> {
    const { chainId, iter } = to.asked;
    const payload = encodePairwise({
      kind: 'key-request',
      channelId: uuidToBytes(to.channelId),
      chainId,
      iter,
    });
    return packetFor(unit, own, { target: to.target, payload, clock: { now: to.now, rng: this.#core.rng } });
  }

  /**
   * Whose devices to ask: the sender's. For a chain every reader may hand on also others', for the sender may be gone: a
   * few at a time, each chain beginning elsewhere, so that the work is spread and every device gets its turn.
   */
  async #toAsk(
    unit: UnitOfWork,
    { asked, others, round }: { asked: AskedRecord; others: readonly Target[]; round: number },
  ): Promise<Target[]> {
    const owner = await this.#ownerOf(unit, asked);
    if (!asked.isShared || others.length === 0) return owner ? [owner] : [];
    const isReader = others.some(({ address }) => address === owner?.address);
    const rest = others.filter(({ address }) => address !== owner?.address);
    const first = ((asked.chainId[0] ?? 0) << 8) + (asked.chainId[1] ?? 0) + round * ASK_DEVICES;
    const turn = [...rest.keys()].map((at) => rest[(first + at) % rest.length]!).slice(0, ASK_DEVICES);
    return owner && isReader && round === 0 ? [owner, ...turn.slice(0, ASK_DEVICES - 1)] : turn;
  }

  async #ownerOf(unit: UnitOfWork, { owner }: AskedRecord): Promise<Target | null> {
    const peer = await trustedPeer(unit, owner.accountId);
    const deviceId = uuidToBytes(owner.deviceId);
    if (!peer || !isLive(peer.log, deviceId)) return null;
    const address = deviceAddress(peer.log.aid, deviceId);
    return { accountId: owner.accountId, log: peer.log, deviceId, address };
  }

  answerRequests(input: { conversation: ConversationRef; now: number }): Promise<readonly OutgoingPacket[]> {
    const { conversation, now } = input;
    return this.#core.run(async (unit, own) => {
      const packets: OutgoingPacket[] = [];
      const archives = new Archives(unit, own, conversation.channelId);
      for (const [key, record] of await unit.list<RequestRecord>(keys.requestsIn(conversation.channelId))) {
        unit.remove(key);
        const packet = await this.#answer(unit, own, { conversation, record, archives, now });
        if (packet) packets.push(packet);
      }
      return packets;
    });
  }

  async #answer(
    unit: UnitOfWork,
    own: Own,
    asking: { conversation: ConversationRef; record: RequestRecord; archives: Archives; now: number },
  ): Promise<OutgoingPacket | null> {
    const { conversation, record, archives, now } = asking;
    const { request, peer, peerAccountId } = record;
    const known = await trustedPeer(unit, peerAccountId);
    if (!known || !equalBytes(known.log.aid, peer.aid) || !findDevice(known.log, peer.deviceId)) return null;
    const address = deviceAddress(peer.aid, peer.deviceId);
    const target: Target = { accountId: peerAccountId, log: known.log, deviceId: peer.deviceId, address };
    const owned = await this.#ownedChain(unit, conversation.channelId, request.chainId);
    const live = isLive(known.log, peer.deviceId);
    if (!live || (await withoutSession(unit, [target], now)).length > 0) return null;
    const asker = {
      device: peer,
      live,
      member: conversation.readers.includes(peerAccountId),
      givenFrom: owned?.record.given[address] ?? owned?.record.owed[address],
    };
    const requested: RequestedChain = owned
      ? { kind: 'owned', chain: owned.record.chain }
      : {
          kind: 'held',
          chain: await archives.find(request.chainId, asker),
          ownAid: own.log.aid,
        };
    const answer = answerKeyRequest(request, asker, requested);
    if (answer.answer && owned) {
      const given = {
        ...owned.record.given,
        [address]: Math.min(answer.startIter, asker.givenFrom ?? Infinity),
      };
      unit.put(owned.key, { ...owned.record, given } satisfies OwnChainRecord);
    }
    return packetFor(unit, own, { target, payload: answer.packet, clock: { now, rng: this.#core.rng } });
  }

  async #ownedChain(
    unit: UnitOfWork,
    channelId: ChannelId,
    chainId: Uint8Array,
  ): Promise<{ key: string; record: OwnChainRecord } | null> {
    for (const key of [keys.ownChain(channelId), keys.oldChain(channelId, chainId)]) {
      const record = await unit.get<OwnChainRecord>(key);
      if (record && equalBytes(record.chain.chainId, chainId)) return { key, record };
    }
    return null;
  }
}

// Asking for chains that are missing, and answering those who ask (protocol 3.9): bounded, and only what this device's
// own records entitle the asker to.
import {
  answerKeyRequest,
  deviceAddress,
  encodePairwise,
  equalBytes,
  findDevice,
  idKey,
  uuidToBytes,
  type ReceiverChain,
  type RequestedChain,
} from '#crypto/index.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import { ASK_AGAIN_MS, ASKS_PER_HOUR, HOUR_MS } from './engine-limits.ts';
import { trustedPeer, type EngineCore, type Own } from './engine-core.ts';
import { isLive, packetFor, refOf, withoutSession, type Target } from './pairwise-link.ts';
import type { ConversationRef, CryptoApi, MissingKeys } from './protocol.ts';
import { keys, type AskedRecord, type OwnChainRecord, type RequestRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

type RequestCalls = Pick<CryptoApi, 'requestKeys' | 'answerRequests'>;

export class KeyRequests implements RequestCalls {
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  requestKeys({
    channelId,
    now,
  }: {
    channelId: ChannelId;
    now: number;
  }): Promise<{ packets: readonly OutgoingPacket[]; missing: MissingKeys }> {
    return this.#core.run(async (unit, own) => {
      const packets: OutgoingPacket[] = [];
      const missing: Target[] = [];
      for (const [key, asked] of await unit.list<AskedRecord>(keys.askedIn(channelId))) {
        const times = asked.times.filter((at) => now - at < HOUR_MS);
        const last = times.at(-1) ?? -Infinity;
        if (times.length >= ASKS_PER_HOUR || now - last < ASK_AGAIN_MS) continue;
        const target = await this.#ownerOf(unit, asked);
        if (!target) continue;
        if ((await withoutSession(unit, [target], now)).length > 0) {
          missing.push(target);
          continue;
        }
        const { chainId, iter } = asked;
        const payload = encodePairwise({
          kind: 'key-request',
          channelId: uuidToBytes(channelId),
          chainId,
          iter,
        });
        packets.push(await packetFor(unit, own, { target, payload, clock: { now, rng: this.#core.rng } }));
        unit.put(key, { ...asked, times: [...times, now] } satisfies AskedRecord);
      }
      return { packets, missing: { logs: [], bundles: missing.map(refOf) } };
    });
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
      for (const [key, record] of await unit.list<RequestRecord>(keys.requestsIn(conversation.channelId))) {
        unit.remove(key);
        const packet = await this.#answer(unit, own, { conversation, record, now });
        if (packet) packets.push(packet);
      }
      return packets;
    });
  }

  async #answer(
    unit: UnitOfWork,
    own: Own,
    { conversation, record, now }: { conversation: ConversationRef; record: RequestRecord; now: number },
  ): Promise<OutgoingPacket | null> {
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
          chain: await this.#heldChain(unit, conversation.channelId, request.chainId),
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

  async #heldChain(
    unit: UnitOfWork,
    channelId: ChannelId,
    chainId: Uint8Array,
  ): Promise<ReceiverChain | undefined> {
    const chains = await unit.list<ReceiverChain>(keys.chains(channelId));
    for (const [key, chain] of chains) if (key.endsWith(idKey(chainId))) return chain;
    return undefined;
  }
}

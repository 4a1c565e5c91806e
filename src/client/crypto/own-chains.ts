// This device's sender chains: which one the next message goes under, when a new one is due, and handing it to the
// devices that may read (protocol 3.9).
import {
  concat,
  createSenderChain,
  findDevice,
  H,
  idKey,
  liveDevices,
  needsNewChain,
  senderChainPacket,
  uuidToBytes,
  wasReaderAtStart,
  type AccountLogState,
} from '#crypto/index.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import { queueOwnChain } from './backup-queue.ts';
import { MAX_OLD_EPHEMERAL_CHAINS, MAX_OLD_OWN_CHAINS, PACKETS_PER_SEND } from './engine-limits.ts';
import { trustedPeer, type EngineCore, type Own } from './engine-core.ts';
import { fadeOwnChain } from './fading.ts';
import { packetFor, targetsOf, withoutSession, type Target } from './pairwise-link.ts';
import type { ConversationRef } from './protocol.ts';
import { keys, type CertRecord, type OwnChainRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

const deviceListHash = (log: AccountLogState): Uint8Array =>
  H(concat(...liveDevices(log).map((device) => device.cert.deviceId)));

/**
 * Whether the next message needs a new chain. Beside the rules of §3.9: a device that has this one and is no target
 * any more (revoked in its log, its account gone, held or replaced) must not read on, whatever epoch the server names.
 */
export function isWorn(
  own: Own,
  use: { record: OwnChainRecord; targets: readonly Target[]; conversation: ConversationRef; now: number },
): boolean {
  const { record, targets, conversation, now } = use;
  const { epoch, sharesHistory: shareable, isEphemeral: ephemeral } = conversation;
  const ownDeviceListHash = deviceListHash(own.log);
  const facts = { now, epoch, ownDeviceListHash, shareable, ephemeral };
  if (needsNewChain(record.chain, facts) !== null) return true;
  const present = new Set(targets.map((target) => target.address));
  return Object.keys(record.given).some((address) => !present.has(address));
}

/** Targets with a session. Those without stay out; the server says whether they are needed (`stale_devices`). */
export async function withSession(
  unit: UnitOfWork,
  targets: readonly Target[],
  now: number,
): Promise<Target[]> {
  const missing = new Set((await withoutSession(unit, targets, now)).map((target) => target.address));
  return targets.filter((target) => !missing.has(target.address));
}

export class OwnChains {
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  /** The chain the next message goes under; a new one is begun where the rules of §3.9 ask for it. */
  async current(
    unit: UnitOfWork,
    own: Own,
    { conversation, now }: { conversation: ConversationRef; now: number },
  ): Promise<OwnChainRecord> {
    const { channelId, epoch, readers, isEphemeral = false } = conversation;
    const record = await unit.get<OwnChainRecord>(keys.ownChain(channelId));
    const targets = await targetsOf(unit, own, readers);
    if (record && !isWorn(own, { record, targets, conversation, now })) return record;
    if (record) await this.#archive(unit, channelId, record);
    const aids: Uint8Array[] = [];
    for (const accountId of readers) {
      const peer = await trustedPeer(unit, accountId);
      if (peer) aids.push(peer.log.aid);
    }
    const chain = createSenderChain(
      {
        channelId: uuidToBytes(channelId),
        owner: own.device,
        deviceSecretKey: own.self.secrets.signing.secretKey,
        epoch,
        // The server names both; kept shorter and by fewer wins.
        shareable: conversation.sharesHistory === true && !isEphemeral,
        ephemeral: isEphemeral,
        ownDeviceListHash: deviceListHash(own.log),
        readers: aids,
      },
      { rng: this.#core.rng, now },
    );
    const hash = idKey(chain.certHash);
    unit.put(keys.cert(hash), { channelId, bytes: chain.cert, hash } satisfies CertRecord);
    await queueOwnChain(unit, chain);
    fadeOwnChain(unit, channelId, chain);
    return { chain, given: {}, owed: {} };
  }

  /** Replaced chains are kept for a while to answer readers who missed them. */
  async #archive(unit: UnitOfWork, channelId: ChannelId, record: OwnChainRecord): Promise<void> {
    const old = await unit.list<OwnChainRecord>(keys.oldChains(channelId));
    const most = record.chain.ephemeral ? MAX_OLD_EPHEMERAL_CHAINS : MAX_OLD_OWN_CHAINS;
    const oldest = [...old].sort(([, a], [, b]) => a.chain.createdAt - b.chain.createdAt);
    for (const [key] of oldest.slice(0, Math.max(0, old.size + 1 - most))) unit.remove(key);
    unit.put(keys.oldChain(channelId, record.chain.chainId), record);
  }

  /** Chain packets, at most 64, for devices with a session that do not have the chain yet. */
  async hand(
    unit: UnitOfWork,
    own: Own,
    { conversation, now, record }: { conversation: ConversationRef; now: number; record: OwnChainRecord },
  ): Promise<Pick<OwnChainRecord, 'given' | 'owed'> & { packets: OutgoingPacket[]; handed: string[] }> {
    const given: Record<string, number> = { ...record.given };
    const owed: Record<string, number> = { ...record.owed };
    const handed: string[] = [];
    const targets = await targetsOf(unit, own, conversation.readers);
    const waiting = targets.filter((target) => !(target.address in given));
    for (const { address } of waiting) owed[address] ??= record.chain.iter;
    const reachable = await withSession(unit, waiting, now);
    const clock = { now, rng: this.#core.rng };
    const packets: OutgoingPacket[] = [];
    for (const target of reachable.slice(0, PACKETS_PER_SEND)) {
      const startIter = startFor(record, target);
      const payload = senderChainPacket(record.chain, startIter);
      packets.push(await packetFor(unit, own, { target, payload, clock }));
      given[target.address] = startIter;
      handed.push(target.address);
    }
    return { given, owed, packets, handed };
  }
}

/**
 * From where a device gets the chain: all of one that may be shared with who joins later; a device that was there when the chain began gets all of it, however late its
 * keys could be reached (it may have published them a moment after a message); others from the first message that was
 * sent while they were readers.
 */
function startFor({ chain, owed }: OwnChainRecord, { log, deviceId, address }: Target): number {
  if (chain.shareable) return 0;
  const device = findDevice(log, deviceId);
  const wasThere = device !== null && device.cert.createdAt <= chain.createdAt;
  return wasThere && wasReaderAtStart(chain, log.aid) ? 0 : (owed[address] ?? chain.iter);
}

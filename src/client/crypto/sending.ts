// Encrypting what this device sends: sender chains for channels, per-device keys for direct messages. Ciphertext,
// chain, sessions and plaintext are committed together before a byte is handed out (protocol P6, P8).
import {
  acknowledgeSend,
  concat,
  createSenderChain,
  CryptoError,
  encryptDm,
  encryptGroupEvent,
  equalBytes,
  H,
  liveDevices,
  needsNewChain,
  refuseSend,
  senderChainPacket,
  toBase64Url,
  uuidToBytes,
  type AccountLogState,
} from '#crypto/index.ts';
import { MAX_OLD_OWN_CHAINS, PACKETS_PER_SEND } from './engine-limits.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import { toWire } from './content-bridge.ts';
import { trustedPeer, type EngineCore, type Own } from './engine-core.ts';
import { logsToFetch, packetFor, refOf, targetsOf, withoutSession, type Target } from './pairwise-link.ts';
import type { ConversationRef, CryptoApi, EncryptInput, MissingKeys, SealedMessage } from './protocol.ts';
import { keys, type OwnChainRecord, type PlainRecord, type SentRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

type SendCalls = Pick<
  CryptoApi,
  'missingKeys' | 'encrypt' | 'acknowledge' | 'abandon' | 'distribute' | 'distributed'
>;
type Input = EncryptInput & { now: number };

const deviceListHash = (log: AccountLogState): Uint8Array =>
  H(concat(...liveDevices(log).map((device) => device.cert.deviceId)));

export class Sending implements SendCalls {
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  missingKeys(input: {
    conversation: ConversationRef;
    logsFresh: boolean;
    now: number;
  }): Promise<MissingKeys> {
    const { conversation, logsFresh, now } = input;
    return this.#core.run(async (unit, own) => {
      const logs = await logsToFetch(unit, conversation.readers, logsFresh ? 'unknown' : 'all');
      const targets = await this.#waiting(unit, own, { conversation, now });
      const missing = await withoutSession(unit, targets, now);
      return { logs, bundles: missing.map(refOf) };
    });
  }

  /** Devices that must get something with (or after) the next send. */
  async #waiting(
    unit: UnitOfWork,
    own: Own,
    { conversation, now }: { conversation: ConversationRef; now: number },
  ): Promise<Target[]> {
    const targets = await targetsOf(unit, own, conversation.readers);
    if (conversation.kind === 'dm') return targets;
    const record = await unit.get<OwnChainRecord>(keys.ownChain(conversation.channelId));
    const fresh = needsNewChain(record?.chain, this.#facts(own, conversation.epoch, now)) !== null;
    return fresh || !record ? targets : targets.filter((target) => !(target.address in record.given));
  }

  #facts(own: Own, epoch: number, now: number) {
    return { now, epoch, ownDeviceListHash: deviceListHash(own.log) };
  }

  encrypt(input: Input): Promise<SealedMessage> {
    const { conversation, eventId } = input;
    const { channelId, kind } = conversation;
    return this.#core.run(async (unit, own) => {
      const sent = await unit.get<SentRecord>(keys.sent(eventId));
      if (sent) return sealedOf(eventId, sent);
      const busy = await unit.get<EventId>(keys.inFlight(channelId));
      if (busy !== undefined)
        throw new CryptoError('not_allowed', 'an event of this channel is unacknowledged');
      const record =
        kind === 'dm' ? await this.#sealDm(unit, own, input) : await this.#sealGroup(unit, own, input);
      unit.put(keys.sent(eventId), record);
      unit.put(keys.inFlight(channelId), eventId);
      return sealedOf(eventId, record);
    });
  }

  #header({ conversation, eventId, class: eventClass, refId }: Input) {
    return {
      class: eventClass,
      channelId: uuidToBytes(conversation.channelId),
      eventId: uuidToBytes(eventId),
      epoch: conversation.epoch,
      blobIds: [],
      ...(refId === null ? {} : { ref: uuidToBytes(refId) }),
    };
  }

  #keepPlain(
    unit: UnitOfWork,
    own: Own,
    { input, opened }: { input: Input; opened: { contentBytes: Uint8Array; frankKey: Uint8Array } },
  ): void {
    const { contentBytes, frankKey } = opened;
    const { accountId, deviceId } = own.self;
    unit.put(keys.plain(input.eventId), {
      content: input.content,
      senderAccountId: accountId,
      senderDeviceId: deviceId,
      missingBefore: 0,
      contentBytes,
      frankKey,
    } satisfies PlainRecord);
  }

  /** A 1:1 message: every device of both people gets the content key, or nothing is sent. */
  async #sealDm(unit: UnitOfWork, own: Own, input: Input): Promise<SentRecord> {
    const { channelId, readers } = input.conversation;
    for (const accountId of readers) {
      const peer = await trustedPeer(unit, accountId);
      if (!peer) throw new CryptoError('identity_reset', 'identity unknown, held or blocked');
    }
    const targets = await targetsOf(unit, own, readers);
    const { rng } = this.#core;
    const content = toWire(input.content);
    const sealed = encryptDm({ header: this.#header(input), content, sender: own.device }, rng);
    const clock = { now: input.now, rng };
    const reachable = await this.#reachable(unit, targets, input.now);
    const packets: OutgoingPacket[] = [];
    for (const target of reachable) {
      packets.push(await packetFor(unit, own, { target, payload: sealed.keyPacket, clock }));
    }
    this.#keepPlain(unit, own, { input, opened: sealed });
    const dmDevices = reachable.map(refOf);
    return {
      channelId,
      envelope: toBase64Url(sealed.envelope),
      packets,
      chainCert: null,
      dmDevices,
      handed: [],
    };
  }

  /** Targets with a session. Those without stay out; the server says whether they are needed (`stale_devices`). */
  async #reachable(unit: UnitOfWork, targets: readonly Target[], now: number): Promise<Target[]> {
    const missing = new Set((await withoutSession(unit, targets, now)).map((target) => target.address));
    return targets.filter((target) => !missing.has(target.address));
  }

  async #sealGroup(unit: UnitOfWork, own: Own, input: Input): Promise<SentRecord> {
    const { conversation, now } = input;
    const { channelId } = conversation;
    const { rng } = this.#core;
    const current = await this.#currentChain(unit, own, { conversation, now });
    const message = { header: this.#header(input), content: toWire(input.content) };
    const sealed = encryptGroupEvent(current.chain, message, { rng, now });
    const { given, packets, handed } = await this.#hand(unit, own, { conversation, now, record: current });
    unit.put(keys.ownChain(channelId), { chain: sealed.chain, given } satisfies OwnChainRecord);
    this.#keepPlain(unit, own, { input, opened: sealed });
    const isUnknown = equalBytes(current.chain.acknowledged, current.chain.certHash);
    return {
      channelId,
      envelope: toBase64Url(sealed.envelope),
      packets,
      chainCert: isUnknown ? toBase64Url(current.chain.cert) : null,
      dmDevices: null,
      handed,
    };
  }

  /** The chain the next message goes under; a new one is begun where the rules of §3.9 ask for it. */
  async #currentChain(
    unit: UnitOfWork,
    own: Own,
    { conversation, now }: { conversation: ConversationRef; now: number },
  ): Promise<OwnChainRecord> {
    const { channelId, epoch, readers } = conversation;
    const record = await unit.get<OwnChainRecord>(keys.ownChain(channelId));
    if (record && needsNewChain(record.chain, this.#facts(own, epoch, now)) === null) return record;
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
        shareable: false,
        ownDeviceListHash: deviceListHash(own.log),
        readers: aids,
      },
      { rng: this.#core.rng, now },
    );
    return { chain, given: {} };
  }

  /** Replaced chains are kept for a while to answer readers who missed them. */
  async #archive(unit: UnitOfWork, channelId: ChannelId, record: OwnChainRecord): Promise<void> {
    const old = await unit.list<OwnChainRecord>(keys.oldChains(channelId));
    const oldest = [...old].sort(([, a], [, b]) => a.chain.createdAt - b.chain.createdAt);
    for (const [key] of oldest.slice(0, Math.max(0, old.size + 1 - MAX_OLD_OWN_CHAINS))) unit.remove(key);
    unit.put(keys.oldChain(channelId, record.chain.chainId), record);
  }

  /** Chain packets, at most 64, for devices with a session that do not have the chain yet. */
  async #hand(
    unit: UnitOfWork,
    own: Own,
    { conversation, now, record }: { conversation: ConversationRef; now: number; record: OwnChainRecord },
  ): Promise<{ given: Record<string, number>; packets: OutgoingPacket[]; handed: string[] }> {
    const given: Record<string, number> = { ...record.given };
    const handed: string[] = [];
    const targets = await targetsOf(unit, own, conversation.readers);
    const waiting = targets.filter((target) => !(target.address in given));
    const reachable = await this.#reachable(unit, waiting, now);
    const payload = senderChainPacket(record.chain);
    const clock = { now, rng: this.#core.rng };
    const packets: OutgoingPacket[] = [];
    for (const target of reachable.slice(0, PACKETS_PER_SEND)) {
      packets.push(await packetFor(unit, own, { target, payload, clock }));
      given[target.address] = record.chain.iter;
      handed.push(target.address);
    }
    return { given, packets, handed };
  }

  distribute(input: { conversation: ConversationRef; now: number }): Promise<readonly OutgoingPacket[]> {
    const { conversation, now } = input;
    const { channelId } = conversation;
    return this.#core.run(async (unit, own) => {
      const unsent = await unit.get<readonly OutgoingPacket[]>(keys.handing(channelId));
      if (unsent) return unsent;
      const record = await unit.get<OwnChainRecord>(keys.ownChain(channelId));
      if (!record || needsNewChain(record.chain, this.#facts(own, conversation.epoch, now)) !== null)
        return [];
      const { given, packets } = await this.#hand(unit, own, { conversation, now, record });
      if (packets.length === 0) return [];
      unit.put(keys.ownChain(channelId), { chain: record.chain, given } satisfies OwnChainRecord);
      unit.put(keys.handing(channelId), packets);
      return packets;
    });
  }

  distributed({ channelId }: { channelId: ChannelId }): Promise<void> {
    return this.#core.run(async (unit) => unit.remove(keys.handing(channelId)));
  }

  acknowledge(sent: { channelId: ChannelId; eventId: EventId }): Promise<void> {
    return this.#core.run(async (unit) => {
      const record = await this.#settle(unit, sent);
      if (!record) return;
      const chain = acknowledgeSend(record.chain, uuidToBytes(sent.eventId));
      unit.put(keys.ownChain(sent.channelId), { ...record, chain } satisfies OwnChainRecord);
    });
  }

  abandon(sent: { channelId: ChannelId; eventId: EventId }): Promise<void> {
    return this.#core.run(async (unit) => {
      const refused = await unit.get<SentRecord>(keys.sent(sent.eventId));
      const record = await this.#settle(unit, sent);
      unit.remove(keys.plain(sent.eventId));
      if (!record) return;
      const chain = refuseSend(record.chain, uuidToBytes(sent.eventId));
      // The refused send took its key packets with it: those devices still wait for the chain.
      const given = Object.entries(record.given).filter(([address]) => !refused?.handed.includes(address));
      unit.put(keys.ownChain(sent.channelId), {
        chain,
        given: Object.fromEntries(given),
      } satisfies OwnChainRecord);
    });
  }

  async #settle(
    unit: UnitOfWork,
    { channelId, eventId }: { channelId: ChannelId; eventId: EventId },
  ): Promise<OwnChainRecord | undefined> {
    if ((await unit.get<EventId>(keys.inFlight(channelId))) === eventId)
      unit.remove(keys.inFlight(channelId));
    unit.remove(keys.sent(eventId));
    return unit.get<OwnChainRecord>(keys.ownChain(channelId));
  }
}

function sealedOf(eventId: EventId, record: SentRecord): SealedMessage {
  const { envelope, packets, chainCert, dmDevices } = record;
  return { eventId, envelope, packets, chainCert, dmDevices };
}

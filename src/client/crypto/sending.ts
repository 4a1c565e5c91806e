// Encrypting what this device sends: sender chains for channels, per-device keys for direct messages. Ciphertext,
// chain, sessions and plaintext are committed together before a byte is handed out (protocol P6, P8).
import {
  acceptedUntil,
  acknowledgeSend,
  CryptoError,
  encryptDm,
  encryptGroupEvent,
  equalBytes,
  H,
  refuseSend,
  toBase64Url,
  uuidToBytes,
} from '#crypto/index.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import { queueDmKey } from './backup-queue.ts';
import { toWire } from './content-bridge.ts';
import { noteReadersOf, requirePinned } from './conversation-pin.ts';
import { trustedPeer, type EngineCore, type Own } from './engine-core.ts';
import { SEND_WITHIN_MS } from './engine-limits.ts';
import { fadePlain, goneAtOf } from './fading.ts';
import { isWorn, OwnChains, withSession } from './own-chains.ts';
import { noteSentKey } from './sent-keys.ts';
import { logsToFetch, packetFor, refOf, targetsOf, withoutSession, type Target } from './pairwise-link.ts';
import type { ConversationRef, CryptoApi, EncryptInput, MissingKeys, SealedMessage } from './protocol.ts';
import { keys, type OwnChainRecord, type PlainRecord, type SentRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

type SendCalls = Pick<
  CryptoApi,
  'missingKeys' | 'encrypt' | 'acknowledge' | 'abandon' | 'distribute' | 'distributed'
>;
type Input = EncryptInput & { now: number };

export class Sending implements SendCalls {
  readonly #core: EngineCore;
  readonly #chains: OwnChains;

  constructor(core: EngineCore) {
    this.#core = core;
    this.#chains = new OwnChains(core);
  }

  missingKeys(input: {
    conversation: ConversationRef;
    logsFresh: boolean;
    now: number;
  }): Promise<MissingKeys> {
    const { conversation, logsFresh, now } = input;
    return this.#core.run(async (unit, own) => {
      await this.#meet(unit, own, conversation);
      const logs = await logsToFetch(unit, conversation.readers, logsFresh ? 'unknown' : 'all');
      const targets = await this.#waiting(unit, own, { conversation, now });
      const missing = await withoutSession(unit, targets, now);
      return { logs, bundles: missing.map(refOf) };
    });
  }

  /** Holds the conversation against what is known of it, and takes note of its readers (A66, A76). */
  async #meet(unit: UnitOfWork, own: Own, conversation: ConversationRef): Promise<void> {
    const { channelId, kind, readers } = conversation;
    await requirePinned(unit, own, { channelId, kind, members: readers });
    if (kind !== 'dm') await noteReadersOf(unit, conversation);
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
    if (!record || isWorn(own, { record, targets, conversation, now })) return targets;
    return targets.filter((target) => !(target.address in record.given));
  }

  encrypt(input: Input): Promise<SealedMessage> {
    const { conversation, eventId } = input;
    const { channelId, kind } = conversation;
    return this.#core.run(async (unit, own) => {
      const sent = await unit.get<SentRecord>(keys.sent(eventId));
      if (sent && !isOver(sent, input.now)) return sealedOf(eventId, sent);
      // It waited longer than its chain lives: nobody would take it as it is.
      if (sent) await this.#giveUp(unit, { channelId, eventId }, sent);
      await this.#meet(unit, own, conversation);
      if ((await unit.get<PlainRecord>(keys.plain(eventId))) !== undefined)
        throw new CryptoError('replay', 'the server has this event already');
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
    {
      input,
      opened,
      goneAt,
    }: {
      input: Input;
      goneAt?: number | undefined;
      opened: { contentBytes: Uint8Array; frankKey: Uint8Array; envelope: Uint8Array };
    },
  ): void {
    const { contentBytes, frankKey, envelope } = opened;
    const { accountId, deviceId } = own.self;
    unit.put(keys.plain(input.eventId), {
      content: input.content,
      senderAccountId: accountId,
      senderDeviceId: deviceId,
      missingBefore: 0,
      channelId: input.conversation.channelId,
      envelopeHash: H(envelope),
      contentBytes,
      frankKey,
      ...(goneAt === undefined ? {} : { goneAt, isUndated: true }),
    } satisfies PlainRecord);
    if (goneAt !== undefined) fadePlain(unit, input.eventId, goneAt);
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
    const reachable = await withSession(unit, targets, input.now);
    const packets: OutgoingPacket[] = [];
    for (const target of reachable) {
      packets.push(await packetFor(unit, own, { target, payload: sealed.keyPacket, clock }));
    }
    this.#keepPlain(unit, own, { input, opened: sealed });
    queueDmKey(unit, sealed.key);
    const other = readers.find((accountId) => accountId !== own.self.accountId) ?? own.self.accountId;
    const { eventId, now: at } = input;
    const keptAs = await noteSentKey(unit, { eventId, other, at, key: sealed.key, targets: reachable });
    const dmDevices = reachable.map(refOf);
    return {
      channelId,
      envelope: toBase64Url(sealed.envelope),
      packets,
      chainCert: null,
      dmDevices,
      handed: [],
      keptAs,
    };
  }

  async #sealGroup(unit: UnitOfWork, own: Own, input: Input): Promise<SentRecord> {
    const { conversation, now } = input;
    const { channelId } = conversation;
    const { rng } = this.#core;
    const current = await this.#chains.current(unit, own, { conversation, now });
    const message = { header: this.#header(input), content: toWire(input.content) };
    const sealed = encryptGroupEvent(current.chain, message, { rng, now });
    const { given, owed, packets, handed } = await this.#chains.hand(unit, own, {
      conversation,
      now,
      record: current,
    });
    unit.put(keys.ownChain(channelId), { chain: sealed.chain, given, owed } satisfies OwnChainRecord);
    const isFading = sealed.chain.ephemeral === true && input.content?.type !== 'redact';
    const goneAt = isFading ? goneAtOf(now, now) : undefined;
    this.#keepPlain(unit, own, { input, opened: sealed, goneAt });
    const isUnknown = equalBytes(current.chain.acknowledged, current.chain.certHash);
    return {
      channelId,
      envelope: toBase64Url(sealed.envelope),
      packets,
      chainCert: isUnknown ? toBase64Url(current.chain.cert) : null,
      dmDevices: null,
      handed,
      until: acceptedUntil(sealed.chain),
    };
  }

  distribute(input: { conversation: ConversationRef; now: number }): Promise<readonly OutgoingPacket[]> {
    const { conversation, now } = input;
    const { channelId } = conversation;
    return this.#core.run(async (unit, own) => {
      const unsent = await unit.get<readonly OutgoingPacket[]>(keys.handing(channelId));
      if (unsent) return unsent;
      await this.#meet(unit, own, conversation);
      const record = await unit.get<OwnChainRecord>(keys.ownChain(channelId));
      const targets = await targetsOf(unit, own, conversation.readers);
      if (!record || isWorn(own, { record, targets, conversation, now })) return [];
      const { given, packets } = await this.#chains.hand(unit, own, { conversation, now, record });
      if (packets.length === 0) return [];
      unit.put(keys.ownChain(channelId), { ...record, given } satisfies OwnChainRecord);
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
      // With the same commit, or a crash in between would send the draft a second time.
      unit.remove(keys.draft(sent.eventId));
      if (!record) return;
      const chain = acknowledgeSend(record.chain, uuidToBytes(sent.eventId));
      unit.put(keys.ownChain(sent.channelId), { ...record, chain } satisfies OwnChainRecord);
    });
  }

  abandon(sent: { channelId: ChannelId; eventId: EventId }): Promise<void> {
    return this.#core.run(async (unit) => {
      const refused = await unit.get<SentRecord>(keys.sent(sent.eventId));
      // Nothing under way: acknowledged before, or never encrypted. What the server has stays readable here.
      if (refused) await this.#giveUp(unit, sent, refused);
    });
  }

  async #giveUp(
    unit: UnitOfWork,
    sent: { channelId: ChannelId; eventId: EventId },
    refused: SentRecord,
  ): Promise<void> {
    const record = await this.#settle(unit, sent);
    unit.remove(keys.plain(sent.eventId));
    if (refused.keptAs !== undefined) unit.remove(refused.keptAs);
    if (!record) return;
    const chain = refuseSend(record.chain, uuidToBytes(sent.eventId));
    // The refused send took its key packets with it: those devices still wait for the chain.
    const given = Object.entries(record.given).filter(([address]) => !refused.handed.includes(address));
    unit.put(keys.ownChain(sent.channelId), {
      ...record,
      chain,
      given: Object.fromEntries(given),
    } satisfies OwnChainRecord);
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

const isOver = ({ until }: SentRecord, now: number): boolean =>
  until !== undefined && now + SEND_WITHIN_MS > until;

function sealedOf(eventId: EventId, record: SentRecord): SealedMessage {
  const { envelope, packets, chainCert, dmDevices } = record;
  return { eventId, envelope, packets, chainCert, dmDevices };
}

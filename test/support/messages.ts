// Real sealed events for server tests: sender chains and direct messages made by src/crypto with a person's own keys.
import {
  acknowledgeSend,
  bytesToUuid,
  createSenderChain,
  encryptDm,
  encryptGroupEvent,
  systemRng as rng,
  timeOrderedId,
  toBase64Url,
  uuidToBytes,
  type KnownContent,
  type SenderChain,
} from '#crypto/index.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import type { EventClass } from '#shared/messages.ts';
import type { Identity } from './keys.ts';

export const newEventId = (now = Date.now()): EventId => bytesToUuid(timeOrderedId(now, rng)) as EventId;

export interface Sealed {
  readonly eventId: EventId;
  readonly envelope: string;
  readonly packets: [];
  readonly chainCert?: string;
}

/** What one device writes into one channel. */
export class Pen {
  readonly #identity: Pick<Identity, 'state' | 'device'>;
  readonly #channelId: ChannelId;
  /** Put into the envelope whatever the chain says. */
  ttlSeconds: number | undefined;
  #chain: SenderChain;

  constructor(identity: Pick<Identity, 'state' | 'device'>, channelId: ChannelId, epoch = 1) {
    this.#identity = identity;
    this.#channelId = channelId;
    this.#chain = this.#newChain(epoch);
  }

  #newChain(epoch: number, ephemeral = false): SenderChain {
    const { state, device } = this.#identity;
    const owner = { aid: state.aid, deviceId: device.deviceId };
    const deviceSecretKey = device.signing.secretKey;
    const wanted = { channelId: uuidToBytes(this.#channelId), owner, deviceSecretKey, epoch };
    const rest = { shareable: false, ephemeral, ownDeviceListHash: rng.bytes(32), readers: [state.aid] };
    return createSenderChain({ ...wanted, ...rest }, { rng, now: Date.now() });
  }

  rotate(epoch: number, ephemeral = false): void {
    this.#chain = this.#newChain(epoch, ephemeral);
  }

  text(text = 'hello', replyTo?: EventId): Sealed {
    const reply = replyTo === undefined ? {} : { replyTo: uuidToBytes(replyTo) };
    return this.#seal('message', { type: 'text', text, ...reply });
  }

  edit(target: EventId, text = 'edited', rev = 1): Sealed {
    return this.#seal('edit', { type: 'edit', target: uuidToBytes(target), rev, text });
  }

  react(target: EventId, emoji = '👍'): Sealed {
    return this.#seal('reaction', {
      type: 'reaction',
      target: uuidToBytes(target),
      emoji,
      op: 'add',
      rev: 1,
    });
  }

  redact(target: EventId): Sealed {
    return this.#seal('redact', { type: 'redact', target: uuidToBytes(target) });
  }

  #seal(eventClass: EventClass, content: KnownContent): Sealed {
    const eventId = newEventId();
    const target = content.type === 'text' ? content.replyTo : content.target;
    const header = {
      class: eventClass,
      channelId: uuidToBytes(this.#channelId),
      eventId: uuidToBytes(eventId),
      epoch: this.#chain.epoch,
      blobIds: [],
      ...(target ? { ref: target } : {}),
      ...(this.ttlSeconds === undefined ? {} : { ttlSeconds: this.ttlSeconds }),
    };
    const isFirst = this.#chain.iter === 0;
    const sealed = encryptGroupEvent(this.#chain, { header, content }, { rng, now: Date.now() });
    this.#chain = acknowledgeSend(sealed.chain, header.eventId);
    const cert = isFirst ? { chainCert: toBase64Url(this.#chain.cert) } : {};
    return { eventId, envelope: toBase64Url(sealed.envelope), packets: [], ...cert };
  }
}

/** One direct message under its content key; the key packets are the caller's to make. */
export function sealDm(identity: Pick<Identity, 'state' | 'device'>, channelId: ChannelId, text = 'psst') {
  const eventId = newEventId();
  const header = {
    class: 'message' as const,
    channelId: uuidToBytes(channelId),
    eventId: uuidToBytes(eventId),
    epoch: 1,
    blobIds: [],
  };
  const sender = { aid: identity.state.aid, deviceId: identity.device.deviceId };
  const { envelope } = encryptDm({ header, content: { type: 'text', text }, sender }, rng);
  return { eventId, envelope: toBase64Url(envelope) };
}

/** A packet of plausible size; the server cannot look inside one. */
export const opaquePacket = (bytes = 200): string => toBase64Url(rng.bytes(bytes));

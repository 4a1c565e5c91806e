// People in a channel for the group tests: certified devices, chains handed over "sessions", events as the server
// would deliver them.
import { authenticatePacket, type AuthenticatedPacket, type PeerDevice } from '#crypto/authenticated.ts';
import { utf8 } from '#crypto/bytes.ts';
import { verifyChainCert, type VerifiedChainCert } from '#crypto/chain-cert.ts';
import type { KnownContent } from '#crypto/content.ts';
import { classOf, targetOf } from '#crypto/content.ts';
import type { IncomingEvent, OutgoingHeader } from '#crypto/dm-message.ts';
import { timeOrderedId } from '#crypto/ids.ts';
import { installChain, type ReceiverChain } from '#crypto/receiver-chain.ts';
import type { Rng } from '#crypto/rng.ts';
import { seededRng } from '#crypto/seeded-rng.ts';
import { createSenderChain, senderChainPacket, type SenderChain } from '#crypto/sender-chain.ts';
import { acknowledgeSend } from '#crypto/sender-chain.ts';
import { encryptGroupEvent, type ReceiveContext } from '#crypto/sender-key.ts';
import { makeAccount, NOW } from '../support/people.ts';

export { NOW } from '../support/people.ts';

/** One device of a person, with what others learn about it from the account log. */
export interface Person {
  readonly device: PeerDevice;
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

export const CHANNEL = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
export const OTHER_CHANNEL = Uint8Array.from({ length: 16 }, (_, i) => 200 + i);
export const EPOCH = 5;
export const CONTEXT: ReceiveContext = { minEpoch: EPOCH, minCreatedAt: 0, now: NOW };

/** The person called `name`, always the same one. */
export function person(name: string, index = 0): Person {
  const account = makeAccount(`groups/${name}`, index + 1);
  const { secrets } = account.devices[index]!;
  return {
    device: { aid: account.log.aid, deviceId: secrets.deviceId },
    publicKey: secrets.signing.publicKey,
    secretKey: secrets.signing.secretKey,
  };
}

export function rngOf(name: string): Rng {
  return seededRng(utf8(`groups/${name}`));
}

export interface ChainOptions {
  readonly channelId?: Uint8Array;
  readonly epoch?: number;
  readonly shareable?: boolean;
  readonly ephemeral?: boolean;
  readonly now?: number;
  readonly readers?: readonly Uint8Array[];
}

/** A new chain of this person in CHANNEL. */
export function chainOf(owner: Person, seed: string, options: ChainOptions = {}): SenderChain {
  return createSenderChain(
    {
      channelId: options.channelId ?? CHANNEL,
      owner: owner.device,
      deviceSecretKey: owner.secretKey,
      epoch: options.epoch ?? EPOCH,
      shareable: options.shareable ?? false,
      ephemeral: options.ephemeral,
      ownDeviceListHash: new Uint8Array(32),
      readers: options.readers ?? [],
    },
    { rng: rngOf(seed), now: options.now ?? NOW },
  );
}

/** What a certificate of this person's chain in CHANNEL has to say. */
export const expectedOf = ({ device, publicKey }: Person) => ({
  channelId: CHANNEL,
  ...device,
  devicePublicKey: publicKey,
  maxEpoch: EPOCH,
});

export function certOf({ channelId, cert }: SenderChain, owner: Person): VerifiedChainCert {
  return verifyChainCert(cert, { ...expectedOf(owner), channelId, maxEpoch: EPOCH + 100 });
}

/** What session decryption hands out; sessions themselves are tested elsewhere. */
export function overSession(from: Person, payload: Uint8Array): AuthenticatedPacket {
  return authenticatePacket(from.device, payload);
}

/** The owner's chain as another device holds it, from message `startIter` on (default: the next). */
export function received(owner: Person, chain: SenderChain, startIter?: number): ReceiverChain {
  const packet = overSession(owner, senderChainPacket(chain, startIter));
  return installChain(packet, { cert: certOf(chain, owner), existing: [], now: NOW }).chain;
}

export function headerFor(content: KnownContent, eventId: Uint8Array, epoch = EPOCH): OutgoingHeader {
  const ref = targetOf(content);
  const header = { class: classOf(content), channelId: CHANNEL, eventId, epoch, blobIds: [] };
  return ref ? { ...header, ref } : header;
}

/** A conversation of one sender: encrypts, acknowledges and delivers in order. */
export class Speaker {
  chain: SenderChain;
  readonly who: Person;
  readonly #rng: Rng;
  #seq: number;

  constructor(who: Person, chain: SenderChain, seed: string) {
    this.who = who;
    this.chain = chain;
    this.#rng = rngOf(`${seed}/speaker`);
    this.#seq = 0;
  }

  /** An event the server accepted, as it would be delivered. */
  say(content: KnownContent | string, createdAt = NOW): IncomingEvent {
    const event = this.trySay(content, createdAt);
    this.chain = acknowledgeSend(this.chain, this.chain.pending!.eventId);
    return event;
  }

  /** An event still unacknowledged. */
  trySay(content: KnownContent | string, createdAt = NOW): IncomingEvent {
    const full: KnownContent = typeof content === 'string' ? { type: 'text', text: content } : content;
    const eventId = timeOrderedId(createdAt, this.#rng);
    const header = { ...headerFor(full, eventId, this.chain.epoch), channelId: this.chain.channelId };
    const sent = encryptGroupEvent(this.chain, { header, content: full }, { rng: this.#rng, now: NOW });
    this.chain = sent.chain;
    return { envelope: sent.envelope, seq: ++this.#seq, createdAt, sender: this.who.device };
  }
}

/** A speaker and a listener who holds the chain from its start. */
export function pair(seed: string, options: ChainOptions = {}): { ada: Speaker; held: ReceiverChain } {
  const who = person('ada');
  const chain = chainOf(who, seed, options);
  return { ada: new Speaker(who, chain, seed), held: received(who, chain) };
}

/** A chain of Ada's after three messages. */
export function spoken(seed: string, options: ChainOptions): { chain: SenderChain; events: IncomingEvent[] } {
  const who = person('ada');
  const speaker = new Speaker(who, chainOf(who, seed, options), seed);
  const events = ['zero', 'one', 'two'].map((text) => speaker.say(text));
  return { chain: speaker.chain, events };
}

/** A copy with one bit changed. */
export function flip(bytes: Uint8Array, index: number, bit = 0): Uint8Array {
  const copy = bytes.slice();
  copy[index]! ^= 1 << bit;
  return copy;
}

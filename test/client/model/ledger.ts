// What the model knows and no client does: who should read which event, who was handed which key, who can derive one.
import {
  BACKUP_CHAIN,
  BACKUP_DM_KEYS,
  decodeChainArchive,
  decodeDmKeys,
  fromBase64Url,
  idKey,
  parseChainCert,
  parseEnvelopeHeader,
  toBase64Url,
  uuidToBytes,
  type ReceiverChain,
} from '#crypto/index.ts';
import type { CryptoApi } from '#client/crypto/protocol.ts';
import type { MemoryStore } from '#crypto/memory-store.ts';
import type { AccountId, ChannelId, DeviceId, EventId } from '#shared/ids.ts';
import type { MailboxPacket, OutgoingPacket } from '#shared/mailbox.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { chainOf, type Channel, type Sender } from './server.ts';

/** An event the server took. */
export interface Stored {
  readonly event: ChannelEvent;
  readonly tick: number;
  readonly chain: { readonly chainId: string; readonly iter: number } | null;
  /** The sender signed that who joins later may have it. */
  readonly isShared: boolean;
  readonly audience: ReadonlySet<AccountId>;
  /** Readers as the sender knew them when it encrypted. */
  readonly meant: ReadonlySet<AccountId>;
  /** Devices whose mailbox got the key with it or before. */
  readonly handed: ReadonlySet<DeviceId>;
}

export interface Watched extends Sender {
  /** Ticks between which the server had it as a device; Infinity while it has. */
  readonly addedAt: number;
  readonly revokedAt: number;
  readonly isAlive: boolean;
}

type EncryptIn = Parameters<CryptoApi['encrypt']>[0];
type DistributeIn = Parameters<CryptoApi['distribute']>[0];

const placeOf = (channelId: ChannelId, accountId: AccountId): string => `${channelId}/${accountId}`;

export class Ledger {
  readonly stored: Stored[] = [];
  tick = 0;
  /** By envelope: what is sent again was meant for whom it was when it was made. */
  readonly #meant = new Map<string, ReadonlySet<AccountId>>();
  /** What a packet's bytes hand over: a chain id, or a direct message's event id. */
  readonly #handing = new Map<string, string>();
  readonly #handed = new Map<string, Set<DeviceId>>();
  readonly #chainNow = new Map<string, string>();
  /** [joined, left) in ticks, by channel and account. */
  readonly #stays = new Map<string, { from: number; to: number }[]>();
  /** Accounts that have the key in their backup, by event. */
  readonly #safe = new Map<EventId, Set<AccountId>>();

  encrypted(
    { deviceId }: Sender,
    { conversation, eventId }: EncryptIn,
    sealed: { envelope: string; packets: readonly OutgoingPacket[] },
  ): void {
    if (this.#meant.has(sealed.envelope)) return;
    this.#meant.set(sealed.envelope, new Set(conversation.readers));
    const { chain } = parseEnvelopeHeader(fromBase64Url(sealed.envelope));
    const name = chain ? toBase64Url(chain.chainId) : eventId;
    if (chain) this.#chainNow.set(`${deviceId}/${conversation.channelId}`, name);
    for (const { bytes } of sealed.packets) this.#handing.set(bytes, name);
  }

  distributed(
    { deviceId }: Sender,
    { conversation }: DistributeIn,
    packets: readonly OutgoingPacket[],
  ): void {
    const name = this.#chainNow.get(`${deviceId}/${conversation.channelId}`);
    if (name !== undefined) for (const { bytes } of packets) this.#handing.set(bytes, name);
  }

  posted(deviceId: DeviceId, { bytes }: MailboxPacket): void {
    const name = this.#handing.get(bytes);
    if (name === undefined) return;
    const devices = this.#handed.get(name) ?? new Set();
    this.#handed.set(name, devices.add(deviceId));
  }

  took(event: ChannelEvent, channel: Channel): void {
    const chain = chainOf(event);
    const cert = chain && channel.certs.get(chain.chainId);
    this.stored.push({
      event,
      tick: ++this.tick,
      chain,
      isShared: cert ? parseChainCert(fromBase64Url(cert)).shareable : false,
      audience: new Set(channel.readers),
      meant: this.#meant.get(event.envelope ?? '') ?? new Set(),
      handed: new Set(this.#handed.get(chain?.chainId ?? event.eventId)),
    });
  }

  joined(channelId: ChannelId, accountId: AccountId): void {
    const place = placeOf(channelId, accountId);
    this.#stays.set(place, [...(this.#stays.get(place) ?? []), { from: ++this.tick, to: Infinity }]);
  }

  left(channelId: ChannelId, accountId: AccountId): void {
    const stay = this.#stays.get(placeOf(channelId, accountId))?.at(-1);
    if (stay) stay.to = ++this.tick;
  }

  revoked(): number {
    return ++this.tick;
  }

  /** Whether this device may ever have the key of this event. */
  mayRead(device: Watched, { event, tick, isShared, audience }: Stored): boolean {
    const { accountId, revokedAt } = device;
    if (audience.has(accountId) && revokedAt > tick) return true;
    const stays = this.#stays.get(placeOf(event.channelId, accountId)) ?? [];
    return isShared && stays.some(({ from, to }) => to > tick && from < revokedAt);
  }

  /** Accounts that must be able to read an event now: whose devices were, or can still be, given its key. */
  mustRead(stored: Stored, devices: readonly Watched[], readers: ReadonlySet<AccountId>): Set<AccountId> {
    const { event, handed, meant, audience, tick, isShared } = stored;
    const isSenderAlive = devices.some((d) => d.deviceId === event.senderDeviceId && d.isAlive);
    const has = (device: Watched): boolean => {
      if (!device.isAlive || !audience.has(device.accountId)) return false;
      if (device.deviceId === event.senderDeviceId) return true;
      if (handed.has(device.deviceId)) return true;
      return isSenderAlive && device.addedAt < tick && meant.has(device.accountId);
    };
    const able = new Set(this.#safe.get(event.eventId));
    for (const device of devices) if (has(device)) able.add(device.accountId);
    const holders = [...readers].filter(
      (id) => able.has(id) && devices.some((d) => d.accountId === id && d.isAlive),
    );
    if (isShared && holders.length > 0) for (const accountId of readers) able.add(accountId);
    return new Set([...able].filter((accountId) => readers.has(accountId)));
  }

  /** A device goes for good: what it had opened and the server confirmed as backed up stays with its account. */
  async lost(device: Watched, disk: MemoryStore): Promise<void> {
    const holding = await holdingOf(device, disk);
    for (const stored of this.stored) {
      if (!holding.isBackedUp(stored)) continue;
      const { eventId } = stored.event;
      this.#safe.set(eventId, (this.#safe.get(eventId) ?? new Set()).add(device.accountId));
    }
  }
}

/** Which events' keys lie on a device's disk, whatever its client would do with them. */
export async function holdingOf({ accountId }: Watched, disk: MemoryStore) {
  const list = async <T>(prefix: string): Promise<[string, T][]> =>
    [...(await disk.list(`${accountId}/${prefix}`))].map(([key, { value }]) => [key, value as T]);
  const earliest = (into: Map<string, number>, chainId: Uint8Array, iter: number): void => {
    const name = toBase64Url(chainId);
    into.set(name, Math.min(iter, into.get(name) ?? Infinity));
  };
  const chains = new Map<string, number>();
  for (const [, chain] of await list<ReceiverChain>('chain/'))
    earliest(chains, chain.chainId, chain.startIter);
  const archives = new Map<string, number>();
  for (const [, bytes] of await list<Uint8Array>('archive/')) {
    const { chainId, startIter } = decodeChainArchive(bytes);
    earliest(chains, chainId, startIter);
    earliest(archives, chainId, startIter);
  }
  const direct = new Set<string>();
  for (const [, chunks] of await list<Uint8Array[]>('dm-archive/'))
    for (const { eventId } of chunks.flatMap(decodeDmKeys)) direct.add(idKey(eventId));
  for (const [, key] of await list<{ eventId: Uint8Array }>('dm-key/')) direct.add(idKey(key.eventId));
  const opened = new Set((await list('plain/')).map(([key]) => key.split('/').at(-1)!));
  const [waitingChains, waitingDirect] = [new Set<string>(), new Set<string>()];
  for (const [, item] of await list<{ kind: number; payload: Uint8Array }>('backup-queue/')) {
    if (item.kind === BACKUP_CHAIN) waitingChains.add(toBase64Url(decodeChainArchive(item.payload).chainId));
    if (item.kind === BACKUP_DM_KEYS)
      for (const { eventId } of decodeDmKeys(item.payload)) waitingDirect.add(idKey(eventId));
  }
  const nameOf = ({ event }: Stored): string => idKey(uuidToBytes(event.eventId));
  const reaches = (from: Map<string, number>, { chain }: Stored): boolean =>
    chain !== null && (from.get(chain.chainId) ?? Infinity) <= chain.iter;
  return {
    has: (stored: Stored): boolean => (stored.chain ? reaches(chains, stored) : direct.has(nameOf(stored))),
    isBackedUp: (stored: Stored): boolean =>
      stored.chain
        ? reaches(archives, stored) && !waitingChains.has(stored.chain.chainId)
        : (opened.has(nameOf(stored)) || direct.has(nameOf(stored))) && !waitingDirect.has(nameOf(stored)),
  };
}

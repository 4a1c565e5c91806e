// Chains as this device can hand them on (protocol 3.9, 3.10): from the earliest key it keeps of them, used or not.
import {
  decodeChainArchive,
  equalBytes,
  idKey,
  parseChainCert,
  type ChainArchive,
  type HeldChain,
  type PeerDevice,
  type ReceiverChain,
} from '#crypto/index.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { Own } from './engine-core.ts';
import { keys, type CertRecord } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** The archives of one channel, read once and only where somebody asks. */
export class Archives {
  readonly #unit: UnitOfWork;
  readonly #own: Own;
  readonly #channelId: ChannelId;
  /** Chain id (hex) → what is archived of it. */
  #byChain: Map<string, Uint8Array[]> | null = null;

  constructor(unit: UnitOfWork, own: Own, channelId: ChannelId) {
    this.#unit = unit;
    this.#own = own;
    this.#channelId = channelId;
  }

  /** This chain from the earliest position known here, else as it is held now. */
  async find(chainId: Uint8Array, asker: { device: PeerDevice }): Promise<HeldChain | undefined> {
    let best: HeldChain | undefined;
    for (const archive of await this.#of(chainId)) {
      const held = await this.#holding(archive);
      if (held && (!best || held.iter < best.iter)) best = held;
      if (!held?.shareable && this.#isOwn(archive) && !equalBytes(asker.device.aid, this.#own.log.aid))
        return undefined; // who could read it when it began is no longer known
    }
    return best ?? (await this.#held(chainId));
  }

  async #of(chainId: Uint8Array): Promise<ChainArchive[]> {
    if (!this.#byChain) {
      const byChain = new Map<string, Uint8Array[]>();
      for (const [key, bytes] of await this.#unit.list<Uint8Array>(keys.archivesIn(this.#channelId))) {
        const id = key.split('/').at(-2)!;
        byChain.set(id, [...(byChain.get(id) ?? []), bytes]);
      }
      this.#byChain = byChain;
    }
    return (this.#byChain.get(idKey(chainId)) ?? []).map(decodeChainArchive);
  }

  #isOwn({ owner }: ChainArchive): boolean {
    const { aid, deviceId } = this.#own.device;
    return equalBytes(owner.aid, aid) && equalBytes(owner.deviceId, deviceId);
  }

  /** An archive with its certificate, which was verified when the chain came: the hash names it. */
  async #holding(archive: ChainArchive): Promise<HeldChain | undefined> {
    const { channelId, chainId, certHash, startIter: iter, chainKey } = archive;
    const record = await this.#unit.get<CertRecord>(keys.cert(idKey(certHash)));
    if (!record) return undefined;
    const { shareable } = parseChainCert(record.bytes);
    return { channelId, chainId, cert: record.bytes, shareable, iter, chainKey };
  }

  async #held(chainId: Uint8Array): Promise<ReceiverChain | undefined> {
    const chains = await this.#unit.list<ReceiverChain>(keys.chains(this.#channelId));
    for (const [key, chain] of chains) {
      // Another member's word that has opened nothing goes no further.
      const isProven = chain.origin !== 'forwarded' || chain.seenIters.length > 0;
      if (isProven && key.endsWith(idKey(chainId))) return chain;
    }
    return undefined;
  }
}

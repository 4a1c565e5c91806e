// Opening events with the crypto worker: fetches the certificates and logs it asks for and asks for missing keys.
import type { Api } from '#client/api/trpc.ts';
import type { CryptoApi, DecryptResult } from '#client/crypto/protocol.ts';
import type { ChannelKind } from '#shared/channels.ts';
import type { AccountId, ChannelId, EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { slices } from '#client/lib/slices.ts';
import type { Keys } from './keys.ts';

export interface OpenerOptions {
  readonly channelId: ChannelId;
  readonly api: () => Api;
  readonly crypto: CryptoApi;
  readonly conversation: () => { kind: ChannelKind; members: readonly AccountId[] | null; epoch: number };
  readonly now: () => number;
  readonly keys: Pick<Keys, 'refreshLogs' | 'noteReaders'>;
  /** Messages wait for keys: ask for them, soon. */
  readonly onKeysMissing: (channelId: ChannelId) => void;
}

type Certs = readonly string[];
const ROUNDS = 4;

const isRevoked = (result: DecryptResult | undefined): boolean =>
  result?.status === 'failed' && result.reason === 'sender_revoked';

export class Opener {
  readonly #options: OpenerOptions;

  constructor(options: OpenerOptions) {
    this.#options = options;
  }

  /** Opens events given in seq order. What still waits after a few rounds stays pending. */
  async open(events: readonly ChannelEvent[], chainCerts: Certs): Promise<Map<EventId, DecryptResult>> {
    const results = new Map<EventId, DecryptResult>();
    let waiting = events;
    let certs = chainCerts;
    let areReadersNew = false;
    for (let round = 0; round < ROUNDS && waiting.length > 0; round++) {
      for (const result of await this.#decrypt(waiting, certs)) results.set(result.eventId, result);
      if (!areReadersNew && waiting.some(({ eventId }) => isRevoked(results.get(eventId)))) {
        // Its sender may have come back since this device last heard who reads here.
        areReadersNew = true;
        await this.#options.keys.noteReaders(this.#options.channelId).catch(() => undefined);
        continue;
      }
      const pending = waiting.flatMap((event) => {
        const result = results.get(event.eventId);
        return result?.status === 'pending' ? [{ event, result }] : [];
      });
      const chainIds = pending.flatMap(({ result }) =>
        result.reason === 'cert_missing' ? (result.chainId ?? []) : [],
      );
      const unknown = pending.flatMap(({ event, result }) =>
        result.reason === 'log_missing' ? [event.senderAccountId] : [],
      );
      if (pending.some(({ result }) => result.reason === 'key_missing')) {
        this.#options.onKeysMissing(this.#options.channelId);
      }
      if (chainIds.length + unknown.length === 0) break;
      const accounts = [...new Set(unknown)].map((accountId) => ({ accountId }));
      if (accounts.length > 0) await this.#options.keys.refreshLogs(accounts);
      certs = await this.#fetchCerts([...new Set(chainIds)]);
      waiting = pending.map(({ event }) => event);
    }
    return results;
  }

  #decrypt(events: readonly ChannelEvent[], chainCerts: Certs): Promise<readonly DecryptResult[]> {
    const { crypto, channelId, conversation, now } = this.#options;
    return crypto.decrypt({ channelId, ...conversation(), events, chainCerts, now: now() });
  }

  async #fetchCerts(chainIds: readonly string[]): Promise<Certs> {
    const { api, channelId } = this.#options;
    const found: string[] = [];
    for (const slice of slices(chainIds, limits.chainCertsPerCall)) {
      found.push(...Object.values(await api().messages.chainCerts.query({ channelId, chainIds: slice })));
    }
    return found;
  }
}

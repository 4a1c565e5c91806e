// The logs of the conversations that were looked at, and asking for the keys their messages wait for.
import type { Api } from '#client/api/trpc.ts';
import type { CryptoApi } from '#client/crypto/protocol.ts';
import { unowned } from '#client/lib/unowned.svelte.ts';
import type { ChannelId, EventId } from '#shared/ids.ts';
import { Asking } from './asking.ts';
import { ChannelLog } from './channel-log.svelte.ts';
import type { Keys } from './keys.ts';
import type { Members } from './members.svelte.ts';
import { Opener, type OpenerOptions } from './opener.ts';
import type { Outbox } from './outbox.svelte.ts';
import type { Structure } from './structure.svelte.ts';

/** The workspace, as far as logs need it. */
export interface LogsHost {
  readonly structure: Structure;
  readonly keys: Keys;
  readonly members: Members;
  readonly outbox: Outbox;
  readonly api: Api;
  readonly crypto: CryptoApi;
  now(): number;
}

export class Logs {
  readonly #host: LogsHost;
  readonly #logs = new Map<ChannelId, ChannelLog>();
  readonly #asking = new Asking(async (channelId) => {
    await this.#logs.get(channelId)?.retryPending();
    return this.#host.keys.requestKeys(channelId).catch(() => false);
  });

  constructor(host: LogsHost) {
    this.#host = host;
  }

  /** The log of a conversation, where it was looked at. */
  get(channelId: ChannelId): ChannelLog | undefined {
    return this.#logs.get(channelId);
  }

  /** Those that were looked at. */
  all(): Iterable<ChannelLog> {
    return this.#logs.values();
  }

  /** The log of a conversation; made when first asked for. */
  open(channelId: ChannelId): ChannelLog {
    const known = this.#logs.get(channelId);
    if (known) return known;
    const log = unowned(() => this.#new(channelId));
    this.#logs.set(channelId, log);
    void this.#host.keys.meet(channelId);
    return log;
  }

  /** Opens events of a conversation without asking anybody for keys: for reading it through, not for showing it. */
  reader(channelId: ChannelId): Opener {
    return new Opener({ ...this.#opening(channelId), onKeysMissing: () => undefined });
  }

  retryAll(): void {
    for (const log of this.#logs.values()) void log.retryPending();
  }

  /** After a reconnect: who is in direct conversations may have changed, and every log may have grown. */
  catchUp(): void {
    const { keys, structure } = this.#host;
    for (const channelId of this.#logs.keys()) void keys.meet(channelId);
    for (const log of this.#logs.values()) void log.catchUp(structure.head(log.channelId).lastSeq);
  }

  close(): void {
    this.#asking.close();
  }

  #opening(channelId: ChannelId): OpenerOptions {
    const { structure, keys, crypto } = this.#host;
    return {
      channelId,
      api: () => this.#host.api,
      crypto,
      now: () => this.#host.now(),
      conversation: () => ({
        kind: structure.channel(channelId)?.kind ?? 'text',
        members: structure.membersOf(channelId),
        epoch: structure.head(channelId).epoch,
      }),
      keys,
      onKeysMissing: (id) => this.#asking.soon(id),
    };
  }

  #new(channelId: ChannelId): ChannelLog {
    const { structure, members, outbox } = this.#host;
    return new ChannelLog({
      ...this.#opening(channelId),
      isModerator: (accountId) => members.mayModerate(structure.communityOf(channelId), accountId),
      onSettled: (eventId: EventId) => outbox.settle(eventId),
    });
  }
}

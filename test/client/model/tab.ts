// One tab of a device in the model: the real engine, Keys, Outbox, Backup and channel logs, wired as Workspace wires them,
// over a store that may die at any await and a line that may break.
import { Backup } from '#client/sync/backup.svelte.ts';
import { ChannelLog } from '#client/sync/channel-log.svelte.ts';
import { Keys } from '#client/sync/keys.ts';
import { Opener, type OpenerOptions } from '#client/sync/opener.ts';
import { Repairs } from '#client/sync/repairs.svelte.ts';
import { Outbox } from '#client/sync/outbox.svelte.ts';
import { createEngine } from '#client/crypto/engine.ts';
import { CryptoCallError } from '#client/crypto/crypto-client.ts';
import type { CryptoApi, DecryptResult } from '#client/crypto/protocol.ts';
import { CryptoError, type AheadBackend, type Rng } from '#crypto/index.ts';
import type { MemoryStore } from '#crypto/memory-store.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { FaultStore } from '#test/crypto/support/fault-store.ts';
import { quickKdf } from '../support/exchange.ts';
import { apiOver, never, type Line } from './line.ts';
import type { Channel, ModelServer, Sender } from './server.ts';

export interface Place {
  readonly server: ModelServer;
  readonly backend: AheadBackend;
  readonly now: () => number;
  /** What an engine call answered. */
  readonly onAnswer: (method: keyof CryptoApi, input: unknown, value: unknown) => void;
  /** What should not happen at all. */
  readonly onFault: (what: string) => void;
}

interface Head {
  readonly epoch: number;
  readonly devicesVersion: number;
  readonly lastSeq: number;
}

const NO_HEAD: Head = { epoch: 1, devicesVersion: 1, lastSeq: 0 };

/** What a tab knows of the channels, as Structure would. */
class Known {
  readonly account: Pick<Sender, 'accountId'>;
  readonly #channels = new Map<
    ChannelId,
    Pick<Channel, 'kind' | 'historyPolicy'> & { readers: Channel['readers'] }
  >();
  readonly #heads = new Map<ChannelId, Head>();

  constructor(who: Sender) {
    this.account = { accountId: who.accountId };
  }

  load(server: ModelServer): void {
    this.#channels.clear();
    for (const channel of server.channels.values()) {
      const { channelId, epoch, devicesVersion, log } = channel;
      if (!channel.readers.has(this.account.accountId)) continue;
      const { kind, historyPolicy } = channel;
      this.#channels.set(channelId, { kind, historyPolicy, readers: new Set(channel.readers) });
      this.#heads.set(channelId, { epoch, devicesVersion, lastSeq: log.length });
    }
  }

  get ids(): ChannelId[] {
    return [...this.#channels.keys()];
  }

  channel(channelId: ChannelId): Pick<Channel, 'kind' | 'historyPolicy'> | null {
    return this.#channels.get(channelId) ?? null;
  }

  head(channelId: ChannelId): Head {
    return this.#heads.get(channelId) ?? NO_HEAD;
  }

  membersOf(channelId: ChannelId) {
    const channel = this.#channels.get(channelId);
    return channel?.kind === 'dm' ? [...channel.readers] : null;
  }

  note(channelId: ChannelId, seen: Partial<Head>): void {
    const { epoch, devicesVersion, lastSeq } = this.head(channelId);
    this.#heads.set(channelId, {
      epoch: Math.max(epoch, seen.epoch ?? 0),
      devicesVersion: Math.max(devicesVersion, seen.devicesVersion ?? 0),
      lastSeq: Math.max(lastSeq, seen.lastSeq ?? 0),
    });
  }
}

export class Tab {
  readonly store: FaultStore;
  readonly crypto: CryptoApi;
  readonly keys: Keys;
  readonly outbox: Outbox;
  readonly backup: Backup;
  readonly repairs: Repairs;
  readonly known: Known;
  /** Channels with messages that wait for keys. */
  readonly wanting = new Set<ChannelId>();
  readonly #place: Place;
  readonly #logs = new Map<ChannelId, ChannelLog>();
  readonly api: ReturnType<typeof apiOver>;
  #isDead = false;

  constructor(place: Place, of: { who: Sender; disk: MemoryStore; line: Line; rng: Rng }) {
    this.#place = place;
    const { server, now } = place;
    this.store = new FaultStore(of.disk);
    const engine = createEngine({ store: this.store, rng: of.rng, argon2: quickKdf, backend: place.backend });
    this.crypto = this.#acrossTheWorker(engine);
    this.known = new Known(of.who);
    const api = apiOver(server, of.who, { line: of.line, isDead: () => this.isDead });
    this.api = api;
    const { crypto, known: structure } = this;
    const ignore = (): void => undefined;
    this.keys = new Keys({
      crypto,
      api: () => api,
      structure,
      now,
      onUnlocked: (channelId) => void this.#logs.get(channelId)?.retryPending(),
      onIdentities: ignore,
      onReaders: ignore,
      onRepair: () => void this.repairs.run(),
    });
    this.repairs = new Repairs({ crypto, api: () => api, keys: this.keys, now });
    const onKeys = (): void => this.retryAll();
    const isLeading = (): boolean => true;
    this.backup = new Backup({ crypto, api: () => api, keys: this.keys, now, isLeading, onKeys });
    this.outbox = new Outbox({
      crypto,
      api: () => api,
      keys: this.keys,
      now,
      onAccepted: async (channelId, ack) => {
        await this.#logs.get(channelId)?.catchUp(ack.seq);
        return true;
      },
    });
  }

  get isDead(): boolean {
    if (this.store.crashed) this.die();
    return this.#isDead;
  }

  die(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.store.arm(0);
    this.outbox.close();
    this.backup.close();
    this.repairs.close();
  }

  /** As its callers meet it behind the worker: a failure is a code, and a worker that is gone answers nothing. */
  #acrossTheWorker(engine: CryptoApi): CryptoApi {
    return new Proxy(engine, {
      get: (target, method: keyof CryptoApi) => async (input: never) => {
        if (this.isDead) return never();
        try {
          const value = await (target[method] as (given: never) => Promise<unknown>)(structuredClone(input));
          if (this.isDead) return await never();
          this.#place.onAnswer(method, input, value);
          return value;
        } catch (error) {
          if (this.isDead) return never();
          if (!(error instanceof CryptoError)) this.#place.onFault(`${method} threw ${String(error)}`);
          throw new CryptoCallError(error instanceof CryptoError ? error.code : 'internal');
        }
      },
    });
  }

  log(channelId: ChannelId): ChannelLog {
    const known = this.#logs.get(channelId);
    if (known) return known;
    const log = new ChannelLog({
      ...this.#opening(channelId),
      isModerator: () => false,
      onSettled: (eventId) => this.outbox.settle(eventId),
    });
    this.#logs.set(channelId, log);
    return log;
  }

  /** Reads events through, as the export does. */
  read(channelId: ChannelId, events: readonly ChannelEvent[], certs: readonly string[]) {
    const opener = new Opener(this.#opening(channelId));
    return opener.open(events, certs).then((found): DecryptResult[] => [...found.values()]);
  }

  #opening(channelId: ChannelId): OpenerOptions {
    const { known, keys } = this;
    return {
      channelId,
      api: () => this.api,
      crypto: this.crypto,
      now: this.#place.now,
      conversation: () => ({
        kind: known.channel(channelId)?.kind ?? 'text',
        members: known.membersOf(channelId),
        epoch: known.head(channelId).epoch,
      }),
      keys,
      onKeysMissing: (id) => void this.wanting.add(id),
    };
  }

  retryAll(): void {
    for (const log of this.#logs.values()) void log.retryPending();
  }

  /** The socket is (again) up: as Workspace does at `live.opened`. */
  async connected(): Promise<void> {
    this.known.load(this.#place.server);
    await this.keys.lead();
    for (const channelId of this.known.ids) {
      const log = this.log(channelId);
      if (log.status === 'ready') void log.catchUp(this.known.head(channelId).lastSeq);
      else void log.open();
    }
    await this.outbox.resume();
    await this.backup.catchUp();
  }

  async hear(event: LiveEvent): Promise<void> {
    switch (event.type) {
      case 'event.appended':
        this.known.note(event.event.channelId, { lastSeq: event.event.seq });
        this.#logs.get(event.event.channelId)?.receive(event.event, event.chainCert);
        return;
      case 'mailbox.received':
        return this.keys.receive([event.packet]);
      case 'channel.rekeyed':
        // With it comes the channel itself to whoever joins.
        if (!this.known.channel(event.channelId)) this.known.load(this.#place.server);
        this.known.note(event.channelId, event);
        await this.keys.conversation(event.channelId);
        return this.keys.distribute(event.channelId);
      case 'devices.changed':
        return this.keys.refreshLogs([{ accountId: event.accountId, headSeq: event.headSeq }]);
      case 'prekeys.claimed':
        return this.keys.publishPrekeys();
      default:
        throw new Error(`the model server said ${event.type}`);
    }
  }

  /** Asks for what is missing; true when there are more to ask. */
  async ask(): Promise<boolean> {
    let hasMore = false;
    for (const channelId of [...this.wanting]) {
      await this.#logs.get(channelId)?.retryPending();
      if (await this.keys.requestKeys(channelId)) hasMore = true;
      else this.wanting.delete(channelId);
    }
    return hasMore;
  }
}

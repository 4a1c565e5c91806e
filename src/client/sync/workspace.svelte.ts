// A signed-in person's workspace: builds the sync engine, loads the bootstrap at every (re)connect, and routes each
// live event to whoever it concerns.
import { LiveConnection } from '#client/api/live.svelte.ts';
import type { Api } from '#client/api/trpc.ts';
import type { CryptoClient } from '#client/crypto/crypto-client.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';
import { Backup } from './backup.svelte.ts';
import type { ChannelLog } from './channel-log.svelte.ts';
import { Fading } from './fading.ts';
import { Identities } from './identities.svelte.ts';
import { Keys } from './keys.ts';
import { LateHeads } from './late-heads.ts';
import { Lease } from './lease.svelte.ts';
import { Logs } from './logs.ts';
import { Members } from './members.svelte.ts';
import type { Opener } from './opener.ts';
import { Outbox } from './outbox.svelte.ts';
import { People } from './people.svelte.ts';
import { ReaderNotices } from './reader-notices.ts';
import { Repairs } from './repairs.svelte.ts';
import { Structure } from './structure.svelte.ts';
import { Typing } from './typing.svelte.ts';

export interface WorkspaceOptions {
  readonly crypto: CryptoClient;
  readonly token: () => Promise<string>;
  readonly currentToken: () => string | null;
  readonly onRefused: () => void;
}

const RETRY_MS = 3000;

export class Workspace {
  readonly structure = new Structure();
  readonly people: People;
  readonly identities: Identities;
  readonly members: Members;
  readonly typing: Typing;
  readonly keys: Keys;
  readonly outbox: Outbox;
  readonly backup: Backup;
  readonly live: LiveConnection;
  readonly notices = new ReaderNotices(this);
  readonly repairs: Repairs;
  readonly lease: Lease;
  readonly #lateHeads = new LateHeads(this);
  readonly #logs = new Logs(this);
  readonly #fading = new Fading(this, { logs: this.#logs, isLeading: () => this.#isLeading });
  readonly #crypto: CryptoClient;
  /** Server time minus local time, ms. */
  #skew = 0;
  /** Events that came between `live.opened` and the bootstrap; null when state is loaded. */
  #early: LiveEvent[] | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** The crypto worker is this tab's. */
  #isLeading = false;

  constructor(options: WorkspaceOptions) {
    const { crypto } = options;
    this.#crypto = crypto;
    this.live = new LiveConnection({
      token: options.token,
      currentToken: options.currentToken,
      onOpened: (now) => void this.#opened(now),
      onEvent: (event) => this.#hear(event),
      onRefused: options.onRefused,
    });
    const api = (): Api => this.live.api;
    const now = (): number => this.now();
    this.people = new People(api);
    this.members = new Members({ api, people: this.people });
    this.typing = new Typing({ api, now: () => Date.now() });
    this.keys = new Keys({
      crypto: crypto.api,
      api,
      structure: this.structure,
      now,
      onUnlocked: (channelId) => void this.#logs.get(channelId)?.retryPending(),
      onIdentities: (accountIds) => this.identities.changed(accountIds),
      onReaders: (channelId, change) => {
        const afterSeq = this.structure.head(channelId).lastSeq;
        this.notices.note(channelId, change, { at: this.now(), afterSeq });
      },
      onRepair: () => void this.repairs.run(),
    });
    this.lease = this.#newLease(api);
    this.repairs = new Repairs({ crypto: crypto.api, api, keys: this.keys, now });
    this.identities = new Identities({
      crypto: crypto.api,
      fetchLogs: (ids) => this.keys.refreshLogs(ids.map((accountId) => ({ accountId }))),
    });
    this.backup = new Backup({
      crypto: crypto.api,
      api,
      keys: this.keys,
      now,
      isLeading: () => this.#isLeading,
      onKeys: () => {
        this.#logs.retryAll();
        this.identities.refreshAll();
      },
    });
    this.outbox = new Outbox({
      crypto: crypto.api,
      api,
      keys: this.keys,
      now,
      onAccepted: async (channelId, ack) => {
        this.backup.soon();
        const log = this.#logs.get(channelId);
        await log?.catchUp(ack.seq);
        return !log || log.status !== 'ready' || log.syncedTo >= ack.seq;
      },
    });
  }

  #newLease(api: () => Api): Lease {
    return new Lease({
      crypto: this.crypto,
      api,
      isLeading: () => this.#isLeading,
      onDoubt: () => this.keys.rest(),
      onAgain: () => void this.#takeUp().catch(() => undefined),
    });
  }

  get api(): Api {
    return this.live.api;
  }

  get crypto(): CryptoClient['api'] {
    return this.#crypto.api;
  }

  get me(): AccountId | null {
    return this.structure.account?.accountId ?? null;
  }

  /** The server's time as this client best knows it, ms. */
  now(): number {
    return Date.now() + this.#skew;
  }

  start(): void {
    this.live.start();
    const lead = async (): Promise<void> => {
      this.#isLeading = true;
      await Promise.all([this.#fading.run().catch(() => undefined), this.#takeUp()]);
      if (this.structure.isLoaded) await this.backup.catchUp();
    };
    // What fails because the network went is taken up at the next connection.
    void this.#crypto.leading.then(lead).catch(() => undefined);
  }

  close(): void {
    const { live, outbox, identities, backup, repairs, lease } = this;
    live.stop();
    clearTimeout(this.#retry);
    for (const part of [outbox, identities, backup, repairs, lease, this.#logs, this.#fading]) part.close();
  }

  /** The log of a conversation; made when first asked for. */
  log(channelId: ChannelId): ChannelLog {
    return this.#logs.open(channelId);
  }

  /** Opens events of a conversation without asking anybody for keys: for reading it through, not for showing it. */
  reader(channelId: ChannelId): Opener {
    return this.#logs.reader(channelId);
  }

  /** What this person vouches for changed: the other devices are to know. */
  async vouchingChanged(accountId: AccountId): Promise<void> {
    await this.identities.reread(accountId);
    this.backup.soon();
  }

  /** Somebody decided about a person: what waited for it goes on. */
  async identitySettled(accountId: AccountId): Promise<void> {
    await this.vouchingChanged(accountId);
    await this.keys.receive([]).catch(() => undefined);
    this.#logs.retryAll();
    await this.outbox.resume();
  }

  /** The duties of the leader tab, once this state of the device is known to be the one that goes on. */
  async #takeUp(): Promise<void> {
    const isHeld = await this.lease.hold();
    if (!this.#isLeading || !isHeld) return;
    if (this.keys.isLeader) return this.keys.catchUp();
    await this.keys.lead();
    await this.outbox.resume();
  }

  async #opened(serverNow: number): Promise<void> {
    this.#skew = serverNow - Date.now();
    clearTimeout(this.#retry);
    // The bootstrap was read at some moment after this: what happens until it is here goes on top of it.
    const early: LiveEvent[] = [];
    this.#early = early;
    try {
      const bootstrap = await this.api.live.bootstrap.query({ known: this.structure.known() });
      if (this.#early !== early) return;
      this.structure.load(bootstrap);
      this.#catchUpWith(early);
      this.people.learn([bootstrap.account, ...bootstrap.dms.flatMap((dm) => dm.members)]);
      await Promise.all([this.people.rewatch(), this.typing.refocus(), this.#takeUp()]);
      this.#logs.catchUp();
      void this.notices.look();
      await this.outbox.resume();
      void this.backup.catchUp();
      void this.repairs.look();
      await this.members.refresh();
    } catch {
      // If the connection went again, the next `live.opened` starts over; if not, this tries once more.
      if (this.#early !== early && this.#early !== null) return;
      this.#catchUpWith(early);
      this.#retry = setTimeout(() => {
        if (this.live.status === 'online') void this.#opened(this.now());
      }, RETRY_MS);
    }
  }

  #catchUpWith(early: readonly LiveEvent[]): void {
    if (this.#early !== early) return;
    this.#early = null;
    for (const event of early) this.#hear(event);
  }

  #hear(event: LiveEvent): void {
    if (this.#early) {
      this.#early.push(event);
      return;
    }
    const stale = this.structure.apply(event);
    if (stale) void this.#refetch(stale);
    this.#lateHeads.look();
    this.members.apply(event);
    this.people.apply(event);
    this.notices.apply(event);
    switch (event.type) {
      case 'event.appended':
        this.typing.stopped(event.event.senderAccountId);
        this.#logs.get(event.event.channelId)?.receive(event.event, event.chainCert);
        break;
      case 'mailbox.received':
        // What is not acknowledged comes again.
        void this.keys
          .receive([event.packet])
          .then(() => this.backup.soon())
          .catch(() => undefined);
        break;
      case 'device.leased':
        void this.lease.heard(event.epoch).catch(() => undefined);
        break;
      case 'device.copied':
        this.lease.copied();
        break;
      case 'channel.rekeyed':
        void this.#rekeyed(event.channelId);
        break;
      case 'devices.changed':
        void this.#devicesChanged(event).catch(() => undefined);
        break;
      case 'prekeys.claimed':
        if (this.keys.isLeader) void this.keys.publishPrekeys().catch(() => undefined);
        break;
      case 'typing.started':
        this.typing.heard(event.channelId, event.accountId);
        break;
      default: // structure and connection: applied above, or the live connection's own
    }
  }

  /** Reader or device set changed: see who reads now, and hand the chain to those who came. */
  async #rekeyed(channelId: ChannelId): Promise<void> {
    if (!this.#logs.get(channelId)) return;
    await this.keys.conversation(channelId).catch(() => undefined);
    await this.keys.distribute(channelId).catch(() => undefined);
  }

  /** The log of an account grew, or is another one of any length. Where it is the own one, the backup is named in it again. */
  async #devicesChanged({ accountId }: { accountId: AccountId }): Promise<void> {
    await this.keys.refreshNewest([accountId]);
    if (accountId === this.me) this.backup.soon();
  }

  async #refetch(communityId: CommunityId): Promise<void> {
    const community = await this.api.communities.get.query({ communityId }).catch(() => null);
    if (community) this.structure.replaceCommunity(community);
    void this.notices.look();
  }
}

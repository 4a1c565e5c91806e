// Key duties (protocol P8, P11, P14): who reads a conversation, which logs and sessions are missing, prekeys, the
// mailbox, handing chains to new devices, asking and answering. The duties run in the leader tab only.
import type { Api } from '#client/api/trpc.ts';
import type { ConversationRef, CryptoApi } from '#client/crypto/protocol.ts';
import type { ChannelReaders, ChannelSummary } from '#shared/channels.ts';
import type { AccountId, ChannelId, DeviceRef } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { MailboxPacket } from '#shared/mailbox.ts';
import type { OwnAccount } from '#shared/users.ts';
import { slices } from '#client/lib/slices.ts';
import { AccountLogs } from './account-logs.ts';
import type { Head, Structure } from './structure.svelte.ts';

export interface KeysOptions {
  readonly crypto: CryptoApi;
  readonly api: () => Api;
  readonly structure: Pick<Structure, 'membersOf'> & {
    readonly account: Pick<OwnAccount, 'accountId'> | null;
    channel(channelId: ChannelId): Pick<ChannelSummary, 'kind' | 'historyPolicy'> | null;
    head(channelId: ChannelId): Pick<Head, 'epoch' | 'devicesVersion'>;
  };
  /** The server's time as this client best knows it, ms. */
  readonly now: () => number;
  /** Messages of this channel may open now. */
  readonly onUnlocked: (channelId: ChannelId) => void;
  /** What is known of these people's identities may have changed. */
  readonly onIdentities: (accountIds: readonly AccountId[]) => void;
  /** Who reads a channel changed, as this device's keys see it (protocol P15). */
  readonly onReaders: (channelId: ChannelId, change: { joined: AccountId[]; left: AccountId[] }) => void;
  /** Packets could not be decrypted here, or not there: somebody is to be asked or answered. */
  readonly onRepair: () => void;
}

export class Keys {
  readonly #options: KeysOptions;
  readonly #readers = new Map<ChannelId, ChannelReaders>();
  /** devicesVersion at which the logs of all readers were last fetched. */
  readonly #fresh = new Map<ChannelId, number>();
  readonly #logs: AccountLogs;
  #isLeader = false;
  #mail: Promise<unknown> = Promise.resolve();

  constructor(options: KeysOptions) {
    this.#options = options;
    const { crypto, api, onIdentities } = options;
    this.#logs = new AccountLogs({ crypto, api, onIdentities, takeMail: () => this.#emptyMailbox() });
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  /** This tab leads now: it takes up the duties. */
  async lead(): Promise<void> {
    this.#isLeader = true;
    await this.catchUp();
  }

  /** Another state of this device may be about: nothing is sent, received or acknowledged until `lead` is called anew. */
  rest(): void {
    this.#isLeader = false;
  }

  /** After every (re)connect: own log, prekeys, mailbox. */
  async catchUp(): Promise<void> {
    if (!this.#isLeader) return;
    await this.refreshOwnLog();
    if (!this.#options.structure.account) return;
    await this.publishPrekeys();
    await this.pullMail();
    // What was due when this tab, or the one before it, went.
    this.#options.onRepair();
  }

  /** Fetches what is new in the own account's log. */
  async refreshOwnLog(): Promise<void> {
    const { account } = this.#options.structure;
    if (account) await this.refreshNewest([account.accountId]);
  }

  async publishPrekeys(): Promise<void> {
    const { crypto, api, now } = this.#options;
    const status = await api().prekeys.status.query();
    const upload = await crypto.preparePrekeys({ status, now: now() });
    if (!upload) return;
    await api().prekeys.publish.mutate({ set: upload.set, units: [...upload.units] });
    await crypto.prekeysPublished();
  }

  /** The conversation as the server says it stands now; read again when its head moved. */
  async conversation(channelId: ChannelId): Promise<ConversationRef> {
    const { structure, api } = this.#options;
    const channel = structure.channel(channelId);
    if (!channel) throw new Error('not a conversation of this account');
    const head = structure.head(channelId);
    const known = this.#readers.get(channelId);
    const isCurrent = known && known.epoch >= head.epoch && known.devicesVersion >= head.devicesVersion;
    const readers = isCurrent ? known : await api().channels.readers.query({ channelId });
    if (!isCurrent) this.#noteReaders(readers);
    return {
      channelId,
      kind: channel.kind,
      epoch: readers.epoch,
      devicesVersion: readers.devicesVersion,
      sharesHistory: channel.historyPolicy === 'shared',
      isEphemeral: channel.historyPolicy === 'ephemeral',
      readers: structure.membersOf(channelId) ?? readers.accountIds,
    };
  }

  #noteReaders(readers: ChannelReaders): void {
    const known = this.#readers.get(readers.channelId);
    this.#readers.set(readers.channelId, readers);
    if (!known) return;
    const joined = readers.accountIds.filter((id) => !known.accountIds.includes(id));
    const left = known.accountIds.filter((id) => !readers.accountIds.includes(id));
    if (joined.length + left.length > 0) this.#options.onReaders(readers.channelId, { joined, left });
  }

  /** Who reads a channel as the server says it now, for the engine to judge senders by. */
  async noteReaders(channelId: ChannelId): Promise<void> {
    const { crypto, now } = this.#options;
    const conversation = await this.conversation(channelId);
    await crypto.missingKeys({ conversation, logsFresh: true, now: now() });
  }

  /** The server refused something as stale: everything about this channel is read again. */
  invalidate(channelId: ChannelId): void {
    const known = this.#readers.get(channelId);
    if (known) this.#readers.set(channelId, { ...known, epoch: -1, devicesVersion: -1 });
    this.#fresh.delete(channelId);
  }

  /** Fetches missing logs and opens missing sessions. Answers devices whose keys did not verify. */
  async prepare(conversation: ConversationRef): Promise<readonly DeviceRef[]> {
    const { crypto, now } = this.#options;
    const { channelId, devicesVersion } = conversation;
    const logsFresh = this.#fresh.get(channelId) === devicesVersion;
    const missing = await crypto.missingKeys({ conversation, logsFresh, now: now() });
    await this.#logs.fetch(missing.logs);
    this.#fresh.set(channelId, devicesVersion);
    const { bundles } =
      logsFresh && missing.logs.length === 0
        ? missing
        : await crypto.missingKeys({ conversation, logsFresh: true, now: now() });
    return this.openSessions(bundles);
  }

  /** Opens sessions from claimed prekeys; answers the devices whose keys did not verify. */
  async openSessions(devices: readonly DeviceRef[]): Promise<readonly DeviceRef[]> {
    const { crypto, api, now } = this.#options;
    const refused: DeviceRef[] = [];
    for (const targets of slices(devices, limits.prekeyClaimDevicesPerCall)) {
      const claims = await api().prekeys.claim.mutate({ targets });
      refused.push(...(await crypto.startSessions({ claims, now: now() })));
    }
    return refused;
  }

  refreshLogs(accounts: readonly { accountId: AccountId; headSeq?: number }[]): Promise<void> {
    return this.#logs.refresh(accounts);
  }

  refreshNewest(accountIds: readonly AccountId[]): Promise<void> {
    return this.#logs.refreshNewest(accountIds);
  }

  /** A direct conversation is looked at: whoever is in it is asked after, so that another identity shows at once. */
  async meet(channelId: ChannelId): Promise<void> {
    const { structure } = this.#options;
    const others = (structure.membersOf(channelId) ?? []).filter((id) => id !== structure.account?.accountId);
    await this.refreshNewest(others).catch(() => undefined);
  }

  /** Everything that waits in the mailbox. */
  async pullMail(): Promise<void> {
    await this.#emptyMailbox();
    await this.#settleLogs();
  }

  /** Packets that came over the live subscription. */
  async receive(packets: readonly MailboxPacket[]): Promise<void> {
    if (!this.#isLeader) return;
    await this.#inMailOrder(() => this.#take(packets));
    await this.#settleLogs();
  }

  #emptyMailbox(): Promise<void> {
    return this.#inMailOrder(async () => {
      for (let after = 0; ;) {
        const packets = await this.#options.api().mailbox.pull.query({ after });
        await this.#take(packets);
        const last = packets.at(-1);
        if (!last || packets.length < limits.mailboxPage) return;
        after = last.seq;
      }
    });
  }

  /** Packets that waited for a log which had to wait for the mailbox. */
  async #settleLogs(): Promise<void> {
    if (await this.#logs.settle()) await this.#inMailOrder(() => this.#take([]));
  }

  #inMailOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#mail.then(work);
    this.#mail = done.catch(() => undefined);
    return done;
  }

  async #take(packets: readonly MailboxPacket[]): Promise<void> {
    const { crypto, api, now, onUnlocked, onIdentities, onRepair } = this.#options;
    let batch = packets;
    for (let round = 0; round < 4; round++) {
      const report = await crypto.receivePackets({ packets: batch, now: now() });
      // A state that may not go on takes in what there is, and leaves it there for whoever may.
      if (report.done.length > 0 && this.#isLeader)
        await api().mailbox.ack.mutate({ seqs: [...report.done] });
      for (const channelId of report.unlocked) onUnlocked(channelId);
      onIdentities(report.alarms.map(({ accountId }) => accountId));
      // A request for a channel that is none of ours is answered by nobody; the others still are.
      if (report.repair) onRepair();
      const requested = this.#isLeader ? report.requested : [];
      for (const channelId of requested) await this.answer(channelId).catch(() => undefined);
      if (report.needLogs.length === 0) return;
      await this.#logs.fetch(report.needLogs, { inMail: true });
      // They are tried once more when the log was taken in, and not in vain before.
      if (this.#logs.isOwing) return;
      batch = [];
    }
  }

  /** Answers who asked for chains of this channel. */
  async answer(channelId: ChannelId): Promise<void> {
    const { crypto, now } = this.#options;
    const conversation = await this.conversation(channelId);
    await this.#post(await crypto.answerRequests({ conversation, now: now() }));
  }

  async #post(packets: Awaited<ReturnType<CryptoApi['distribute']>>): Promise<void> {
    for (const slice of slices(packets, limits.packetsPerSend)) {
      await this.#options.api().mailbox.send.mutate({ packets: slice });
    }
  }

  /** Hands the current chain to reader devices that do not have it. Nothing happens where this device has no chain. */
  async distribute(channelId: ChannelId): Promise<void> {
    if (!this.#isLeader) return;
    const { crypto, now } = this.#options;
    const conversation = await this.conversation(channelId);
    if (conversation.kind === 'dm') return;
    for (;;) {
      await this.prepare(conversation);
      const packets = await crypto.distribute({ conversation, now: now() });
      if (packets.length === 0) return;
      await this.#post(packets);
      await crypto.distributed({ channelId });
    }
  }

  /**
   * Asks for chains whose messages could not be opened: their senders and, where history is shared, other readers.
   * True when there are more to ask, later. `again`: a person asks.
   */
  async requestKeys(channelId: ChannelId, again = false): Promise<boolean> {
    if (!this.#isLeader) return false;
    const { crypto, now } = this.#options;
    const conversation = await this.conversation(channelId);
    await this.refreshLogs(conversation.readers.map((accountId) => ({ accountId })));
    const first = await crypto.requestKeys({ channelId, conversation, again, now: now() });
    if (first.repair) this.#options.onRepair();
    await this.#post(first.packets);
    if (first.missing.bundles.length === 0) return first.hasMore;
    await this.openSessions(first.missing.bundles);
    const input = { channelId, conversation, hasTriedSessions: true, now: now() };
    const second = await crypto.requestKeys(input);
    await this.#post(second.packets);
    return first.hasMore || second.hasMore;
  }
}

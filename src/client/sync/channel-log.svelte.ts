// One conversation's log in this tab: a window of messages from a page to the head, every event applied in seq order,
// gaps filled from the server, everything opened by the crypto worker before it is shown.
import type { Api } from '#client/api/trpc.ts';
import type { CryptoApi, DecryptResult } from '#client/crypto/protocol.ts';
import {
  applyToTimeline,
  emptyTimeline,
  messageState,
  nextRev,
  type Timeline,
} from '#client/crypto/crypto-client.ts';
import type { AccountId, ChannelId, EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { ChannelEvent } from '#shared/messages.ts';
import { toRow, type MessageRow } from './message-row.ts';
import { Opener, type OpenerOptions } from './opener.ts';

export type LogStatus = 'empty' | 'loading' | 'ready' | 'failed';

export interface ChannelLogOptions extends OpenerOptions {
  readonly channelId: ChannelId;
  readonly api: () => Api;
  readonly crypto: CryptoApi;
  /** Whether this account may moderate the channel, as far as known. */
  readonly isModerator: (accountId: AccountId) => boolean;
  /** A message of ours arrived: its optimistic row has done its work. */
  readonly onSettled: (eventId: EventId) => void;
}

export class ChannelLog {
  readonly channelId: ChannelId;
  readonly #options: ChannelLogOptions;
  readonly #opener: Opener;
  readonly #events = new Map<EventId, ChannelEvent>();
  readonly #results = new Map<EventId, DecryptResult>();
  readonly #rows = new Map<EventId, MessageRow>();
  #timeline: Timeline = emptyTimeline;
  #shown = $state.raw<readonly MessageRow[]>([]);
  #status = $state<LogStatus>('empty');
  #hasOlder = $state(false);
  #isLoadingOlder = $state(false);
  #syncedTo = 0;
  #work: Promise<void> = Promise.resolve();

  constructor(options: ChannelLogOptions) {
    this.channelId = options.channelId;
    this.#options = options;
    this.#opener = new Opener(options);
  }

  /** Messages of the window, oldest first. */
  get rows(): readonly MessageRow[] {
    return this.#shown;
  }

  get status(): LogStatus {
    return this.#status;
  }

  get hasOlder(): boolean {
    return this.#hasOlder;
  }

  get isLoadingOlder(): boolean {
    return this.#isLoadingOlder;
  }

  find(eventId: EventId): MessageRow | null {
    return this.#rows.get(eventId) ?? null;
  }

  /** Newest seq everything up to which is applied. */
  get syncedTo(): number {
    return this.#syncedTo;
  }

  nextRev(target: EventId, change: { accountId: AccountId; now: number }): number {
    return nextRev(this.#timeline, { target, ...change });
  }

  /** Loads the newest page; later calls catch up with the head instead. */
  open(): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#status === 'ready') return;
      this.#status = 'loading';
      try {
        const page = await this.#options.api().messages.page.query({
          channelId: this.channelId,
          limit: limits.pageMessages,
        });
        await this.#take([...page.messages, ...page.related], Object.values(page.chainCerts));
        this.#hasOlder = page.hasMore;
        this.#syncedTo = Math.max(this.#syncedTo, page.headSeq);
        this.#status = 'ready';
      } catch {
        this.#status = 'failed';
      }
    });
  }

  loadOlder(): Promise<void> {
    if (!this.#hasOlder || this.#isLoadingOlder) return Promise.resolve();
    this.#isLoadingOlder = true;
    return this.#inOrder(async () => {
      try {
        const before = this.#oldestOrdinal();
        const page = await this.#options.api().messages.page.query({
          channelId: this.channelId,
          limit: limits.pageMessages,
          ...(before === null ? {} : { before }),
        });
        await this.#take([...page.messages, ...page.related], Object.values(page.chainCerts));
        this.#hasOlder = page.hasMore;
      } catch {
        // The button to load older messages stays: trying again is all there is to say.
      } finally {
        this.#isLoadingOlder = false;
      }
    });
  }

  #oldestOrdinal(): number | null {
    const ordinals = [...this.#events.values()].flatMap((e) => (e.ordinal === null ? [] : [e.ordinal]));
    return ordinals.length === 0 ? null : Math.min(...ordinals);
  }

  /** A live event. Seen ones are dropped by seq; a hole before it is filled first. */
  receive(event: ChannelEvent, chainCert: string | null): void {
    if (this.#status !== 'ready' && this.#status !== 'loading') return;
    void this.#inOrder(async () => {
      if (this.#status !== 'ready' || event.seq <= this.#syncedTo) return;
      if (event.seq > this.#syncedTo + 1) await this.#fill(event.seq - 1);
      if (event.seq !== this.#syncedTo + 1) return;
      await this.#take([event], chainCert === null ? [] : [chainCert]);
      this.#syncedTo = event.seq;
    });
  }

  /** Applies everything up to this seq: after a reconnect, or after an acknowledgement. */
  catchUp(headSeq: number): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#status === 'ready') await this.#fill(headSeq);
    });
  }

  async #fill(toSeq: number): Promise<void> {
    while (this.#syncedTo < toSeq) {
      const input = { channelId: this.channelId, fromSeq: this.#syncedTo + 1, toSeq };
      const gap = await this.#options.api().messages.gap.query(input);
      await this.#take(gap.events, Object.values(gap.chainCerts));
      if (gap.toSeq <= this.#syncedTo) return;
      this.#syncedTo = gap.toSeq;
    }
  }

  /** Keys came: what could not be opened is tried again. */
  retryPending(): Promise<void> {
    return this.#inOrder(async () => {
      const pending = [...this.#results.values()].filter((result) => result.status === 'pending');
      const events = pending.flatMap((result) => this.#events.get(result.eventId) ?? []);
      if (events.length > 0) await this.#take(events, []);
    });
  }

  /** What was to be kept for a day, and is older, leaves this tab. */
  fade(now: number): Promise<void> {
    const isOver = (result: DecryptResult): boolean =>
      result.status === 'decrypted' && result.goneAt !== undefined && result.goneAt <= now;
    return this.#inOrder(() => {
      const over = [...this.#results.values()].filter(isOver);
      for (const { eventId } of over) this.#results.set(eventId, { eventId, status: 'gone' });
      if (over.length > 0) this.#retell();
      return Promise.resolve();
    });
  }

  /** What the messages say, again from what is left. */
  #retell(): void {
    this.#timeline = emptyTimeline;
    const events = [...this.#events.values()].sort((a, b) => a.seq - b.seq);
    for (const event of events) {
      const result = this.#results.get(event.eventId);
      if (result) this.#apply(event, result);
    }
    for (const { eventId } of events) this.#refresh(eventId);
    this.#show();
  }

  /** One piece of work after the other. What fails (the network went) is made good by the next catch-up. */
  #inOrder(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work).catch(() => undefined);
    return this.#work;
  }

  /** Opens events and shows what they change. */
  async #take(events: readonly ChannelEvent[], chainCerts: readonly string[]): Promise<void> {
    const ordered = [...events].sort((a, b) => a.seq - b.seq);
    const results = await this.#opener.open(ordered, chainCerts);
    const touched = new Set<EventId>();
    for (const event of ordered) {
      const result = results.get(event.eventId);
      if (!result) continue;
      this.#events.set(event.eventId, event);
      this.#results.set(event.eventId, result);
      this.#apply(event, result);
      touched.add(event.class === 'message' ? event.eventId : (event.refId ?? event.eventId));
      this.#options.onSettled(event.eventId);
    }
    for (const eventId of touched) this.#refresh(eventId);
    this.#show();
    await this.#forget(ordered);
  }

  #apply(event: ChannelEvent, result: DecryptResult): void {
    if (result.status !== 'decrypted') return;
    const { eventId, seq } = event;
    const accountId = result.senderAccountId;
    const verified = { eventId, seq, class: event.class, accountId, content: result.content };
    this.#timeline = applyToTimeline(this.#timeline, {
      ...verified,
      moderator: this.#options.isModerator(accountId),
    });
  }

  #refresh(eventId: EventId): void {
    const event = this.#events.get(eventId);
    const result = this.#results.get(eventId);
    if (event?.class !== 'message' || !result) return;
    const removal = this.#removalOf(eventId);
    this.#rows.set(eventId, toRow(event, { result, state: messageState(this.#timeline, eventId), removal }));
  }

  /** Who removed a message, by a verified deletion of its author or a moderator; null without one. */
  #removalOf(eventId: EventId): AccountId | null {
    for (const [id, result] of this.#results) {
      if (result.status !== 'decrypted' || result.content.type !== 'redact') continue;
      if (result.content.target !== eventId || !this.#events.has(id)) continue;
      const author = this.#events.get(eventId)?.senderAccountId;
      const by = result.senderAccountId;
      if (by === author || this.#options.isModerator(by)) return by;
    }
    return null;
  }

  #show(): void {
    this.#shown = [...this.#rows.values()].sort((a, b) => a.seq - b.seq);
  }

  /** A deleted message's text leaves this device too, not only the screen. */
  async #forget(events: readonly ChannelEvent[]): Promise<void> {
    const targets = events.flatMap((e) => (e.class === 'redact' && e.refId ? [e.refId] : []));
    const gone = new Set(targets.filter((id) => this.#removalOf(id) !== null));
    if (gone.size === 0) return;
    const removed = [...this.#events.values()].filter(
      (e) =>
        e.envelope !== null && (gone.has(e.eventId) || (e.class === 'edit' && e.refId && gone.has(e.refId))),
    );
    if (removed.length === 0) return;
    const emptied = removed.map((event) => ({ ...event, envelope: null }));
    for (const event of emptied) this.#events.set(event.eventId, event);
    await this.#opener.open(emptied, []);
  }
}

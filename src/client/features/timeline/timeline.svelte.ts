// What the timeline of one conversation shows and how far it was read. The component only scrolls.
import type { Conversation } from '#client/features/conversation/conversation.svelte.ts';
import type { EventId } from '#shared/ids.ts';
import { nextView, type MessageItem, type TimelineItem, type TimelineView } from './timeline-items.ts';

/** At most so many older pages are loaded to find the first unread message. */
const UNREAD_PAGES = 4;
/** At most so many older pages are loaded to find a message that is jumped to. */
const JUMP_PAGES = 20;
const READ_AFTER_MS = 250;
const FLASH_MS = 1600;

export class Timeline {
  readonly conversation: Conversation;
  #view: TimelineView | null = null;
  readonly #shown = $derived.by(() => this.#next());
  #unreadAfter = $state<number | null>(null);
  #isPlaced = $state(false);
  #flashed = $state<EventId | null>(null);
  #isClosed = false;
  #reading: ReturnType<typeof setTimeout> | undefined;
  #flashing: ReturnType<typeof setTimeout> | undefined;

  constructor(conversation: Conversation) {
    this.conversation = conversation;
  }

  /** The list and whether it grew above. */
  get view(): TimelineView {
    return this.#shown;
  }

  get items(): readonly TimelineItem[] {
    return this.#shown.items;
  }

  /** The row just jumped to. */
  get flashed(): EventId | null {
    return this.#flashed;
  }

  /** False until the place to start reading at is known. */
  get isPlaced(): boolean {
    return this.#isPlaced;
  }

  get status(): Conversation['log']['status'] {
    return this.conversation.log.status;
  }

  /** Messages nobody read yet on this account. */
  get unread(): number {
    return this.conversation.workspace.structure.unread(this.conversation.channelId);
  }

  get isEmpty(): boolean {
    return !this.items.some(({ kind }) => kind === 'message' || kind === 'before' || kind === 'gone');
  }

  #next(): TimelineView {
    const { log, outgoing, workspace, channelId, me } = this.conversation;
    this.#view = nextView(this.#view, {
      rows: log.rows,
      hasOlder: log.hasOlder,
      isReady: log.status === 'ready',
      outgoing,
      notices: workspace.notices.get(channelId),
      me,
      unreadAfter: this.#unreadAfter,
    });
    return this.#view;
  }

  /** Loads the newest page, then back to the first unread message, as far as is reasonable. */
  async open(): Promise<void> {
    const { log, workspace, channelId } = this.conversation;
    const { readOrdinal } = workspace.structure.head(channelId);
    const unread = this.unread;
    await log.open();
    for (let page = 0; page < UNREAD_PAGES && unread > 0 && this.#startsAfter(readOrdinal); page++) {
      await log.loadOlder();
    }
    if (this.#isClosed) return;
    if (unread > 0) this.#unreadAfter = readOrdinal;
    this.#isPlaced = true;
  }

  #startsAfter(ordinal: number): boolean {
    const { log } = this.conversation;
    const first = log.rows[0]?.ordinal ?? null;
    return log.hasOlder && first !== null && first > ordinal + 1;
  }

  loadOlder(): void {
    void this.conversation.log.loadOlder();
  }

  /** The person has the last word: nothing above is new to them. What could not be sent is no answer. */
  get #isAnswered(): boolean {
    const newest = this.items.findLast((item) => item.kind === 'message' && !item.draft?.failure);
    return newest?.kind === 'message' && newest.accountId === this.conversation.me;
  }

  /**
   * New messages came while nobody looked: from here on they are new. Never where `endUnreadLine` would take the line
   * away: each change of the list asks both, and where they disagree the page would do nothing else any more.
   */
  lookAway(): void {
    if (this.unread === 0 || this.#isAnswered) return;
    const { workspace, channelId } = this.conversation;
    const { readOrdinal } = workspace.structure.head(channelId);
    // A line above what was read meanwhile moves down; one above what is still new stays.
    if (this.#unreadAfter === null || readOrdinal > this.#unreadAfter) this.#unreadAfter = readOrdinal;
  }

  /** To be asked after each change of the list: an answer ends the line. */
  endUnreadLine(): void {
    if (this.#isAnswered) this.#unreadAfter = null;
  }

  /** The newest message is on screen and the person is here: says so, at most four times a second, if it still is. */
  markRead(isSeen: () => boolean): void {
    this.#reading ??= setTimeout(() => {
      this.#reading = undefined;
      const { log, workspace, channelId } = this.conversation;
      const { readSeq } = workspace.structure.head(channelId);
      if (!isSeen() || this.unread === 0 || log.syncedTo <= readSeq) return;
      workspace.api.cursors.move.mutate({ channelId, seq: log.syncedTo }).catch(() => undefined);
    }, READ_AFTER_MS);
  }

  /** Index of a message, loading older pages until it is there; −1 when it is not to be found. */
  async seek(eventId: EventId): Promise<number> {
    const { log } = this.conversation;
    for (let page = 0; page < JUMP_PAGES; page++) {
      if (this.#isClosed) return -1;
      const at = this.indexOf(eventId);
      if (at >= 0 || !log.hasOlder) return at;
      await log.loadOlder();
    }
    return this.#isClosed ? -1 : this.indexOf(eventId);
  }

  indexOf(key: string): number {
    return this.items.findIndex((item) => item.key === key);
  }

  flash(eventId: EventId): void {
    clearTimeout(this.#flashing);
    this.#flashed = eventId;
    this.#flashing = setTimeout(() => (this.#flashed = null), FLASH_MS);
  }

  message(eventId: string | null): MessageItem | null {
    const item = this.items.find((found) => found.key === eventId);
    return item?.kind === 'message' ? item : null;
  }

  /** Its screen is gone: what is still under way changes nothing any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#reading);
    clearTimeout(this.#flashing);
  }
}

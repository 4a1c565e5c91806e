// Where the timeline stands: follows new messages at the bottom, keeps its place elsewhere, starts at the first unread
// message, and says what was read only when it really was on screen.
import { tick } from 'svelte';
import type { VirtualizerHandle } from 'virtua/svelte';
import type { EventId } from '#shared/ids.ts';
import type { Timeline } from './timeline.svelte.ts';

/** Older messages are loaded before the top is reached. */
const NEAR_TOP_PX = 800;
/** Room above the unread line for the message it follows. */
const ABOVE_UNREAD_PX = 48;
/** Browsers round scroll positions. */
const ROUNDING_PX = 1.5;

export class TimelineScroll {
  readonly #timeline: Timeline;
  /** Both set by the component. */
  scroller = $state<HTMLElement>();
  list = $state<VirtualizerHandle>();
  #isStuck = $state(true);
  #isFocused = document.hasFocus();

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** At the bottom: what comes next is followed. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** Only what can scroll can keep its place. */
  get isScrollable(): boolean {
    return this.scroller !== undefined && this.scroller.scrollHeight > this.scroller.clientHeight;
  }

  setFocused(isFocused: boolean): void {
    this.#isFocused = isFocused;
    if (isFocused) this.readIfSeen();
  }

  readonly toEnd = (): void => this.list?.scrollToIndex(this.#timeline.items.length - 1, { align: 'end' });

  /** Not a hidden column, not a tab in the background. */
  readIfSeen(): void {
    if (!this.#timeline.isPlaced) return;
    const isOnScreen = (this.scroller?.clientHeight ?? 0) > 0 && !document.hidden;
    if (this.#isStuck && this.#isFocused && isOnScreen) this.#timeline.markRead();
    else this.#timeline.lookAway();
  }

  readonly onscroll = (offset: number): void => {
    const { list } = this;
    if (!list || !this.#timeline.isPlaced) return;
    this.#isStuck = offset - list.getScrollSize() + list.getViewportSize() >= -ROUNDING_PX;
    if (offset < NEAR_TOP_PX) this.#timeline.loadOlder();
    this.readIfSeen();
  };

  readonly onresize = (): void => {
    if (this.#isStuck && this.#timeline.isPlaced) this.toEnd();
  };

  async open(): Promise<void> {
    await this.#timeline.open();
    await tick();
    if (this.#timeline.isClosed) return;
    const unread = this.#timeline.indexOf('unread');
    if (unread > 0) this.list?.scrollToIndex(unread, { align: 'start', offset: -ABOVE_UNREAD_PX });
    else this.toEnd();
    this.readIfSeen();
  }

  /** The list changed. */
  async follow(): Promise<void> {
    await tick();
    if (this.#timeline.isClosed) return;
    this.#timeline.endUnreadLine();
    if (this.#isStuck) this.toEnd();
    this.readIfSeen();
    const { list } = this;
    if (list && list.getScrollSize() <= list.getViewportSize() + NEAR_TOP_PX) this.#timeline.loadOlder();
  }

  async jump(eventId: EventId): Promise<void> {
    const index = await this.#timeline.seek(eventId);
    if (index < 0) return;
    await tick();
    if (this.#timeline.isClosed) return;
    this.#isStuck = false;
    this.list?.scrollToIndex(index, { align: 'center' });
    this.#timeline.flash(eventId);
  }
}

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

/** Rows are measured and places taken. */
const settled = async (): Promise<void> => {
  for (let frame = 0; frame < 4; frame++) await new Promise((resolve) => requestAnimationFrame(resolve));
};

export class TimelineScroll {
  readonly #timeline: Timeline;
  /** Both set by the component. */
  scroller = $state<HTMLElement>();
  list = $state<VirtualizerHandle>();
  #isStuck = $state(true);
  #isFocused = document.hasFocus();
  /** Where it stood when it was looked at last, px. */
  #offset = 0;

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

  /** Not a hidden column, not a tab in the background, not somewhere above. */
  readonly #isNewestSeen = (): boolean =>
    this.#isStuck && this.#isFocused && !document.hidden && (this.scroller?.clientHeight ?? 0) > 0;

  readIfSeen(): void {
    if (!this.#timeline.isPlaced) return;
    if (this.#isNewestSeen()) this.#timeline.markRead(this.#isNewestSeen);
    else this.#timeline.lookAway();
  }

  /** Rows that turn out taller than thought push the end away from who stands there: only who moves up leaves it. */
  #look(list: VirtualizerHandle, offset: number): void {
    const isAtEnd = offset - list.getScrollSize() + list.getViewportSize() >= -ROUNDING_PX;
    if (isAtEnd || offset < this.#offset - ROUNDING_PX) this.#isStuck = isAtEnd;
    this.#offset = offset;
    this.readIfSeen();
  }

  readonly onscroll = (offset: number): void => {
    const { list } = this;
    if (!list || !this.#timeline.isPlaced) return;
    this.#look(list, offset);
    if (offset < NEAR_TOP_PX) this.#timeline.loadOlder();
  };

  readonly onresize = (): void => {
    if (this.#isStuck && this.#timeline.isPlaced) this.toEnd();
  };

  async open(): Promise<void> {
    this.#isStuck = this.#timeline.unread === 0;
    await this.#timeline.open();
    await tick();
    if (this.#timeline.isClosed) return;
    const unread = this.#timeline.indexOf('unread');
    this.#isStuck = unread < 0;
    if (unread < 0) return this.follow();
    this.list?.scrollToIndex(unread, { align: 'start', offset: -ABOVE_UNREAD_PX });
    // What fits on the screen does not scroll, so nothing else will tell that the end is in view.
    await settled();
    const { list } = this;
    if (list && !this.#timeline.isClosed) this.#look(list, list.getScrollOffset());
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

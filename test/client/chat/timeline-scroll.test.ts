// Following: who stands at the end stays there, whatever rows turn out to measure; who moves up is left where they are.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { VirtualizerHandle } from 'virtua/svelte';
import { Timeline } from '#client/features/timeline/timeline.svelte.ts';
import { TimelineScroll } from '#client/features/timeline/timeline-scroll.svelte.ts';
import { ben, openRoom, row } from './rooms.svelte.ts';

const VIEWPORT_PX = 500;

/** The list as a browser lays it out: here nothing has a size. */
class Layout implements Pick<VirtualizerHandle, 'getScrollSize' | 'getViewportSize'> {
  size = 1000;
  toEnd = 0;
  readonly getScrollSize = (): number => this.size;
  readonly getViewportSize = (): number => VIEWPORT_PX;
  readonly getScrollOffset = (): number => this.size - VIEWPORT_PX;
  readonly scrollToIndex = (): void => void (this.toEnd += 1);
}

let timeline: Timeline;
let scroll: TimelineScroll;
let layout: Layout;
beforeEach(async () => {
  const room = await openRoom();
  room.rows = [row(1, ben), row(2, ben)];
  room.head(2, 2);
  timeline = new Timeline(room.conversation);
  scroll = new TimelineScroll(timeline);
  layout = new Layout();
  scroll.list = layout as unknown as VirtualizerHandle;
  await scroll.open();
  scroll.onscroll(layout.size - VIEWPORT_PX);
});
afterEach(() => timeline.close());

it('stays at the end where a row turned out taller before its scrolling was heard of', () => {
  layout.size += 120;
  scroll.onscroll(layout.size - VIEWPORT_PX - 80);
  expect(scroll.isStuck).toBe(true);
  const before = layout.toEnd;
  scroll.onresize();
  expect(layout.toEnd).toBe(before + 1);
});

it('leaves the end with whoever moves up, and comes back with them', () => {
  scroll.onscroll(layout.size - VIEWPORT_PX - 200);
  expect(scroll.isStuck).toBe(false);
  scroll.onscroll(layout.size - VIEWPORT_PX - 100);
  expect(scroll.isStuck).toBe(false);
  scroll.onscroll(layout.size - VIEWPORT_PX);
  expect(scroll.isStuck).toBe(true);
});

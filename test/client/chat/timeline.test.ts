// Reading: where the unread line stands, when the cursor moves, how far back is looked.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Timeline } from '#client/features/timeline/timeline.svelte.ts';
import type { Draft } from '#client/crypto/protocol.ts';
import type { EventId } from '#shared/ids.ts';
import { ben, channelId, me, openRoom, row, type Room } from './rooms.svelte.ts';

let room: Room;
let timeline: Timeline;
beforeEach(async () => {
  room = await openRoom();
  timeline = new Timeline(room.conversation);
  vi.useFakeTimers();
});
afterEach(() => {
  timeline.close();
  vi.useRealTimers();
});

/** A message of one's own that was given up. */
const unsent = (eventId: string): Draft => ({
  ...{ eventId: eventId as EventId, channelId, class: 'message', refId: null, mentions: [] },
  ...{
    content: { type: 'text', text: 'unsent', replyTo: null },
    createdAt: 1_700_000_050_000,
    failure: 'gone',
  },
});

/** The message right below the unread line. */
function firstNew(): string | undefined {
  // A fresh look: outside components nothing keeps derived values up to date but reading them.
  const { items } = timeline;
  const at = items.findIndex((item) => item.kind === 'unread');
  return at < 0 ? undefined : items[at + 1]?.key;
}

describe('the unread line', () => {
  it('stands above the first message that was not read', async () => {
    room.rows = [row(1, ben), row(2, ben), row(3, ben)];
    room.head(3, 1);
    await timeline.open();
    expect(firstNew()).toBe('event-2');
  });

  it('is looked for in older pages, but not for ever', async () => {
    room.rows = [row(60, ben)];
    room.older = Array.from({ length: 9 }, (_, page) => [row(59 - page, ben)]);
    room.head(60, 10);
    await timeline.open();
    expect(room.rows).toHaveLength(5);
  });

  it('is not drawn where everything was read', async () => {
    room.rows = [row(1, ben)];
    room.head(1, 1);
    await timeline.open();
    expect(firstNew()).toBeUndefined();
  });

  it('comes when nobody looks, stays above what is new, moves below what was read, ends with an answer', async () => {
    room.rows = [row(1, ben)];
    room.head(1, 1);
    await timeline.open();
    const show = (count: number, readOrdinal: number): void => {
      room.rows = Array.from({ length: count }, (_, index) => row(index + 1, ben));
      room.head(count, readOrdinal);
      timeline.lookAway();
    };
    show(2, 1);
    expect(firstNew()).toBe('event-2');
    show(3, 1);
    expect(firstNew()).toBe('event-2');
    show(4, 3);
    expect(firstNew()).toBe('event-4');
    room.rows = [...room.rows, row(5, me)];
    room.head(5, 5);
    timeline.endUnreadLine();
    expect(firstNew()).toBeUndefined();
  });

  it('stays away after an answer that the count of unread messages does not know of yet', async () => {
    room.rows = [row(1, ben), row(2, ben)];
    room.head(2, 2);
    await timeline.open();
    room.rows = [...room.rows, row(3, ben), row(4, me)];
    room.head(3, 2);
    const { view } = timeline;
    for (let i = 0; i < 3; i++) {
      timeline.endUnreadLine();
      timeline.lookAway();
      // Another view would be gone through again, and so on for ever.
      expect(timeline.view.items).toEqual(view.items);
    }
    expect(firstNew()).toBeUndefined();
  });

  it('is not ended by an answer that could not be sent', async () => {
    room.rows = [row(1, ben), row(2, ben)];
    room.drafts.push(unsent('event-9'));
    room.head(2, 1);
    await timeline.open();
    timeline.endUnreadLine();
    expect(firstNew()).toBe('event-2');
  });
});

describe('reading', () => {
  it('moves the cursor to the newest event, once for many messages', async () => {
    room.rows = [row(1, ben), row(2, ben)];
    room.head(2, 0);
    await timeline.open();
    for (let i = 0; i < 10; i++) timeline.markRead(() => true);
    vi.advanceTimersByTime(300);
    expect(room.moved).toEqual([2]);
  });

  it('says nothing where nothing is unread', async () => {
    room.rows = [row(1, ben)];
    room.head(1, 1);
    await timeline.open();
    timeline.markRead(() => true);
    vi.advanceTimersByTime(300);
    expect(room.moved).toEqual([]);
  });

  it('says nothing when the person has scrolled away in the meantime', async () => {
    room.rows = [row(1, ben)];
    room.head(1, 0);
    await timeline.open();
    timeline.markRead(() => false);
    vi.advanceTimersByTime(300);
    expect(room.moved).toEqual([]);
  });
});

describe('jumping', () => {
  it('loads older pages until the message is there', async () => {
    room.rows = [row(9, ben)];
    room.older = [[row(8, ben)], [row(7, ben)], [row(6, ben)]];
    expect(await timeline.seek('event-7' as EventId)).toBeGreaterThan(0);
    expect(room.rows[0]?.eventId).toBe('event-7');
  });

  it('gives up where there is nothing older', async () => {
    room.rows = [row(9, ben)];
    expect(await timeline.seek('event-1' as EventId)).toBe(-1);
  });
});

// What the timeline shows, from rows, drafts and notices: lines, groups, collapsing, identity of unchanged items.
import { describe, expect, it } from 'vitest';
import type { Draft } from '#client/crypto/protocol.ts';
import {
  nextView,
  type MessageItem,
  type TimelineInput,
  type TimelineItem,
} from '#client/features/timeline/timeline-items.ts';
import type { MessageRow } from '#client/sync/message-row.ts';
import type { AccountId, ChannelId, DeviceId, EventId } from '#shared/ids.ts';

const MINUTE = 60_000;
const noon = new Date(2026, 10, 12, 12).getTime();
const ada = 'ada' as AccountId;
const ben = 'ben' as AccountId;

function row(seq: number, options: { by?: AccountId; at?: number; text?: string } = {}): MessageRow {
  const { by = ada, at = noon + seq * MINUTE, text = `text ${seq}` } = options;
  return {
    eventId: `event-${seq}` as EventId,
    seq,
    ordinal: seq,
    accountId: by,
    deviceId: 'device' as DeviceId,
    createdAt: at,
    status: 'shown',
    text,
    isEdited: false,
    isPinned: false,
    replyTo: null,
    reactions: [],
    missingBefore: 0,
    isFading: false,
  };
}

const before = (seq: number): MessageRow => {
  const { eventId, ordinal, accountId, deviceId, createdAt } = row(seq);
  const base = { eventId, seq, ordinal, accountId, deviceId, createdAt };
  return { ...base, status: 'failed', reason: 'before_device', withheld: null };
};

function draft(id: string, options: Partial<Draft> = {}): Draft {
  return {
    eventId: id as EventId,
    channelId: 'channel' as ChannelId,
    class: 'message',
    content: { type: 'text', text: id, replyTo: null },
    refId: null,
    mentions: [],
    createdAt: noon + 60 * MINUTE,
    failure: null,
    ...options,
  };
}

const input = (options: Partial<TimelineInput> = {}): TimelineInput => ({
  rows: [],
  hasOlder: false,
  isReady: true,
  outgoing: [],
  notices: [],
  me: ada,
  unreadAfter: null,
  ...options,
});

const build = (options: Partial<TimelineInput>): readonly TimelineItem[] =>
  nextView(null, input(options)).items;
const kinds = (items: readonly TimelineItem[]): string[] => items.map((item) => item.kind);
const messages = (items: readonly TimelineItem[]): MessageItem[] =>
  items.flatMap((item) => (item.kind === 'message' ? [item] : []));

describe('lines', () => {
  it('starts with the start, or with what loads older messages', () => {
    expect(kinds(build({ rows: [row(1)] }))).toEqual(['start', 'day', 'message']);
    expect(kinds(build({ rows: [row(1)], hasOlder: true }))).toEqual(['older', 'day', 'message']);
  });

  it('shows nothing above the first message while the newest page is not here', () => {
    expect(kinds(build({ isReady: false }))).toEqual([]);
  });

  it('draws a line for every new day, and only then', () => {
    const rows = [row(1), row(2), row(3, { at: noon + 24 * 60 * MINUTE })];
    expect(kinds(build({ rows }))).toEqual(['start', 'day', 'message', 'message', 'day', 'message']);
  });

  it('never gives two lines the same key when clocks disagree', () => {
    const rows = [row(1), row(2, { at: noon + 24 * 60 * MINUTE }), row(3)];
    const keys = build({ rows }).map((item) => item.key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('draws the unread line before the first message of somebody else after the read one', () => {
    const rows = [row(1, { by: ben }), row(2), row(3, { by: ben }), row(4, { by: ben })];
    const items = build({ rows, unreadAfter: 1 });
    expect(kinds(items)).toEqual(['start', 'day', 'message', 'message', 'unread', 'message', 'message']);
  });

  it('draws no unread line where only own messages are new', () => {
    expect(kinds(build({ rows: [row(1, { by: ben }), row(2)], unreadAfter: 1 }))).not.toContain('unread');
  });

  it('puts who can read from here on after the message it follows', () => {
    const notice = { at: noon + 2 * MINUTE, afterSeq: 1, accountId: ben, kind: 'joined' as const };
    const items = build({ rows: [row(1), row(2)], notices: [notice] });
    expect(kinds(items)).toEqual(['start', 'day', 'message', 'notice', 'message']);
  });

  it('tells runs of messages that are gone and of ones from before this device apart, each as one line', () => {
    const gone = (seq: number): MessageRow => {
      const { eventId, ordinal, accountId, deviceId, createdAt } = row(seq);
      return { eventId, seq, ordinal, accountId, deviceId, createdAt, status: 'gone' };
    };
    const rows = [before(1), gone(2), gone(3), row(4), gone(5)];
    const change = { at: noon, afterSeq: 3, from: 'ephemeral', to: 'shared', kind: 'policy' } as const;
    const items = build({ rows, notices: [change] });
    expect(kinds(items)).toEqual(['start', 'before', 'gone', 'day', 'notice', 'message', 'gone']);
    expect(items.flatMap((item) => ('count' in item ? [item.count] : []))).toEqual([1, 2, 1]);
  });
});

describe('groups', () => {
  const grouped = (rows: MessageRow[], options: Partial<TimelineInput> = {}): boolean[] =>
    messages(build({ rows, ...options })).map((item) => item.grouped);

  it('groups one author within five minutes', () => {
    expect(grouped([row(1), row(2), row(3, { at: noon + 7 * MINUTE })])).toEqual([false, true, false]);
  });

  it('starts anew with another author, another day and after a line', () => {
    expect(grouped([row(1), row(2, { by: ben }), row(3)])).toEqual([false, false, false]);
    const late = new Date(2026, 10, 12, 23, 59).getTime();
    expect(grouped([row(1, { at: late }), row(2, { at: late + 2 * MINUTE })])).toEqual([false, false]);
    const rows = [row(1, { by: ben }), row(2, { by: ben })];
    expect(grouped(rows, { unreadAfter: 1 })).toEqual([false, false]);
  });

  it('groups a draft with the own message before it', () => {
    const items = build({ rows: [row(1)], outgoing: [draft('d', { createdAt: noon + 2 * MINUTE })] });
    expect(messages(items).map((item) => [item.key, item.grouped])).toEqual([
      ['event-1', false],
      ['d', true],
    ]);
  });
});

describe('messages from before this device', () => {
  it('collapses a run into one row that says how many', () => {
    const items = build({ rows: [before(1), before(2), before(3), row(4)] });
    expect(kinds(items)).toEqual(['start', 'before', 'day', 'message']);
    expect(items[1]).toMatchObject({ count: 3 });
  });

  it('keeps its row when older ones of the run are loaded above', () => {
    const first = nextView(null, input({ rows: [before(3), row(4)] }));
    const second = nextView(first, input({ rows: [before(1), before(2), before(3), row(4)] }));
    expect(second.items[1]?.key).toBe(first.items[1]?.key);
    expect(second.items[1]).toMatchObject({ count: 3 });
  });

  it('makes two rows of two runs', () => {
    expect(kinds(build({ rows: [before(1), row(2), before(3)] }))).toEqual([
      'start',
      'before',
      'day',
      'message',
      'before',
    ]);
  });
});

describe('what is on its way', () => {
  it('shows a draft once: its event takes its place under the same key', () => {
    const waiting = build({ outgoing: [draft('event-1')] });
    const arrived = build({ rows: [row(1)], outgoing: [draft('event-1')] });
    expect(messages(waiting).map((item) => item.key)).toEqual(['event-1']);
    expect(messages(arrived).map((item) => item.key)).toEqual(['event-1']);
  });

  it('hangs edits, deletions and reactions on the message they change', () => {
    const target = 'event-1' as EventId;
    const outgoing = [
      draft('e', { class: 'edit', refId: target }),
      draft('x', { class: 'redact', refId: target }),
      draft('r', { class: 'reaction', refId: target }),
    ];
    const [item] = messages(build({ rows: [row(1)], outgoing }));
    expect(item?.pending).toEqual({ edit: outgoing[0], removal: outgoing[1], reactions: [outgoing[2]] });
  });
});

describe('the next list', () => {
  it('keeps every item that did not change', () => {
    const rows = [row(1), row(2)];
    const first = nextView(null, input({ rows }));
    const second = nextView(first, input({ rows: [...rows, row(3)] }));
    expect(second.items.slice(0, 4)).toEqual(first.items);
    second.items.slice(0, 4).forEach((item, index) => expect(item).toBe(first.items[index]));
  });

  it('replaces an item whose row changed', () => {
    const first = nextView(null, input({ rows: [row(1)] }));
    const second = nextView(first, input({ rows: [row(1, { text: 'edited' })] }));
    expect(second.items[2]).not.toBe(first.items[2]);
  });

  it('says that it grew above, and not that a line or a newer message came', () => {
    const first = nextView(null, input({ rows: [row(5, { by: ben })], hasOlder: true }));
    const older = nextView(first, input({ rows: [row(4), row(5, { by: ben })], hasOlder: true }));
    const newer = nextView(first, input({ rows: [row(5, { by: ben }), row(6)], hasOlder: true }));
    const line = nextView(first, input({ rows: [row(5, { by: ben })], hasOlder: true, unreadAfter: 4 }));
    expect([older.prepended, newer.prepended, line.prepended]).toEqual([true, false, false]);
  });
});

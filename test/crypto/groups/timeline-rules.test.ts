import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Content } from '#crypto/content.ts';
import { classOf } from '#crypto/content.ts';
import type { EventClass } from '#crypto/envelope.ts';
import { idKey } from '#crypto/ids.ts';
import {
  applyTimelineEvent,
  EMPTY_TIMELINE,
  mayEdit,
  nextRevision,
  viewMessage,
  type TimelineEvent,
  type TimelineState,
} from '#crypto/timeline-rules.ts';

const id = (n: number): Uint8Array => new Uint8Array(16).fill(n);
const ADA = new Uint8Array(32).fill(1);
const BOB = new Uint8Array(32).fill(2);
const EVE = new Uint8Array(32).fill(3);
const MESSAGE = id(100);

let seq = 0;
function event(content: Content, aid: Uint8Array, more: Partial<TimelineEvent> = {}): TimelineEvent {
  seq++;
  const eventClass: EventClass = content.type === 'unknown' ? 'message' : classOf(content);
  return { eventId: id(seq), class: eventClass, seq, aid, content, moderator: false, ...more };
}

const hello = (): TimelineEvent => event({ type: 'text', text: 'hello' }, ADA, { eventId: MESSAGE });
const edit = (rev: number, text: string, target = MESSAGE): Content => ({ type: 'edit', target, rev, text });
const redact: Content = { type: 'redact', target: MESSAGE };
const react = (rev: number, op: 'add' | 'remove', emoji = '👍'): Content => ({
  type: 'reaction',
  target: MESSAGE,
  emoji,
  op,
  rev,
});

function timeline(...events: readonly TimelineEvent[]): TimelineState {
  return events.reduce(applyTimelineEvent, EMPTY_TIMELINE);
}

function shown(...events: readonly TimelineEvent[]) {
  return viewMessage(timeline(...events), MESSAGE)!;
}

describe('timeline rules', () => {
  it('A80 ignores an edit by anybody but the author', () => {
    expect(shown(hello(), event(edit(9, 'forged'), EVE, { moderator: true })).text).toBe('hello');
    const both = shown(event(edit(9, 'forged'), EVE), hello(), event(edit(1, 'mine'), ADA));
    expect(both.text).toBe('mine');
    expect(both.editRev).toBe(1);
  });

  it('A80 ignores a replayed older edit', () => {
    const first = event(edit(1, 'first'), ADA);
    const second = event(edit(2, 'second'), ADA);
    const replayed = { ...first, seq: 10_000 };
    expect(shown(hello(), first, second, replayed).text).toBe('second');
    expect(shown(replayed, second, hello(), first).text).toBe('second');
    // an equal rev is not an increase
    expect(shown(hello(), second, event(edit(2, 'again'), ADA)).text).toBe('second');
  });

  it('A80 an edit of an edit changes nothing', () => {
    const first = event(edit(1, 'first'), ADA);
    const state = timeline(hello(), first, event(edit(2, 'of the edit', first.eventId), ADA));
    expect(viewMessage(state, MESSAGE)!.text).toBe('first');
    expect(viewMessage(state, first.eventId)).toBeNull();
  });

  it('A80 redacts for the author and for moderators only', () => {
    expect(shown(hello(), event(redact, EVE)).redacted).toBe(false);
    expect(shown(hello(), event(redact, ADA)).redacted).toBe(true);
    expect(shown(hello(), event(redact, BOB, { moderator: true })).redacted).toBe(true);
    const gone = shown(event(redact, ADA), hello(), event(edit(5, 'back'), ADA), event(react(1, 'add'), BOB));
    expect(gone).toMatchObject({ text: null, redacted: true, editRev: null, pinned: false, reactions: [] });
  });

  it('A80 a redacted text leaves the state itself', () => {
    const events = [hello(), event(edit(1, 'edited'), ADA), event(redact, ADA), event(edit(2, 'late'), ADA)];
    const state = JSON.stringify(timeline(...events));
    for (const text of ['hello', 'edited', 'late']) expect(state).not.toContain(text);
  });

  it('A80 a reaction counts for its verified author alone', () => {
    const view = shown(hello(), event(react(1, 'add'), BOB), event(react(2, 'remove'), EVE));
    expect(view.reactions).toEqual([{ emoji: '👍', aids: [idKey(BOB)] }]);
  });

  it('A82 reactions end the same whatever order their changes arrive in', () => {
    const changes = [
      event(react(1, 'add'), BOB),
      event(react(2, 'remove'), BOB),
      event(react(3, 'add'), BOB),
      event(react(4, 'remove', '🎉'), BOB),
      event(react(3, 'add', '🎉'), BOB),
      event(react(1, 'add'), EVE),
      event(react(7, 'remove'), EVE),
    ];
    const base = hello();
    fc.assert(
      fc.property(fc.shuffledSubarray([base, ...changes], { minLength: 8 }), (order) => {
        expect(shown(...order).reactions).toEqual([{ emoji: '👍', aids: [idKey(BOB)] }]);
      }),
    );
  });

  it('A82 every timeline is independent of order and of repetition', () => {
    const author = fc.constantFrom(ADA, BOB, EVE);
    const small = fc.nat(3);
    const target = fc.constantFrom(id(1), id(2));
    const content: fc.Arbitrary<Content> = fc.oneof(
      fc.record({ type: fc.constant('edit' as const), target, rev: small, text: fc.constantFrom('a', 'b') }),
      fc.record({
        type: fc.constant('reaction' as const),
        target,
        emoji: fc.constantFrom('👍', '🎉'),
        op: fc.constantFrom('add' as const, 'remove' as const),
        rev: small,
      }),
      fc.record({ type: fc.constantFrom('redact' as const, 'pin' as const, 'unpin' as const), target }),
      fc.constant<Content>({ type: 'unknown' }),
    );
    const spec = fc.record({ content, aid: author, moderator: fc.boolean() });
    const history = fc.array(spec, { maxLength: 12 }).map((specs): TimelineEvent[] => [
      {
        eventId: id(1),
        class: 'message',
        seq: 1,
        aid: ADA,
        content: { type: 'text', text: 'x' },
        moderator: false,
      },
      {
        eventId: id(2),
        class: 'message',
        seq: 2,
        aid: BOB,
        content: { type: 'unknown' },
        moderator: false,
      },
      ...specs.map((s, i) => ({
        ...event(s.content, s.aid),
        eventId: id(50 + i),
        seq: 3 + i,
        moderator: s.moderator,
      })),
    ]);
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat(1000)), (events, stream) => {
        const keys = stream.take(events.length + 3);
        const repeated = [...events, ...events.slice(0, 3)];
        const order = [...keys].map((key, i) => ({ key, event: repeated[i]! })).filter((item) => item.event);
        const shuffled = order.sort((a, b) => a.key - b.key).map((item) => item.event);
        const [one, two] = [timeline(...events), timeline(...shuffled)];
        for (const which of [1, 2]) expect(viewMessage(two, id(which))).toEqual(viewMessage(one, id(which)));
        expect(two).toEqual(one);
      }),
      { numRuns: 300 },
    );
  });

  it('shows pins by the server order, and none on a redacted message', () => {
    const pin: Content = { type: 'pin', target: MESSAGE };
    const unpin: Content = { type: 'unpin', target: MESSAGE };
    const [first, second] = [event(pin, ADA), event(unpin, BOB)];
    expect(shown(hello(), first).pinned).toBe(true);
    expect(shown(second, first, hello()).pinned).toBe(false);
    expect(shown(first, hello(), event(redact, ADA)).pinned).toBe(false);
  });

  it('shows content of a newer client as a message without text, and ignores its other classes', () => {
    const state = timeline(event({ type: 'unknown' }, ADA, { eventId: MESSAGE }));
    expect(viewMessage(state, MESSAGE)).toMatchObject({ text: null, redacted: false });
    const vote = event({ type: 'unknown' }, ADA, { eventId: id(70), class: 'vote' });
    expect(applyTimelineEvent(state, vote)).toBe(state);
  });

  it('keeps the first of two events a server delivers under one id', () => {
    const first = hello();
    const second = event({ type: 'text', text: 'impostor' }, EVE, { eventId: MESSAGE });
    expect(shown(first, second).text).toBe('hello');
    expect(shown(second, first).text).toBe('hello');
  });

  it('says who may edit, and with which rev a change wins', () => {
    const events = [
      hello(),
      event(edit(7, 'seven'), ADA),
      event(react(9, 'add'), ADA),
      event(react(30, 'add'), BOB),
    ];
    const state = timeline(...events);
    const view = viewMessage(state, MESSAGE)!;
    expect(mayEdit(view, ADA)).toBe(true);
    expect(mayEdit(view, BOB)).toBe(false);
    expect(mayEdit(shown(hello(), event(redact, ADA)), ADA)).toBe(false);
    expect(nextRevision(state, { target: MESSAGE, aid: ADA, now: 0 })).toBe(10);
    expect(nextRevision(state, { target: MESSAGE, aid: ADA, now: 500 })).toBe(500);
    expect(nextRevision(state, { target: id(9), aid: ADA, now: 0 })).toBe(1);
  });
});

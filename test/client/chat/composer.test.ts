// Writing: new messages, answers, edits, what comes back when an edit is given up, names, limits.
import { beforeEach, describe, expect, it } from 'vitest';
import { Composer } from '#client/features/composer/composer.svelte.ts';
import type { EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { ben, me, openRoom, row, type Room } from './rooms.svelte.ts';

let room: Room;
let composer: Composer;
beforeEach(async () => {
  room = await openRoom();
  room.rows = [row(1, ben, 'hi'), row(2, me, `mine, <@${ben}>`), row(3, ben, 'last')];
  composer = new Composer(room.conversation);
});

const send = (text: string): string | null => {
  composer.text = text;
  return composer.send();
};

describe('sending', () => {
  it('posts the text with its mentions and empties the field', () => {
    expect(send('  hello @ben  ')).toBeNull();
    expect(room.sent[0]).toMatchObject({
      class: 'message',
      content: { type: 'text', text: `hello <@${ben}>`, replyTo: null },
      mentions: [ben],
      refId: null,
    });
    expect(composer.text).toBe('');
  });

  it('never mentions oneself to the server', () => {
    send('@ada');
    expect(room.sent[0]?.mentions).toEqual([]);
  });

  it('sends no white space', () => {
    expect(send('  \n ')).toBeNull();
    expect(room.sent).toEqual([]);
  });

  it('says when mentions make it too long, and keeps the text', () => {
    const text = `${'x'.repeat(limits.messageMax - 5)} @ben`;
    expect(send(text)).toMatch(/too many/);
    expect(room.sent).toEqual([]);
    expect(composer.text).toBe(text);
  });

  it('counts characters, not code units', () => {
    expect(send('😀'.repeat(limits.messageMax))).toBeNull();
    expect(send('😀'.repeat(limits.messageMax + 1))).not.toBeNull();
  });

  it('gives every message an id of its own, ordered by time', () => {
    send('one');
    expect(room.sent[0]?.eventId).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });
});

describe('answers', () => {
  it('carry what they answer, once', () => {
    composer.reply('event-1' as EventId);
    send('yes');
    send('and');
    expect(room.sent.map((draft) => draft.refId)).toEqual(['event-1', null]);
  });
});

describe('edits', () => {
  it('take the last own message, as it was typed', () => {
    expect(composer.editLast()).toBe(true);
    expect(composer.text).toBe('mine, @ben');
    expect(composer.mode).toEqual({ kind: 'edit', target: 'event-2' });
  });

  it('are not begun over something half written', () => {
    composer.text = 'half';
    expect(composer.editLast()).toBe(false);
    expect(composer.text).toBe('half');
  });

  it('go out as edits of their target', () => {
    composer.editLast();
    send('mine, better');
    expect(room.sent[0]).toMatchObject({
      class: 'edit',
      refId: 'event-2',
      content: { type: 'edit', target: 'event-2', rev: 7, text: 'mine, better' },
    });
    expect(composer.mode.kind).toBe('new');
  });

  it('give back what was being written when they end', () => {
    composer.text = 'a draft';
    composer.edit('event-2' as EventId);
    composer.text = 'changed';
    composer.cancel();
    expect(composer.text).toBe('a draft');
    composer.edit('event-2' as EventId);
    composer.send();
    expect(composer.text).toBe('a draft');
  });
});

describe('names', () => {
  it('are offered while one is typed, without oneself, and put in', () => {
    composer.text = 'hi @';
    composer.typed(4);
    expect(composer.suggestions.map((person) => person.username)).toEqual(['ben']);
    expect(composer.accept()).toBe(8);
    expect(composer.text).toBe('hi @ben ');
    expect(composer.suggestions).toEqual([]);
  });
});

describe('typing', () => {
  it('is told while something new is written, not while editing or emptying', () => {
    composer.text = 'x';
    composer.typed(1);
    composer.text = '';
    composer.typed(0);
    composer.editLast();
    composer.typed(3);
    expect(room.said).toBe(1);
  });

  it('is shown in words', () => {
    expect(composer.typing).toBe('Ben is typing');
  });
});

// Mentions between what is typed and what goes over the wire.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isMentioned,
  mentionQuery,
  suggest,
  toTypedText,
  toWireText,
  type Mentionable,
} from '#client/features/conversation/mentions.ts';
import type { AccountId } from '#shared/ids.ts';

const adaId = '0197a2f0-0000-7000-8000-00000000000a' as AccountId;
const benId = '0197a2f0-0000-7000-8000-00000000000b' as AccountId;
const people: Mentionable[] = [
  { accountId: adaId, username: 'ada', name: 'Ada Lovelace' },
  { accountId: benId, username: 'ben.k', name: 'Ben Kerr' },
];
const usernameOf = (id: AccountId): string | null => people.find((p) => p.accountId === id)?.username ?? null;

describe('typed to wire', () => {
  it('turns known names into accounts and notes whom', () => {
    const wire = toWireText('@ada and @Ben.K, look', people);
    expect(wire.text).toBe(`<@${adaId}> and <@${benId}>, look`);
    expect(wire.mentions).toEqual([adaId, benId]);
  });

  it('leaves the full stop of a sentence alone', () => {
    expect(toWireText('Thanks @ada.', people).text).toBe(`Thanks <@${adaId}>.`);
    expect(toWireText('Ask @ben.k.', people).text).toBe(`Ask <@${benId}>.`);
  });

  it('leaves unknown names, addresses and longer names as typed', () => {
    for (const text of ['@carol hi', 'ada@ada.example', '@adam', '@ada-x']) {
      expect(toWireText(text, people)).toEqual({ text, mentions: [] });
    }
  });

  it('leaves code alone', () => {
    const text = 'run `@ada` or\n```\n@ada\n```';
    expect(toWireText(text, people)).toEqual({ text, mentions: [] });
  });

  it('names everybody once', () => {
    expect(toWireText('@ada @ada @ada', people).mentions).toEqual([adaId]);
  });

  it('comes back as typed', () => {
    const word = fc.constantFrom('@ada', '@ben.k', 'hello', '`@ada`', '\n', 'x@y', '@nobody', ',');
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const typed = words.join(' ');
        expect(toTypedText(toWireText(typed, people).text, usernameOf)).toBe(typed);
      }),
    );
  });
});

describe('wire to screen', () => {
  it('knows whether somebody is meant, but not in code', () => {
    expect(isMentioned(`hi <@${adaId}>`, adaId)).toBe(true);
    expect(isMentioned(`hi <@${adaId}>`, benId)).toBe(false);
    expect(isMentioned(`\`<@${adaId}>\``, adaId)).toBe(false);
  });

  it('keeps accounts nobody knows', () => {
    const text = '<@0197a2f0-0000-7000-8000-0000000000ff>';
    expect(toTypedText(text, usernameOf)).toBe(text);
  });
});

describe('suggestions', () => {
  it('finds what is being typed before the caret', () => {
    expect(mentionQuery('hi @be', 6)).toEqual({ query: 'be', start: 3 });
    expect(mentionQuery('@', 1)).toEqual({ query: '', start: 0 });
    expect(mentionQuery('hi @be there', 12)).toBeNull();
    expect(mentionQuery('mail ada@ex', 11)).toBeNull();
  });

  it('matches usernames before names, and words of names', () => {
    expect(suggest('b', people).map((p) => p.username)).toEqual(['ben.k']);
    expect(suggest('lov', people).map((p) => p.username)).toEqual(['ada']);
    expect(suggest('x', people)).toEqual([]);
    expect(suggest('', people)).toHaveLength(2);
  });
});

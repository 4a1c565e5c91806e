import { afterEach, describe, expect, it } from 'vitest';
import { isEmojiOnly, loadEmoji, normalizeEmoji, searchEmoji } from '#client/lib/emoji.ts';
import { formatDay, formatListTime, formatRelative, formatUntil, initialsOf } from '#client/lib/format.ts';
import { hueOf } from '#client/lib/hue.ts';
import { t, tParts } from '#client/lib/i18n.ts';
import { en } from '#client/lib/messages/en.ts';
import { estimatePassword } from '#client/lib/password-strength.ts';
import { groupCode, normalizeCode, pickGroups } from '#client/lib/recovery-code.ts';
import { initTheme, setThemeMode, themeMode } from '#client/lib/theme.ts';

const at = (day: number, hours = 10, month = 10): number => new Date(2026, month, day, hours, 5).getTime();

describe('t', () => {
  it('fills in parameters and picks the plural', () => {
    expect(t('chat.messageChannel', { name: 'general' })).toBe('Message #general');
    expect(t('invite.members', { n: 1 })).toBe('1 member');
    expect(t('invite.members', { n: 1204 })).toBe('1,204 members');
  });

  it('does not read parameters out of parameters', () => {
    expect(t('chat.messagePerson', { name: '{name}' })).toBe('Message {name}');
  });

  it('marks what came from a parameter', () => {
    expect(tParts('notice.left', { name: 'Mara' })).toEqual([
      { text: 'Mara', strong: true },
      { text: ' left.', strong: false },
    ]);
  });

  it('gives every plural the form that catches the rest', () => {
    const plurals = Object.entries(en).filter(([, entry]) => typeof entry !== 'string');
    expect(plurals.length).toBeGreaterThan(5);
    for (const [key, entry] of plurals) expect(Object.keys(entry), key).toEqual(['one', 'other']);
  });

  it('keeps "password" out of every label but the field’s own', () => {
    for (const key of ['field.showTyped', 'field.hideTyped', 'strength.label'] as const) {
      expect(t(key)).not.toMatch(/password/i);
    }
  });
});

describe('dates', () => {
  const now = at(12);
  it('names days', () => {
    expect(formatDay(at(12, 0), now)).toBe('Today');
    expect(formatDay(at(11, 23), now)).toBe('Yesterday');
    expect(formatDay(at(5), now)).toBe('Thursday, 5 November');
    expect(formatDay(new Date(2025, 10, 12).getTime(), now)).toBe('Wednesday, 12 November 2025');
  });

  it('is relative up to a day', () => {
    expect(formatRelative(now - 30_000, now)).toBe('just now');
    expect(formatRelative(now - 5 * 60_000, now)).toBe('5 min ago');
    expect(formatRelative(now - 3 * 3_600_000, now)).toBe('3 h ago');
    expect(formatRelative(at(10), now)).toBe('10 Nov');
    expect(formatListTime(at(10), now)).toBe('Tue');
    expect(formatListTime(at(1), now)).toBe('1 Nov');
    expect(formatUntil(now - 1, now)).toBe('expired');
    expect(formatUntil(now + 7 * 86_400_000, now)).toBe('in 7 days');
  });

  it('takes initials from whole characters', () => {
    expect(initialsOf('Nora Ellis')).toBe('NE');
    expect(initialsOf('mara')).toBe('MA');
    expect(initialsOf('🫠 team')).toBe('🫠T');
    expect(initialsOf('  ')).toBe('?');
  });
});

describe('hueOf', () => {
  it('is stable, in range and spread out', () => {
    const hues = Array.from({ length: 500 }, (_, i) => hueOf(`0190-${i}`));
    expect(hueOf('a')).toBe(hueOf('a'));
    expect(hues.every((hue) => Number.isInteger(hue) && hue >= 0 && hue < 360)).toBe(true);
    expect(new Set(hues.map((hue) => Math.floor(hue / 30))).size).toBe(12);
  });
});

describe('recovery code', () => {
  it('reads what people write: capitals, look-alikes, spaces and dashes', () => {
    expect(normalizeCode('4f7k-9qx2 oil')).toBe('4F7K9QX2011');
  });
  it('makes groups of four with a short last one', () => {
    expect(groupCode('4F7K9QX2M8TBVD31HZ6PW0RAJ5')).toEqual([
      '4F7K',
      '9QX2',
      'M8TB',
      'VD31',
      'HZ6P',
      'W0RA',
      'J5',
    ]);
  });
  it('asks for different groups in order', () => {
    for (let i = 0; i < 50; i += 1) {
      const picked = pickGroups(4, 7);
      expect(new Set(picked).size).toBe(4);
      expect([...picked].sort((a, b) => a - b)).toEqual(picked);
      expect(picked.every((position) => position >= 0 && position < 7)).toBe(true);
    }
    expect(pickGroups(4, 7, () => 0)).toEqual([0, 1, 2, 3]);
  });
});

describe('estimatePassword', () => {
  it.each(['password123', 'P@ssw0rd!!', 'qwertyuiop', 'iloveyou2024', 'dragondragon', 'aaaaaaaaaaaa'])(
    'refuses %s',
    (password) => {
      expect(estimatePassword(password, 10)).toMatchObject({ verdict: 'common', acceptable: false });
    },
  );
  it('refuses what is too short, counted in characters', () => {
    expect(estimatePassword('kX9#vQ2', 10)).toMatchObject({ verdict: 'short', acceptable: false });
    expect(estimatePassword('🫠🫠🫠🫠🫠', 10).verdict).not.toBe('strong');
  });
  it('orders passwords by the work they make', () => {
    const score = (password: string): number => estimatePassword(password, 10, ['tomas']).score;
    expect(score('tomastomas1')).toBeLessThanOrEqual(1);
    expect(score('abcdefghijk1')).toBeLessThanOrEqual(1);
    expect(score('lathe kettle orchard velvet')).toBe(4);
    expect(score('kX9#vQ2!mWz7')).toBe(4);
    expect(score('sunshine and tea')).toBeLessThan(score('lathe kettle orchard velvet'));
  });
});

describe('emoji', () => {
  it('finds by name and tag, best first, one spelling each', async () => {
    const groups = await loadEmoji();
    const all = groups.flatMap((group) => group.emoji.map((emoji) => emoji.char));
    expect(all.length).toBeGreaterThan(1500);
    expect(new Set(all).size).toBe(all.length);
    expect(searchEmoji(groups, 'thumbs up')[0]?.char).toBe('👍');
    expect(searchEmoji(groups, 'xyzzy')).toEqual([]);
    expect(normalizeEmoji('👍\uFE0F')).toBe('👍');
    expect(normalizeEmoji('❤️')).toBe('❤️');
  });

  it('knows text that is only emoji', () => {
    expect(['🎉', '🎉🔑', '👨‍👩‍👧 ❤️', '🇩🇪'].every(isEmojiOnly)).toBe(true);
    expect(['', 'a🎉', '12', '#', '🎉'.repeat(9)].some(isEmojiOnly)).toBe(false);
  });
});

describe('theme', () => {
  afterEach(() => setThemeMode('system'));
  it('remembers a choice and follows the system without one', () => {
    setThemeMode('dark');
    expect(document.documentElement.dataset['mode']).toBe('dark');
    delete document.documentElement.dataset['mode'];
    initTheme();
    expect(document.documentElement.dataset['mode']).toBe('dark');
    setThemeMode('system');
    expect(document.documentElement.dataset['mode']).toBeUndefined();
    expect(themeMode()).toBe('system');
  });
});

// Mentions: people type @username, the wire carries <@accountId> (lib/markdown shows the name). Code stays as it is.
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';

/** Somebody who can be mentioned here. */
export interface Mentionable {
  readonly accountId: AccountId;
  readonly username: string;
  readonly name: string;
}

/** Fenced blocks and code spans: what stands in them is nobody's name. */
const CODE = /(```[\s\S]*?(?:```|$)|`[^`\n]*`)/;
const TYPED = /(^|[^\w@.-])@([a-z0-9_.-]{1,32})/gi;
const WIRE = /<@([0-9a-f-]{36})>/gi;

const outsideCode = (text: string, change: (part: string) => string): string =>
  text
    .split(CODE)
    .map((part, index) => (index % 2 === 1 ? part : change(part)))
    .join('');

/** A name at the end of a sentence takes the full stop with it: try without. */
function findTyped(
  typed: string,
  byName: ReadonlyMap<string, AccountId>,
): { accountId: AccountId; rest: string } | null {
  for (let end = typed.length; end > 0; end--) {
    const accountId = byName.get(typed.slice(0, end).toLowerCase());
    if (accountId) return { accountId, rest: typed.slice(end) };
    if (!/[._-]/.test(typed[end - 1] ?? '')) return null;
  }
  return null;
}

/** What was typed, as it goes over the wire, and whom it mentions (each once, at most 50). */
export function toWireText(
  text: string,
  people: readonly Mentionable[],
): { text: string; mentions: AccountId[] } {
  const byName = new Map(people.map((person) => [person.username.toLowerCase(), person.accountId]));
  const mentions = new Set<AccountId>();
  const wire = outsideCode(text, (part) =>
    part.replace(TYPED, (whole, before: string, typed: string) => {
      const found = findTyped(typed, byName);
      if (!found) return whole;
      mentions.add(found.accountId);
      return `${before}<@${found.accountId}>${found.rest}`;
    }),
  );
  return { text: wire, mentions: [...mentions].slice(0, limits.mentionsPerMessage) };
}

/** Wire text as its author typed it, for editing. Unknown accounts stay as they are. */
export function toTypedText(text: string, usernameOf: (accountId: AccountId) => string | null): string {
  return outsideCode(text, (part) =>
    part.replace(WIRE, (whole, accountId: string) => {
      const username = usernameOf(accountId as AccountId);
      return username === null ? whole : `@${username}`;
    }),
  );
}

export const isMentioned = (text: string, accountId: AccountId): boolean =>
  outsideCode(text, (part) => part.replaceAll(`<@${accountId}>`, '')) !== text;

/** What is being typed after an @ right before the caret: the query and where it starts. */
export function mentionQuery(text: string, caret: number): { query: string; start: number } | null {
  const match = /(?:^|[^\w@.-])@([\w.-]{0,32})$/u.exec(text.slice(0, caret));
  if (!match) return null;
  const query = match[1] ?? '';
  return { query, start: caret - query.length - 1 };
}

const SHOWN = 6;

/** People whose username or name starts with the query, best first, at most six. */
export function suggest(query: string, people: readonly Mentionable[]): Mentionable[] {
  const wanted = query.toLocaleLowerCase('en');
  const rank = ({ username, name }: Mentionable): number => {
    const words = name.toLocaleLowerCase('en').split(/\s+/);
    if (username.toLowerCase().startsWith(wanted)) return 0;
    return words.some((word) => word.startsWith(wanted)) ? 1 : 2;
  };
  return people
    .map((person) => ({ person, rank: rank(person) }))
    .filter((hit) => hit.rank < 2)
    .sort((a, b) => a.rank - b.rank || a.person.username.localeCompare(b.person.username))
    .slice(0, SHOWN)
    .map((hit) => hit.person);
}

// Emoji for picker and reactions. The data (about 83 kB compressed) is fetched when a picker first opens.

export interface Emoji {
  readonly char: string;
  readonly name: string;
  readonly tags: readonly string[];
}

export interface EmojiGroup {
  /** Number of the group in the Unicode order; its name is the text `emoji.group<id>`. */
  readonly id: EmojiGroupId;
  readonly emoji: readonly Emoji[];
}

/** Group 2 holds skin tones and hair parts, which are no emoji of their own. */
const GROUP_IDS = [0, 1, 3, 4, 5, 6, 7, 8, 9] as const;
export type EmojiGroupId = (typeof GROUP_IDS)[number];

/** The three offered directly on a message. */
export const QUICK_REACTIONS = ['👍', '❤️', '😄'] as const;

/**
 * One spelling per emoji, so that equal reactions count together: the variation selector is dropped where the
 * character is an emoji by itself (thumbs up) and kept where it is needed (red heart).
 */
export const normalizeEmoji = (char: string): string =>
  char.replace(/(\p{Emoji_Presentation})\uFE0F/gu, '$1');

let loading: Promise<EmojiGroup[]> | undefined;

async function load(): Promise<EmojiGroup[]> {
  const { default: data } = await import('emojibase-data/en/compact.json');
  const groups = new Map<number, Emoji[]>(GROUP_IDS.map((id) => [id, []]));
  const sorted = [...data].sort((a, b) => (a.order ?? 0) - (b.order ?? 0));
  for (const entry of sorted) {
    if (entry.group === undefined) continue;
    groups
      .get(entry.group)
      ?.push({ char: normalizeEmoji(entry.unicode), name: entry.label, tags: entry.tags ?? [] });
  }
  return GROUP_IDS.map((id) => ({ id, emoji: groups.get(id) ?? [] }));
}

/** All emoji by group; fetched once, tried again after a failure. */
export function loadEmoji(): Promise<EmojiGroup[]> {
  loading ??= load().catch((cause: unknown) => {
    loading = undefined;
    throw cause;
  });
  return loading;
}

function rank(emoji: Emoji, words: readonly string[]): number {
  let total = 0;
  for (const word of words) {
    if (emoji.name.startsWith(word)) total += 4;
    else if (emoji.name.split(' ').some((part) => part.startsWith(word))) total += 3;
    else if (emoji.tags.some((tag) => tag.startsWith(word))) total += 2;
    else if (emoji.name.includes(word)) total += 1;
    else return 0;
  }
  return total;
}

const MAX_RESULTS = 80;

/** Emoji whose name or tags contain every word of `query`, best first, at most 80. */
export function searchEmoji(groups: readonly EmojiGroup[], query: string): Emoji[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  return groups
    .flatMap((group) => group.emoji)
    .map((emoji) => ({ emoji, score: rank(emoji, words) }))
    .filter((hit) => hit.score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, MAX_RESULTS)
    .map((hit) => hit.emoji);
}

const ONE = String.raw`(?:\p{Regional_Indicator}{2}|\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]*(?:\u200D\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]*)*|[0-9#*]\uFE0F?\u20E3)`;
const EMOJI_ONLY = new RegExp(String.raw`^\s*(?:${ONE}\s*){1,8}$`, 'u');

/** True for one to eight emoji and nothing else: such messages are shown large. */
export const isEmojiOnly = (text: string): boolean => EMOJI_ONLY.test(text);

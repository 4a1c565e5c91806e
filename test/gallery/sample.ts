// Sample people and messages for the gallery, on a fixed day.
import type { MessageContent, ReactionView, ReplyPreview } from '#client/ui/message-types.ts';
import type { Presence } from '#client/ui/presence-type.ts';

export interface Person {
  id: string;
  name: string;
  presence: Presence;
  status?: string;
}

const person = (name: string, presence: Presence, status?: string): Person => ({
  id: `account-${name}`,
  name,
  presence,
  ...(status === undefined ? {} : { status }),
});

export const mara = person('Mara Lindqvist', 'online', 'In the back room till 12');
export const jonas = person('Jonas Okafor', 'online');
export const priya = person('Priya Raman', 'online');
export const aiko = person('Aiko Tanaka', 'dnd');
export const lena = person('Lena Fischer', 'online', 'Note-taker on duty');
export const sam = person('Sam Whitlock', 'idle', 'Back around 11');
export const nora = person('Nora Ellis', 'online', 'Sanding things');
export const tomas = person('Tomás Rivera', 'online');
export const ben = person('Ben Adeyemi', 'offline');
export const omar = person('Omar Haddad', 'offline');
export const online = [mara, jonas, priya, aiko, lena, sam, nora, tomas];
export const offline = [ben, omar];

export const now = new Date(2026, 10, 12, 10, 6).getTime();
export const clock = (hours: number, minutes: number): number =>
  new Date(2026, 10, 12, hours, minutes).getTime();
export const nameOf = (id: string): string | null =>
  [...online, ...offline].find((other) => other.id === id)?.name.split(' ')[0] ?? null;

export interface Sample {
  id: string;
  author: Person;
  at: number;
  grouped?: boolean;
  mention?: boolean;
  content: MessageContent;
  reply?: ReplyPreview;
  reactions?: ReactionView[];
}

const text = (words: string, editedAt?: number): MessageContent => ({ kind: 'text', text: words, editedAt });

export const morning: Sample[] = [
  {
    id: 'm1',
    author: mara,
    at: clock(9, 2),
    content: text(
      'Morning all. Repair café is on for **Saturday, 10 to 14**. We have 11 bookings, and last month’s toaster is back 🫠',
    ),
  },
  {
    id: 'm2',
    author: mara,
    at: clock(9, 3),
    grouped: true,
    content: text('Helpers, doors open at 9:30 for you. <@account-Jonas> can you bring the big multimeter?'),
    reactions: [
      { emoji: '👍', count: 6, own: false, names: 'Priya, Sam and 4 more' },
      { emoji: '☕', count: 3, own: false, names: 'Lena, Aiko and Rosa' },
      { emoji: '🔧', count: 2, own: true, names: 'You and Ben' },
    ],
  },
  {
    id: 'm3',
    author: jonas,
    at: clock(9, 8),
    reply: {
      authorId: mara.id,
      authorName: 'Mara',
      text: 'Helpers, doors open at 9:30 for you. @Jonas can you bring…',
      onjump: () => undefined,
    },
    content: text(
      'It’s in my bag. Labels for the bookings, numbered:\n```ts\nconst labels = bookings\n  .filter((b) => b.status === "confirmed")\n  .map((b, n) => `${n + 1}. ${b.item}`);\n```',
      clock(9, 10),
    ),
  },
  {
    id: 'm4',
    author: priya,
    at: clock(9, 12),
    content: {
      kind: 'unreadable',
      variant: 'pending',
      title: 'This message can’t be opened here yet',
      text: 'Priya sent it before this browser was added. We asked Priya’s devices for the key.',
      actions: [{ label: 'Ask again', run: () => undefined }],
    },
  },
];

export const later: Sample[] = [
  {
    id: 'm5',
    author: tomas,
    at: clock(9, 24),
    content: text('Hi! First time helping. I can solder, and I make decent coffee.'),
    reactions: [
      { emoji: '👋', count: 7, own: true, names: 'You, Mara, Jonas and 4 more' },
      { emoji: '☕', count: 4, own: false, names: 'Mara, Lena, Sam and Aiko' },
    ],
  },
];

export const fresh: Sample[] = [
  { id: 'm6', author: sam, at: clock(9, 44), content: { kind: 'deleted', text: 'Message deleted' } },
  {
    id: 'm7',
    author: lena,
    at: clock(9, 52),
    mention: true,
    content: text(
      '<@account-Nora> I can take notes on Saturday. ||Cake is lemon.||\n> who brings the urn?\n\n- cups\n- milk, *oat too*',
    ),
  },
  {
    id: 'm8',
    author: lena,
    at: clock(9, 53),
    grouped: true,
    content: text('Also: we’re out of 5 A fuses. Ordering `2 × 20` today. https://parts.example/fuse?a=5'),
  },
];

/** Mentions are written with ids; the sample ids hold names. */
export const mentionName = (id: string): string | null => id.replace('account-', '');

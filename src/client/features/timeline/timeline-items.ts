// From rows, drafts and notices to what the timeline shows, in order: day lines, the unread line, one row for a run
// of messages from before this device, messages grouped by author. Items that did not change keep their identity,
// so nothing on screen is touched for them.
import type { Draft } from '#client/crypto/protocol.ts';
import { isSameDay } from '#client/lib/format.ts';
import type { MessageRow } from '#client/sync/message-row.ts';
import type { Notice } from '#client/sync/reader-notices.ts';
import type { AccountId, EventId } from '#shared/ids.ts';

const GROUP_MS = 5 * 60_000;

/** What is on its way and changes a message that is already there. */
export interface Pending {
  readonly edit: Draft | null;
  readonly removal: Draft | null;
  readonly reactions: readonly Draft[];
}

export interface MessageItem {
  readonly kind: 'message';
  readonly key: EventId;
  readonly eventId: EventId;
  readonly accountId: AccountId;
  readonly at: number;
  /** Same author within five minutes: no avatar, no name. */
  readonly grouped: boolean;
  /** null while it is only in the outbox. */
  readonly row: MessageRow | null;
  readonly draft: Draft | null;
  readonly pending: Pending | null;
}

export type TimelineItem =
  | MessageItem
  | { readonly kind: 'start'; readonly key: 'start' }
  | { readonly kind: 'older'; readonly key: 'older' }
  | { readonly kind: 'day'; readonly key: string; readonly at: number }
  | { readonly kind: 'unread'; readonly key: 'unread'; readonly at: number }
  /** A run of messages from before this device, or of ones that were kept for a day. */
  | { readonly kind: 'before' | 'gone'; readonly key: string; readonly count: number }
  | { readonly kind: 'notice'; readonly key: string; readonly notice: Notice };

export interface TimelineInput {
  readonly rows: readonly MessageRow[];
  readonly hasOlder: boolean;
  /** The newest page is here, so what stands above its first message is known. */
  readonly isReady: boolean;
  readonly outgoing: readonly Draft[];
  readonly notices: readonly Notice[];
  readonly me: AccountId | null;
  /** Messages after this ordinal are new; null for no line. */
  readonly unreadAfter: number | null;
}

/** Rows that stand for no content are told as one line a run. */
function runOf(row: MessageRow): 'before' | 'gone' | null {
  if (row.status === 'gone') return 'gone';
  return row.status === 'failed' && row.reason === 'before_device' ? 'before' : null;
}

/** Changes on their way, by the message they change. */
function pendingByTarget(outgoing: readonly Draft[]): Map<EventId, Pending> {
  const found = new Map<EventId, Pending>();
  for (const draft of outgoing) {
    if (draft.class === 'message' || draft.refId === null) continue;
    const known = found.get(draft.refId) ?? { edit: null, removal: null, reactions: [] };
    if (draft.class === 'edit') found.set(draft.refId, { ...known, edit: draft });
    else if (draft.class === 'redact') found.set(draft.refId, { ...known, removal: draft });
    else if (draft.class === 'reaction')
      found.set(draft.refId, { ...known, reactions: [...known.reactions, draft] });
  }
  return found;
}

/** Same message, same look: what is already shown stays as it is. */
function isSameMessage(a: MessageItem, b: MessageItem): boolean {
  return (
    a.row === b.row &&
    a.draft === b.draft &&
    a.grouped === b.grouped &&
    a.pending?.edit === b.pending?.edit &&
    a.pending?.removal === b.pending?.removal &&
    a.pending?.reactions.length === b.pending?.reactions.length &&
    (a.pending?.reactions ?? []).every((draft, index) => draft === b.pending?.reactions[index])
  );
}

function isSame(a: TimelineItem, b: TimelineItem): boolean {
  if (a.kind === 'message' && b.kind === 'message') return isSameMessage(a, b);
  if ((a.kind === 'before' && b.kind === 'before') || (a.kind === 'gone' && b.kind === 'gone'))
    return a.count === b.count;
  if (a.kind === 'notice' && b.kind === 'notice') return a.notice === b.notice;
  if (a.kind === 'unread' && b.kind === 'unread') return a.at === b.at;
  return a.kind === b.kind;
}

/** Builds one list, in one pass. */
class Builder {
  readonly items: TimelineItem[] = [];
  readonly #input: TimelineInput;
  readonly #pending: Map<EventId, Pending>;
  readonly #notices: Notice[];
  #lastAt: number | null = null;
  #run: { kind: 'before' | 'gone'; lastKey: string; count: number } | null = null;
  #hasLine = false;
  readonly #days = new Set<number>();

  constructor(input: TimelineInput) {
    this.#input = input;
    this.#pending = pendingByTarget(input.outgoing);
    this.#notices = [...input.notices].sort((a, b) => a.afterSeq - b.afterSeq || a.at - b.at);
  }

  build(): TimelineItem[] {
    const { rows, hasOlder, isReady, outgoing } = this.#input;
    if (hasOlder) this.items.push({ kind: 'older', key: 'older' });
    // Not before it has something to show: the list forgets items without height.
    else if (isReady) this.items.push({ kind: 'start', key: 'start' });
    for (const row of rows) this.#row(row);
    this.#endRun();
    const shown = new Set(rows.map((row) => row.eventId));
    this.#noticesUpTo(Number.MAX_SAFE_INTEGER);
    for (const draft of outgoing)
      if (draft.class === 'message' && !shown.has(draft.eventId)) this.#draft(draft);
    return this.items;
  }

  #row(row: MessageRow): void {
    this.#noticesUpTo(row.seq - 1);
    const kind = runOf(row);
    if (this.#run && this.#run.kind !== kind) this.#endRun();
    if (kind) {
      this.#run = { kind, lastKey: row.eventId, count: (this.#run?.count ?? 0) + 1 };
      return;
    }
    this.#day(row.createdAt);
    this.#unread(row);
    this.#message({ row, draft: null, accountId: row.accountId, at: row.createdAt, eventId: row.eventId });
  }

  #draft(draft: Draft): void {
    const { me } = this.#input;
    if (me === null) return;
    this.#day(draft.createdAt);
    this.#message({ row: null, draft, accountId: me, at: draft.createdAt, eventId: draft.eventId });
  }

  #message(found: Pick<MessageItem, 'row' | 'draft' | 'accountId' | 'at' | 'eventId'>): void {
    const last = this.items.at(-1);
    const grouped =
      last?.kind === 'message' && last.accountId === found.accountId && found.at - last.at < GROUP_MS;
    const pending = this.#pending.get(found.eventId) ?? null;
    this.items.push({ kind: 'message', key: found.eventId, grouped, pending, ...found });
  }

  /** Keyed by its last message: loading older ones above keeps the row. */
  #endRun(): void {
    if (!this.#run) return;
    const { kind, lastKey, count } = this.#run;
    this.items.push({ kind, key: `${kind}-${lastKey}`, count });
    this.#run = null;
  }

  #day(at: number): void {
    if (this.#lastAt === null || !isSameDay(this.#lastAt, at)) {
      const day = new Date(at).setHours(0, 0, 0, 0);
      // Clocks differ: a day may come up twice, its key may not.
      if (!this.#days.has(day)) this.items.push({ kind: 'day', key: `day-${day}`, at });
      this.#days.add(day);
    }
    this.#lastAt = at;
  }

  #unread(row: MessageRow): void {
    const { unreadAfter, me } = this.#input;
    if (this.#hasLine || unreadAfter === null || row.accountId === me) return;
    if (row.ordinal === null || row.ordinal <= unreadAfter) return;
    this.#hasLine = true;
    this.items.push({ kind: 'unread', key: 'unread', at: row.createdAt });
  }

  #noticesUpTo(seq: number): void {
    while (this.#notices[0] !== undefined && this.#notices[0].afterSeq <= seq) {
      const notice = this.#notices.shift() as Notice;
      this.#endRun();
      this.#day(notice.at);
      const what = notice.kind === 'policy' ? notice.to : notice.accountId;
      const key = `notice-${notice.kind}-${what}-${notice.afterSeq}-${notice.at}`;
      this.items.push({ kind: 'notice', key, notice });
    }
  }
}

export interface TimelineView {
  readonly items: readonly TimelineItem[];
  /** Items came in above what was there: the list keeps its distance from the end. */
  readonly prepended: boolean;
}

const isContent = ({ kind }: TimelineItem): boolean =>
  kind === 'message' || kind === 'before' || kind === 'gone';

/** Messages came in above what was the first one. Lines that come and go there do not count. */
function isPrepended(previous: readonly TimelineItem[], items: readonly TimelineItem[]): boolean {
  const first = previous.find(isContent);
  return first !== undefined && items.filter(isContent).findIndex((item) => item.key === first.key) > 0;
}

/** The next list after `previous`. */
export function nextView(previous: TimelineView | null, input: TimelineInput): TimelineView {
  const known = new Map(previous?.items.map((item) => [item.key, item]));
  const items = new Builder(input).build().map((item) => {
    const old = known.get(item.key);
    return old && isSame(old, item) ? old : item;
  });
  return { items, prepended: previous !== null && isPrepended(previous.items, items) };
}

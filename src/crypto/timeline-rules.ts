// What a timeline shows, from verified events alone (protocol 3.11): who may edit, redact, react and pin, and which of
// two changes wins. The result does not depend on the order events arrive in, so pages, gaps and live events can be
// applied as they come.
import { equalBytes } from './bytes.ts';
import type { Content } from './content.ts';
import type { EventClass } from './envelope.ts';
import { idKey } from './ids.ts';

/** An event the crypto opened; `moderator` is whether its author may moderate this channel, by the caller's facts. */
export interface TimelineEvent {
  readonly eventId: Uint8Array;
  readonly class: EventClass;
  readonly seq: number;
  readonly aid: Uint8Array;
  readonly content: Content;
  readonly moderator: boolean;
}

/** A value with what decides between two of them: the higher rev, then the lower seq. */
interface Revision<T> {
  readonly rev: number;
  readonly seq: number;
  readonly value: T;
}

/** A message as first sent. `text` is null for content of a newer client. */
interface BaseMessage {
  readonly seq: number;
  readonly aid: Uint8Array;
  readonly text: string | null;
  readonly replyTo: Uint8Array | null;
}

/** Everything known about one message, whether or not the message itself arrived yet. */
interface Slot {
  readonly base: BaseMessage | null;
  /** By author (hex): an edit counts only when its author turns out to be the message's. */
  readonly edits: Readonly<Record<string, Revision<string>>>;
  /** By author (hex) and emoji. */
  readonly reactions: Readonly<Record<string, Revision<'add' | 'remove'>>>;
  /** Authors (hex) who redacted it, and whether one of them moderates. */
  readonly redactedBy: Readonly<Record<string, boolean>>;
  /** The latest pin or unpin: pins have no rev, the server's order decides. */
  readonly pin: { readonly seq: number; readonly pinned: boolean } | null;
}

/** Slots by message id (hex). Plain data; treat as opaque and read it with viewMessage. */
export type TimelineState = Readonly<Record<string, Slot>>;

/** A message as it is to be shown. */
export interface MessageView {
  readonly eventId: Uint8Array;
  readonly seq: number;
  readonly aid: Uint8Array;
  /** null: redacted, or content of a newer client (then `redacted` is false). */
  readonly text: string | null;
  readonly replyTo: Uint8Array | null;
  readonly redacted: boolean;
  /** Rev of the edit shown; null for the original text. */
  readonly editRev: number | null;
  readonly pinned: boolean;
  /** By emoji, the accounts (hex) that stand by it, both in order of their first appearance in seq. */
  readonly reactions: readonly { readonly emoji: string; readonly aids: readonly string[] }[];
}

export const EMPTY_TIMELINE: TimelineState = {};

const EMPTY_SLOT: Slot = { base: null, edits: {}, reactions: {}, redactedBy: {}, pin: null };

/** Applies one verified event; applying it again, or in another order, leads to the same state. */
export function applyTimelineEvent(state: TimelineState, event: TimelineEvent): TimelineState {
  const { content } = event;
  // a newer client's edit, vote or the like: nothing this build could show
  if (content.type === 'unknown' && event.class !== 'message') return state;
  const target = content.type === 'text' || content.type === 'unknown' ? event.eventId : content.target;
  const key = idKey(target);
  const slot = state[key] ?? EMPTY_SLOT;
  return { ...state, [key]: forget(applyToSlot(slot, event)) };
}

/** The message with this id as it is to be shown; null while its own event has not arrived. */
export function viewMessage(state: TimelineState, eventId: Uint8Array): MessageView | null {
  const slot = state[idKey(eventId)];
  if (!slot?.base) return null;
  const { base } = slot;
  const redacted = isRedacted(slot);
  const edit = slot.edits[idKey(base.aid)];
  return {
    eventId,
    seq: base.seq,
    aid: base.aid,
    text: redacted ? null : (edit?.value ?? base.text),
    replyTo: redacted ? null : base.replyTo,
    redacted,
    editRev: redacted || !edit ? null : edit.rev,
    pinned: !redacted && (slot.pin?.pinned ?? false),
    reactions: redacted ? [] : viewReactions(slot),
  };
}

function applyToSlot(slot: Slot, event: TimelineEvent): Slot {
  const { content, seq, aid, moderator } = event;
  const author = idKey(aid);
  switch (content.type) {
    case 'text':
      return withBase(slot, { seq, aid, text: content.text, replyTo: content.replyTo ?? null });
    case 'unknown':
      return withBase(slot, { seq, aid, text: null, replyTo: null });
    case 'edit': {
      const edit = { rev: content.rev, seq, value: content.text };
      return { ...slot, edits: { ...slot.edits, [author]: later(slot.edits[author], edit) } };
    }
    case 'reaction': {
      const key = `${author} ${content.emoji}`;
      const reaction = { rev: content.rev, seq, value: content.op };
      return { ...slot, reactions: { ...slot.reactions, [key]: later(slot.reactions[key], reaction) } };
    }
    case 'redact': {
      const entitled = (slot.redactedBy[author] ?? false) || moderator;
      return { ...slot, redactedBy: { ...slot.redactedBy, [author]: entitled } };
    }
    case 'pin':
    case 'unpin':
      return !slot.pin || slot.pin.seq < seq
        ? { ...slot, pin: { seq, pinned: content.type === 'pin' } }
        : slot;
  }
}

/** An event id names one event; should a server deliver two, the earlier stays. */
function withBase(slot: Slot, base: BaseMessage): Slot {
  return slot.base && slot.base.seq <= base.seq ? slot : { ...slot, base };
}

function later<T>(known: Revision<T> | undefined, next: Revision<T>): Revision<T> {
  if (!known || next.rev > known.rev) return next;
  return next.rev === known.rev && next.seq < known.seq ? next : known;
}

function isRedacted(slot: Slot): boolean {
  if (Object.values(slot.redactedBy).includes(true)) return true;
  return slot.base !== null && idKey(slot.base.aid) in slot.redactedBy;
}

/** Once a redaction is known to be rightful its texts leave the state, not only the screen. */
function forget(slot: Slot): Slot {
  if (!isRedacted(slot)) return slot;
  const base = slot.base && { ...slot.base, text: null, replyTo: null };
  return { ...slot, base, edits: {}, reactions: {}, pin: null };
}

function viewReactions(slot: Slot): MessageView['reactions'] {
  const byEmoji = new Map<string, string[]>();
  const standing = Object.entries(slot.reactions)
    .filter(([, reaction]) => reaction.value === 'add')
    .sort(([, a], [, b]) => a.seq - b.seq);
  for (const [key] of standing) {
    const split = key.indexOf(' ');
    const [aid, emoji] = [key.slice(0, split), key.slice(split + 1)];
    byEmoji.set(emoji, [...(byEmoji.get(emoji) ?? []), aid]);
  }
  return [...byEmoji].map(([emoji, aids]) => ({ emoji, aids }));
}

/** Whether this account may edit the message: only its author, and not once it is redacted. */
export function mayEdit(view: MessageView, aid: Uint8Array): boolean {
  return !view.redacted && view.text !== null && equalBytes(view.aid, aid);
}

/**
 * The rev the next change of `target` by this account must carry: above every change seen so far, and above those of
 * the account's other devices that did not arrive yet as far as clocks agree.
 */
export function nextRevision(
  state: TimelineState,
  change: { readonly target: Uint8Array; readonly aid: Uint8Array; readonly now: number },
): number {
  const slot = state[idKey(change.target)] ?? EMPTY_SLOT;
  const author = idKey(change.aid);
  const revs = [slot.edits[author]?.rev ?? 0, change.now - 1];
  for (const [key, reaction] of Object.entries(slot.reactions)) {
    if (key.startsWith(`${author} `)) revs.push(reaction.rev);
  }
  return Math.max(...revs) + 1;
}

// The timeline rules of src/crypto for the page: ids as UUID strings. Pure; holds no keys.
import {
  applyTimelineEvent,
  bytesToUuid,
  EMPTY_TIMELINE,
  fromHex,
  nextRevision,
  uuidToBytes,
  viewMessage,
  type TimelineState,
} from '#crypto/index.ts';
import type { AccountId, EventId } from '#shared/ids.ts';
import type { EventClass } from '#shared/messages.ts';
import { toWire } from './content-bridge.ts';
import type { Content } from './protocol.ts';

export type Timeline = TimelineState;
export const emptyTimeline: Timeline = EMPTY_TIMELINE;

export interface VerifiedEvent {
  readonly eventId: EventId;
  readonly class: EventClass;
  readonly seq: number;
  readonly accountId: AccountId;
  readonly content: Content;
  /** Whether its author may moderate this channel. */
  readonly moderator: boolean;
}

export interface MessageState {
  readonly text: string | null;
  readonly isRedacted: boolean;
  readonly isEdited: boolean;
  readonly isPinned: boolean;
  readonly replyTo: EventId | null;
  readonly reactions: readonly { readonly emoji: string; readonly accountIds: readonly AccountId[] }[];
}

/** Applies one verified event; the result does not depend on the order events arrive in. */
export function applyToTimeline(timeline: Timeline, event: VerifiedEvent): Timeline {
  const { content } = event;
  return applyTimelineEvent(timeline, {
    eventId: uuidToBytes(event.eventId),
    class: event.class,
    seq: event.seq,
    aid: uuidToBytes(event.accountId),
    content: content.type === 'unknown' ? content : toWire(content),
    moderator: event.moderator,
  });
}

/** The message as it is to be shown, or null while its own event has not been opened. */
export function messageState(timeline: Timeline, eventId: EventId): MessageState | null {
  const view = viewMessage(timeline, uuidToBytes(eventId));
  if (!view) return null;
  return {
    text: view.text,
    isRedacted: view.redacted,
    isEdited: view.editRev !== null,
    isPinned: view.pinned,
    replyTo: view.replyTo && (bytesToUuid(view.replyTo) as EventId),
    reactions: view.reactions.map(({ emoji, aids }) => ({
      emoji,
      accountIds: aids.map((aid) => bytesToUuid(fromHex(aid)) as AccountId),
    })),
  };
}

/** The rev the next edit or reaction of `target` by this account must carry. */
export function nextRev(
  timeline: Timeline,
  change: { target: EventId; accountId: AccountId; now: number },
): number {
  const { target, accountId, now } = change;
  return nextRevision(timeline, { target: uuidToBytes(target), aid: uuidToBytes(accountId), now });
}

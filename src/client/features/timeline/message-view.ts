// One timeline item as MessageRow shows it: content or why there is none, delivery, reactions. Pure but for the names.
import { draftFailureWords } from '#client/features/conversation/failure-words.ts';
import type { Conversation } from '#client/features/conversation/conversation.svelte.ts';
import type { Draft, FailedReason, PendingReason, WithheldReason } from '#client/crypto/protocol.ts';
import { t } from '#client/lib/i18n.ts';
import { plainPreview } from '#client/lib/markdown.ts';
import type { MessageRow } from '#client/sync/message-row.ts';
import type { Delivery, MessageContent, ReactionView, ReplyPreview } from '#client/ui/message-types.ts';
import type { AccountId, EventId } from '#shared/ids.ts';
import type { MessageItem } from './timeline-items.ts';

export const shownName = (conversation: Conversation, accountId: AccountId): string =>
  conversation.nameOf(accountId) ?? t('chat.unknownPerson');

type Unreadable = Extract<MessageContent, { kind: 'unreadable' }>;
const unreadable = (variant: Unreadable['variant'], title: string, text: string): Unreadable => ({
  kind: 'unreadable',
  variant,
  title,
  text,
});

function pendingWords(reason: PendingReason, name: string): string {
  switch (reason) {
    case 'key_missing':
      return t('locked.noKey', { name });
    case 'cert_missing':
    case 'log_missing':
      return t('locked.waitingDevice', { name });
    case 'restoring':
      return t('locked.restoring');
    case 'identity_hold':
      return t('secure.identityChangedText', { name });
  }
}

function withheldWords(reason: WithheldReason | null, name: string): string {
  switch (reason) {
    case 'not_member':
      return t('locked.beforeJoin');
    case 'not_shareable':
      return t('locked.notShared', { name });
    case 'revoked':
    case 'too_old':
    case null:
      return t('locked.lost', { name });
  }
}

/** Reasons that mean somebody touched the message: its content is never shown. */
const TAMPERED: readonly FailedReason[] = [
  'changed_on_the_way',
  'not_encrypted',
  'wrong_sender',
  'equivocation',
  'malformed',
];

function failedView(reason: FailedReason, withheld: WithheldReason | null, name: string): Unreadable {
  if (TAMPERED.includes(reason)) {
    const text = reason === 'not_encrypted' ? t('locked.foreign') : t('locked.changed', { name });
    return unreadable('tampered', t('locked.changedTitle'), text);
  }
  const lost = (text: string): Unreadable => unreadable('lost', t('locked.lostTitle'), text);
  switch (reason) {
    case 'before_device':
      return lost(t('locked.beforeDevice', { name }));
    case 'withheld_by_sender':
      return lost(withheldWords(withheld, name));
    case 'withheld_by_server':
      return lost(t('locked.withheldByServer'));
    case 'sender_revoked':
      return lost(t('locked.senderRevoked', { name }));
    case 'unsupported':
      return unreadable('lost', t('locked.newerTitle'), t('locked.newer'));
    default:
      return lost(t('locked.lost', { name }));
  }
}

function rowContent(row: MessageRow, conversation: Conversation): MessageContent {
  const name = shownName(conversation, row.accountId);
  switch (row.status) {
    case 'removed':
      return row.by === row.accountId
        ? { kind: 'deleted', text: t('chat.deleted') }
        : { kind: 'deleted', text: t('chat.deletedBy', { name: shownName(conversation, row.by) }) };
    case 'pending': {
      const view = unreadable('pending', t('locked.title'), pendingWords(row.reason, name));
      if (row.reason !== 'key_missing') return view;
      // What to do is said once, in the banner above.
      if (conversation.workspace.repairs.isWedged(row.accountId))
        return { ...view, text: t('repair.rowText', { name }) };
      const ask = { label: t('locked.askAgain'), run: () => void conversation.askForKeys() };
      return { ...view, actions: [ask] };
    }
    case 'gone':
      return { kind: 'deleted', text: t('history.gone', { n: 1 }) };
    case 'failed':
      return failedView(row.reason, row.withheld, name);
    case 'shown':
      return row.text === null
        ? unreadable('lost', t('locked.newerTitle'), t('locked.newer'))
        : { kind: 'text', text: row.text, ...(row.isEdited ? { editedAt: row.createdAt } : {}) };
  }
}

const textOf = (draft: Draft): string =>
  draft.content.type === 'text' || draft.content.type === 'edit' ? draft.content.text : '';

/** An edit on its way is shown already; its line below says that it is on its way. */
export function contentOf(item: MessageItem, conversation: Conversation): MessageContent {
  if (item.draft) return { kind: 'text', text: textOf(item.draft) };
  if (item.row === null) return { kind: 'text', text: '' };
  if (item.row.status === 'shown' && item.pending?.edit) {
    return { kind: 'text', text: textOf(item.pending.edit), editedAt: item.pending.edit.createdAt };
  }
  return rowContent(item.row, conversation);
}

export function deliveryOf(item: MessageItem, conversation: Conversation): Delivery {
  const failedReaction = item.pending?.reactions.find((reaction) => reaction.failure !== null);
  const draft = item.draft ?? item.pending?.removal ?? item.pending?.edit ?? failedReaction;
  if (!draft) return { state: 'sent' };
  if (draft.failure !== null) {
    return {
      state: 'failed',
      reason: draftFailureWords(draft.failure),
      onretry: () => conversation.retry(draft.eventId),
      ondelete: () => conversation.discard(draft.eventId),
    };
  }
  if (conversation.workspace.live.status !== 'online') return { state: 'sending', note: t('chat.waiting') };
  return draft.class === 'redact' ? { state: 'sending', note: t('common.deleting') } : { state: 'sending' };
}

const NAMES_SHOWN = 3;

function namesOf(accountIds: readonly AccountId[], conversation: Conversation): string {
  const me = conversation.me;
  const ordered = [...accountIds].sort((a, b) => Number(b === me) - Number(a === me));
  const names = ordered
    .slice(0, NAMES_SHOWN)
    .map((id) => (id === me ? t('chat.youLabel') : shownName(conversation, id)));
  const more = ordered.length - names.length;
  return more > 0 ? t('chat.namesMore', { names: names.join(', '), n: more }) : names.join(', ');
}

/** Reactions with what is on its way already counted. */
export function reactionsOf(item: MessageItem, conversation: Conversation): ReactionView[] {
  const { me } = conversation;
  if (item.row?.status !== 'shown') return [];
  const people = new Map(item.row.reactions.map(({ emoji, accountIds }) => [emoji, new Set(accountIds)]));
  for (const { content, failure } of item.pending?.reactions ?? []) {
    if (content.type !== 'reaction' || me === null || failure !== null) continue;
    const set = people.get(content.emoji) ?? new Set<AccountId>();
    if (content.add) set.add(me);
    else set.delete(me);
    people.set(content.emoji, set);
  }
  return [...people].flatMap(([emoji, set]) => {
    if (set.size === 0) return [];
    const names = namesOf([...set], conversation);
    return [{ emoji, count: set.size, own: me !== null && set.has(me), names }];
  });
}

export const replyTargetOf = (item: MessageItem): EventId | null => {
  if (item.draft) return item.draft.content.type === 'text' ? item.draft.content.replyTo : null;
  return item.row?.status === 'shown' ? item.row.replyTo : null;
};

/** The quoted line above a reply. */
export function replyOf(
  item: MessageItem,
  conversation: Conversation,
  onjump: (eventId: EventId) => void,
): ReplyPreview | undefined {
  const target = replyTargetOf(item);
  if (target === null) return undefined;
  const row = conversation.log.find(target);
  // The log's window is reactive through its rows; a quoted message outside it is fetched by jumping.
  void conversation.log.rows;
  if (!row) {
    return {
      authorId: '',
      authorName: t('chat.earlierMessage'),
      text: '',
      onjump: () => onjump(target),
    };
  }
  const authorName = shownName(conversation, row.accountId);
  return {
    authorId: row.accountId,
    authorName,
    text: quoteOf(row, conversation),
    onjump: () => onjump(target),
  };
}

/** One line of a message, without markup. */
export function quoteOf(row: MessageRow, conversation: Conversation): string {
  if (row.status === 'removed') return t('chat.replyGone');
  if (row.status !== 'shown' || row.text === null) return t('chat.replyNotHere');
  return plainPreview(row.text, (id) => conversation.nameOf(id as AccountId));
}

// What can be done with a message, offered by the hover toolbar, the context menu and the sheet alike.
import Copy from '@lucide/svelte/icons/copy';
import Pencil from '@lucide/svelte/icons/pencil';
import Reply from '@lucide/svelte/icons/reply';
import SmilePlus from '@lucide/svelte/icons/smile-plus';
import Trash2 from '@lucide/svelte/icons/trash-2';
import type { Composer } from '#client/features/composer/composer.svelte.ts';
import type { Conversation } from '#client/features/conversation/conversation.svelte.ts';
import { toTypedText } from '#client/features/conversation/mentions.ts';
import { copyText } from '#client/lib/clipboard.ts';
import { normalizeEmoji, QUICK_REACTIONS } from '#client/lib/emoji.ts';
import { t } from '#client/lib/i18n.ts';
import type { MenuEntry } from '#client/ui/menu-types.ts';
import { notify } from '#client/ui/toast.ts';
import type { EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { MessageItem } from './timeline-items.ts';
import { reactionsOf } from './message-view.ts';

export class MessageActions {
  readonly composer: Composer;
  readonly #conversation: Conversation;
  #pointed = $state<EventId | null>(null);
  /** The message whose context menu or sheet is open. */
  target = $state.raw<MessageItem | null>(null);
  /** A float of the toolbar is open: it stays where it is. */
  isHeld = $state(false);
  isSheetOpen = $state(false);
  /** The message an emoji is being picked for. */
  picking = $state.raw<MessageItem | null>(null);
  /** The message about to be deleted. */
  deleting = $state.raw<MessageItem | null>(null);

  constructor(composer: Composer) {
    this.composer = composer;
    this.#conversation = composer.conversation;
  }

  /** The row whose toolbar is shown. */
  get pointed(): EventId | null {
    return this.#pointed;
  }

  point(eventId: EventId | null): void {
    if (!this.isHeld) this.#pointed = eventId;
  }

  mayReact(item: MessageItem): boolean {
    return item.row?.status === 'shown' && this.#conversation.may('message.react').ok;
  }

  mayReply(item: MessageItem): boolean {
    return item.row?.status === 'shown' && this.#conversation.may('message.send').ok;
  }

  mayEdit(item: MessageItem): boolean {
    const isAuthor = item.accountId === this.#conversation.me;
    // A change would be gone after a day and the older words be back: what stays is not changed by what goes.
    const wouldRevert = this.#conversation.historyPolicy === 'ephemeral';
    return (
      item.row?.status === 'shown' &&
      item.row.text !== null &&
      (item.row.isFading || !wouldRevert) &&
      this.#conversation.may('message.edit', { isAuthor }).ok
    );
  }

  mayRemove(item: MessageItem): boolean {
    const isAuthor = item.accountId === this.#conversation.me;
    const isThere = item.row !== null && item.row.status !== 'removed' && item.pending?.removal == null;
    return isThere && this.#conversation.may('message.redact', { isAuthor }).ok;
  }

  hasTools(item: MessageItem): boolean {
    return this.mayReact(item) || this.mayReply(item) || this.mayRemove(item);
  }

  /** Adds the reaction, or takes it back when it is one's own. */
  toggle(item: MessageItem, emoji: string): void {
    const reactions = reactionsOf(item, this.#conversation);
    const known = reactions.find((reaction) => reaction.emoji === normalizeEmoji(emoji));
    if (!known && reactions.length >= limits.reactionsPerMessage) {
      notify({ tone: 'warn', title: t('error.limit_reached', { max: limits.reactionsPerMessage }) });
      return;
    }
    void this.#conversation.react(item.eventId, emoji, known?.own !== true);
  }

  reply(item: MessageItem): void {
    this.composer.reply(item.eventId);
  }

  edit(item: MessageItem): void {
    this.composer.edit(item.eventId);
  }

  confirmRemoval(): void {
    if (this.deleting) void this.#conversation.remove(this.deleting.eventId);
    this.deleting = null;
  }

  async copy(item: MessageItem): Promise<void> {
    if (item.row?.status !== 'shown' || item.row.text === null) return;
    const text = toTypedText(item.row.text, (id) => this.#conversation.nameOf(id));
    if (await copyText(text)) notify({ tone: 'ok', title: t('chat.copied') });
  }

  /** Entries of the "more" menu, the context menu and the sheet. */
  entries(item: MessageItem): MenuEntry[] {
    const entries: MenuEntry[] = [];
    if (this.mayReact(item)) {
      for (const emoji of QUICK_REACTIONS) {
        const label = t('chat.reactWith', { emoji });
        entries.push({ id: `react-${emoji}`, label, onselect: () => this.toggle(item, emoji) });
      }
      const onselect = (): void => void (this.picking = item);
      entries.push({ id: 'react', label: t('chat.reactOther'), icon: SmilePlus, onselect });
      entries.push({ kind: 'separator', id: 'line-react' });
    }
    return [...entries, ...this.plainEntries(item)];
  }

  /** The entries without the reactions, for the toolbar, which has buttons for those. */
  plainEntries(item: MessageItem): MenuEntry[] {
    const entries: MenuEntry[] = [];
    const add = (id: string, label: string, rest: { icon: typeof Reply; onselect: () => void }): void =>
      void entries.push({ id, label, ...rest });
    if (this.mayReply(item)) {
      add('reply', t('chat.reply'), { icon: Reply, onselect: () => this.reply(item) });
    }
    if (this.mayEdit(item)) add('edit', t('chat.edit'), { icon: Pencil, onselect: () => this.edit(item) });
    if (item.row?.status === 'shown' && item.row.text !== null) {
      add('copy', t('chat.copyText'), { icon: Copy, onselect: () => void this.copy(item) });
    }
    if (this.mayRemove(item)) {
      const onselect = (): void => void (this.deleting = item);
      entries.push({ id: 'delete', label: t('chat.delete'), icon: Trash2, danger: true, onselect });
    }
    return entries;
  }
}

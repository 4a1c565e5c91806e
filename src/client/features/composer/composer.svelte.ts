// What is being written in one conversation: text, what it answers or changes, whom it mentions. Kept while the tab
// lives, so that leaving a channel loses nothing.
import type { Conversation } from '#client/features/conversation/conversation.svelte.ts';
import {
  mentionQuery,
  suggest,
  toTypedText,
  toWireText,
  type Mentionable,
} from '#client/features/conversation/mentions.ts';
import { t } from '#client/lib/i18n.ts';
import type { AccountId, EventId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';

export type ComposerMode =
  | { readonly kind: 'new' }
  | { readonly kind: 'reply'; readonly to: EventId }
  | { readonly kind: 'edit'; readonly target: EventId };

const NEW: ComposerMode = { kind: 'new' };
const characters = (text: string): number => [...text].length;

export class Composer {
  readonly conversation: Conversation;
  text = $state('');
  #mode = $state.raw<ComposerMode>(NEW);
  #caret = $state(0);
  #isDismissed = $state(false);
  #picked = $state(0);
  /** What was being written before an edit took the field. */
  #set: { text: string; mode: ComposerMode } | null = null;
  /** Rises when the field should take the focus. */
  #calls = $state(0);

  constructor(conversation: Conversation) {
    this.conversation = conversation;
  }

  get mode(): ComposerMode {
    return this.#mode;
  }

  get calls(): number {
    return this.#calls;
  }

  reply(to: EventId): void {
    this.cancel();
    this.#mode = { kind: 'reply', to };
    this.#calls += 1;
  }

  /** Takes a message of one's own into the field. */
  edit(target: EventId): void {
    const row = this.conversation.log.find(target);
    if (row?.status !== 'shown' || row.text === null) return;
    this.cancel();
    this.#set = { text: this.text, mode: this.#mode };
    this.#mode = { kind: 'edit', target };
    const { people } = this.conversation.workspace;
    this.text = toTypedText(row.text, (accountId) => people.profile(accountId)?.username ?? null);
    this.#calls += 1;
  }

  /** ↑ in an empty field. True when there was something to edit. */
  editLast(): boolean {
    const row = this.conversation.lastOwn;
    if (!row || this.text !== '') return false;
    this.edit(row.eventId);
    return true;
  }

  /** Back to writing something new; what stood there before an edit comes back. */
  cancel(): void {
    const before = this.#set;
    this.#set = null;
    this.#mode = NEW;
    if (before) {
      this.text = before.text;
      this.#mode = before.mode;
    }
  }

  /** Sends or saves; why not, in words, when it cannot. */
  send(): string | null {
    const typed = this.text.trim();
    if (typed === '') return null;
    const { conversation } = this;
    const { text, mentions } = toWireText(typed, conversation.mentionable);
    const over = characters(text) - limits.messageMax;
    if (over > 0) return t('chat.tooLong', { n: over });
    const mode = this.#mode;
    if (mode.kind === 'edit') {
      this.cancel();
      if (conversation.log.find(mode.target)?.status === 'shown') {
        void conversation.edit(mode.target, text, mentions);
      }
      return null;
    }
    this.text = '';
    this.#mode = NEW;
    void conversation.say(text, { replyTo: mode.kind === 'reply' ? mode.to : null, mentions });
    return null;
  }

  /** Text or caret changed. */
  typed(caret: number): void {
    this.#caret = caret;
    this.#isDismissed = false;
    this.#picked = 0;
    if (this.#query !== null) void this.conversation.loadMentionable();
    if (this.text !== '' && this.#mode.kind !== 'edit') this.conversation.workspace.typing.say();
  }

  // Plain getters: this outlives the components that would own a derived value.
  get #query(): { query: string; start: number } | null {
    return this.#isDismissed ? null : mentionQuery(this.text, this.#caret);
  }

  /** People the text before the caret may mean. */
  get suggestions(): readonly Mentionable[] {
    const query = this.#query;
    if (query === null) return [];
    const others = this.conversation.mentionable.filter((p) => p.accountId !== this.conversation.me);
    return suggest(query.query, others);
  }

  get picked(): number {
    return this.#picked;
  }

  movePick(step: 1 | -1): void {
    const count = this.suggestions.length;
    if (count > 0) this.#picked = (this.#picked + step + count) % count;
  }

  dismiss(): void {
    this.#isDismissed = true;
  }

  /** Puts a name in place of what was typed; answers where the caret belongs. */
  accept(person: Mentionable | undefined = this.suggestions[this.#picked]): number {
    const query = this.#query;
    if (!person || !query) return this.#caret;
    const inserted = `@${person.username} `;
    this.text = this.text.slice(0, query.start) + inserted + this.text.slice(this.#caret);
    this.#caret = query.start + inserted.length;
    this.#isDismissed = true;
    return this.#caret;
  }

  /** Puts text at the caret; answers where the caret belongs. */
  insert(text: string, caret: number): number {
    this.text = this.text.slice(0, caret) + text + this.text.slice(caret);
    this.#caret = caret + text.length;
    return this.#caret;
  }

  /** Who types here, in words. */
  get typing(): string | undefined {
    const { workspace, me } = this.conversation;
    const names = workspace.typing.people
      .filter((id: AccountId) => id !== me)
      .map((id) => this.conversation.nameOf(id) ?? t('chat.unknownPerson'));
    const [first, second] = names;
    if (first === undefined) return undefined;
    if (second === undefined) return t('chat.typingOne', { name: first });
    return names.length === 2 ? t('chat.typingTwo', { first, second }) : t('chat.typingMany');
  }
}

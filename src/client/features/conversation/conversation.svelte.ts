// One conversation as its screen needs it: its name, who reads it, what one may do in it, and the verbs: say, edit,
// react, delete. Everything that is sent goes through the outbox.
import { failureOf } from '#client/api/errors.ts';
import type { Content, Draft } from '#client/crypto/protocol.ts';
import { shieldOf } from '#client/features/verification/shield.ts';
import { normalizeEmoji } from '#client/lib/emoji.ts';
import { t } from '#client/lib/i18n.ts';
import { personName } from '#client/lib/person-name.ts';
import { uuidv7 } from '#client/lib/uuidv7.ts';
import type { ChannelLog } from '#client/sync/channel-log.svelte.ts';
import type { MessageRow } from '#client/sync/message-row.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import { notify } from '#client/ui/toast.ts';
import type { ChannelSummary, HistoryPolicy } from '#shared/channels.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { AccountId, ChannelId, EventId } from '#shared/ids.ts';
import type { EventClass } from '#shared/messages.ts';
import { decide, type Action, type Decision } from '#shared/permissions.ts';
import type { Profile } from '#shared/users.ts';
import { factsAt } from './facts.ts';
import { failureWords, refusalWords } from './failure-words.ts';
import type { Mentionable } from './mentions.ts';

export class Conversation {
  readonly channelId: ChannelId;
  readonly log: ChannelLog;
  readonly workspace: Workspace;
  #readers = $state.raw<readonly AccountId[] | null>(null);

  constructor(workspace: Workspace, channelId: ChannelId) {
    this.workspace = workspace;
    this.channelId = channelId;
    this.log = workspace.log(channelId);
  }

  get me(): AccountId | null {
    return this.workspace.me;
  }

  /** null once it is out of sight: deleted, or access lost. */
  get channel(): ChannelSummary | null {
    return this.workspace.structure.channel(this.channelId);
  }

  get community(): CommunityStructure | null {
    return this.workspace.structure.communityOf(this.channelId);
  }

  get isDirect(): boolean {
    return this.workspace.structure.dms.has(this.channelId);
  }

  /** The other side of a direct conversation. */
  get partner(): Profile | null {
    const dm = this.workspace.structure.dms.get(this.channelId);
    const other = dm?.members.find((member) => member.accountId !== this.me) ?? dm?.members[0];
    return other ? (this.workspace.people.profile(other.accountId) ?? other) : null;
  }

  /** How long, and for whom, what is written is kept. */
  get historyPolicy(): HistoryPolicy {
    return this.channel?.historyPolicy ?? 'since_join';
  }

  /** Keeps what is written from now on like this. Why not, in words; null when done. */
  async keepHistory(historyPolicy: HistoryPolicy): Promise<string | null> {
    try {
      await this.workspace.api.channels.update.mutate({ channelId: this.channelId, historyPolicy });
      return null;
    } catch (error) {
      return failureWords(failureOf(error));
    }
  }

  get name(): string {
    return this.partner ? personName(this.partner) : (this.channel?.name ?? '');
  }

  /** "Message #general", "Message Ada". */
  get composerLabel(): string {
    const { name } = this;
    return this.isDirect ? t('chat.messagePerson', { name }) : t('chat.messageChannel', { name });
  }

  /** Exactly the accounts that get keys; null until known. */
  get readers(): readonly AccountId[] | null {
    return this.workspace.structure.membersOf(this.channelId) ?? this.#readers;
  }

  /** Reads who gets keys; the head says when to look again. */
  async loadReaders(): Promise<void> {
    const found = await this.workspace.keys.conversation(this.channelId).catch(() => null);
    if (found) this.#readers = found.readers;
  }

  /** Shown name: the nickname here, else the display name; null until known. */
  nameOf(accountId: AccountId): string | null {
    const { members, people } = this.workspace;
    const member = this.community && members.find(this.community.communityId, accountId);
    const profile = people.profile(accountId);
    return member?.nickname ?? (profile && personName(profile));
  }

  /** People who can be mentioned: the members loaded so far, or the two of a direct conversation. */
  get mentionable(): Mentionable[] {
    const { structure, members } = this.workspace;
    const profiles = this.community
      ? members.of(this.community.communityId).map((member) => member.profile)
      : (structure.dms.get(this.channelId)?.members ?? []);
    return profiles
      .filter((profile) => !profile.isDeleted)
      .map(({ accountId, username }) => ({ accountId, username, name: this.nameOf(accountId) ?? username }));
  }

  /** Somebody is looked for by name: all members are to be found, not only those who were loaded. */
  async loadMentionable(): Promise<void> {
    const { community, workspace } = this;
    if (community) await workspace.members.loadAll(community.communityId).catch(() => undefined);
  }

  may(action: Action, message?: { isAuthor: boolean }): Decision {
    const account = this.workspace.structure.account;
    if (!account) return { ok: false, reason: 'not_found' };
    const { community, channel } = this;
    return decide(action, factsAt(account, { community, channel, ...message }));
  }

  /** How many of the others who read here one has checked oneself. */
  get verifiedReaders(): number {
    const { identities } = this.workspace;
    const others = (this.readers ?? []).filter((id) => id !== this.me);
    return others.filter((id) => shieldOf(identities.view(id)) === 'verified').length;
  }

  /** A direct message goes to one person only: while their identity is in question there is nobody to write to. */
  get #identityRefusal(): string | undefined {
    const { partner, name } = this;
    const alarm = partner && this.workspace.identities.alarm(partner.accountId);
    if (alarm === null) return undefined;
    return alarm === 'reset'
      ? t('secure.sendStoppedUntil', { name })
      : t('secure.sendStoppedBroken', { name });
  }

  /** Why nobody can write here, in words; undefined when one can. */
  get sendRefusal(): string | undefined {
    if (this.workspace.lease.isCopied) return t('copied.noSending');
    const stopped = this.#identityRefusal;
    if (stopped !== undefined) return stopped;
    const decision = this.may('message.send');
    if (decision.ok) return undefined;
    return this.partner?.isDeleted ? t('chat.partnerDeleted') : refusalWords(decision.reason);
  }

  say(text: string, options: { replyTo: EventId | null; mentions: readonly AccountId[] }): Promise<void> {
    const { replyTo, mentions } = options;
    return this.#post('message', { type: 'text', text, replyTo }, { refId: replyTo, mentions });
  }

  edit(target: EventId, text: string, mentions: readonly AccountId[]): Promise<void> {
    const content: Content = { type: 'edit', target, rev: this.#rev(target), text };
    return this.#post('edit', content, { refId: target, mentions });
  }

  react(target: EventId, emoji: string, add: boolean): Promise<void> {
    const content: Content = {
      type: 'reaction',
      target,
      emoji: normalizeEmoji(emoji),
      add,
      rev: this.#rev(target),
    };
    return this.#post('reaction', content, { refId: target });
  }

  remove(target: EventId): Promise<void> {
    return this.#post('redact', { type: 'redact', target }, { refId: target });
  }

  #rev(target: EventId): number {
    const { workspace, log } = this;
    const accountId = this.#self();
    return log.nextRev(target, { accountId, now: workspace.now() });
  }

  #self(): AccountId {
    const { me } = this;
    if (me === null) throw new Error('not signed in');
    return me;
  }

  async #post(
    eventClass: EventClass,
    content: Content,
    options: { refId: EventId | null; mentions?: readonly AccountId[] },
  ): Promise<void> {
    const now = this.workspace.now();
    await this.workspace.outbox.add({
      eventId: uuidv7(now) as EventId,
      channelId: this.channelId,
      class: eventClass,
      content,
      refId: options.refId,
      mentions: (options.mentions ?? []).filter((id) => id !== this.me),
      createdAt: now,
      failure: null,
    });
  }

  /** Drafts on their way, oldest first. */
  get outgoing(): Draft[] {
    return this.workspace.outbox.of(this.channelId);
  }

  retry(eventId: EventId): void {
    void this.workspace.outbox.retry(eventId);
  }

  discard(eventId: EventId): void {
    void this.workspace.outbox.discard(eventId);
  }

  /** Asks again for keys of messages that do not open yet. */
  async askForKeys(): Promise<void> {
    await this.workspace.keys.requestKeys(this.channelId, true).catch(() => undefined);
    await this.log.retryPending();
  }

  /** A person whose sessions are stuck, among those who read here; undefined when there is none. */
  get wedged(): AccountId | undefined {
    return this.readers?.find((id) => this.workspace.repairs.isWedged(id));
  }

  /** Begins new sessions with this person's devices, and asks once more. */
  async repair(accountId: AccountId): Promise<void> {
    const isOwn = accountId === this.me;
    const name = this.nameOf(accountId) ?? t('chat.unknownPerson');
    await this.workspace.repairs.byHand(accountId);
    const text = isOwn ? t('repair.startedOwn') : t('repair.startedText', { name });
    notify({ tone: 'ok', title: t('repair.started'), text });
  }

  /** Which messages are mine and still readable: what ↑ edits is the last of them. */
  get lastOwn(): Extract<MessageRow, { status: 'shown' }> | null {
    for (let at = this.log.rows.length - 1; at >= 0; at--) {
      const row = this.log.rows[at];
      if (row?.status === 'shown' && row.accountId === this.me && row.text !== null) return row;
    }
    return null;
  }
}

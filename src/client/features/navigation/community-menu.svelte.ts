// What one may do to a community from its menu: invite, make channels and groups, leave.
import { failureOf } from '#client/api/errors.ts';
import type { Chat } from '#client/features/conversation/chat.svelte.ts';
import { failureWords } from '#client/features/conversation/failure-words.ts';
import type { HistoryPolicy } from '#shared/channels.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { ChannelId, CommunityId, GroupId } from '#shared/ids.ts';

/** Done, or why not, in words. */
export type Outcome<T> = { readonly done: T } | { readonly refusal: string };

/** Channel names have no spaces and no capitals: what is typed becomes what it will be called. */
export const channelNameOf = (typed: string): string =>
  typed
    .toLowerCase()
    .replace(/[\s@/]+/g, '-')
    .replace(/[#]/g, '')
    .replace(/^-+/, '');

export class CommunityMenu {
  readonly #chat: Chat;
  isInviting = $state(false);
  isLeaving = $state(false);
  isNamingGroup = $state(false);
  /** The group a channel is being made in. */
  newChannelIn = $state<GroupId | null>(null);
  #isBusy = $state(false);

  constructor(chat: Chat) {
    this.#chat = chat;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  mayInvite(community: CommunityStructure): boolean {
    return this.#chat.may('invite.create', { community });
  }

  mayMakeGroup(community: CommunityStructure): boolean {
    return this.#chat.may('channel.manage', { community });
  }

  mayMakeChannel(community: CommunityStructure, groupId: GroupId): boolean {
    return this.#chat.may('channel.manage', { community, groupId });
  }

  mayLeave(community: CommunityStructure): boolean {
    return this.#chat.may('community.leave', { community });
  }

  leave(communityId: CommunityId): Promise<Outcome<void>> {
    return this.#do(async () => {
      await this.#chat.workspace.api.communities.leave.mutate({ communityId });
      this.isLeaving = false;
    });
  }

  makeGroup(communityId: CommunityId, name: string): Promise<Outcome<void>> {
    return this.#do(async () => {
      await this.#chat.workspace.api.groups.create.mutate({ communityId, name: name.trim() });
      this.isNamingGroup = false;
    });
  }

  makeChannel(
    communityId: CommunityId,
    input: { groupId: GroupId; name: string; topic: string; historyPolicy: HistoryPolicy },
  ): Promise<Outcome<ChannelId>> {
    return this.#do(async () => {
      const topic = input.topic.trim();
      const { channelId } = await this.#chat.workspace.api.channels.create.mutate({
        communityId,
        groupId: input.groupId,
        name: channelNameOf(input.name),
        historyPolicy: input.historyPolicy,
        ...(topic === '' ? {} : { topic }),
      });
      this.newChannelIn = null;
      return channelId;
    });
  }

  async #do<T>(work: () => Promise<T>): Promise<Outcome<T>> {
    this.#isBusy = true;
    try {
      return { done: await work() };
    } catch (error) {
      return { refusal: failureWords(failureOf(error)) };
    } finally {
      this.#isBusy = false;
    }
  }
}

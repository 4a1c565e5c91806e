// The signed-in screens of one workspace: conversations with what is being written in them, which panel is open,
// where one was last. Lives as long as the workspace, so a visit to the settings loses no draft.
import { Composer } from '#client/features/composer/composer.svelte.ts';
import { unowned } from '#client/lib/unowned.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { AccountId, ChannelId, CommunityId } from '#shared/ids.ts';
import { decide, type Action } from '#shared/permissions.ts';
import { Conversation } from './conversation.svelte.ts';
import { factsAt, type Place } from './facts.ts';

export type Panel =
  | { readonly kind: 'members' }
  | { readonly kind: 'readers' }
  | { readonly kind: 'profile'; readonly accountId: AccountId };

interface Room {
  readonly conversation: Conversation;
  readonly composer: Composer;
}

const LAST_KEY = 'chatalot.last-channel.';
const chats = new WeakMap<Workspace, Chat>();

/** The one of a workspace; made when first asked for and gone with it. */
export function chatOf(workspace: Workspace): Chat {
  const chat = chats.get(workspace) ?? unowned(() => new Chat(workspace));
  chats.set(workspace, chat);
  return chat;
}

export class Chat {
  readonly workspace: Workspace;
  readonly #rooms = new Map<ChannelId, Room>();
  #panel = $state.raw<Panel | null>(null);
  /** Phones: the panel is a screen of its own, shown when asked for. */
  #isPanelAsked = $state(false);
  #comparing = $state.raw<AccountId | null>(null);

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    this.#panel = matchMedia('(min-width: 1200px)').matches ? { kind: 'members' } : null;
  }

  room(channelId: ChannelId): Room {
    const known = this.#rooms.get(channelId);
    if (known) return known;
    const room = unowned(() => {
      const conversation = new Conversation(this.workspace, channelId);
      return { conversation, composer: new Composer(conversation) };
    });
    this.#rooms.set(channelId, room);
    return room;
  }

  get panel(): Panel | null {
    return this.#panel;
  }

  get isPanelAsked(): boolean {
    return this.#isPanelAsked && this.#panel !== null;
  }

  show(panel: Panel): void {
    this.#panel = panel;
    this.#isPanelAsked = true;
  }

  /** Whom one is checking right now. */
  get comparing(): AccountId | null {
    return this.#comparing;
  }

  compareWith(accountId: AccountId | null): void {
    this.#comparing = accountId;
  }

  showProfile(accountId: AccountId): void {
    this.show({ kind: 'profile', accountId });
  }

  /** Shows the panel, or closes it when it is what is shown. */
  toggle(panel: Panel): void {
    if (this.#panel?.kind === panel.kind) this.closePanel();
    else this.show(panel);
  }

  closePanel(): void {
    this.#panel = null;
    this.#isPanelAsked = false;
  }

  /** Another conversation came on screen: on phones its messages, not the panel. */
  arrive(channelId: ChannelId): void {
    this.#isPanelAsked = false;
    const communityId = this.workspace.structure.channel(channelId)?.communityId;
    if (communityId) localStorage.setItem(LAST_KEY + communityId, channelId);
    // An open panel stays open and shows what belongs to the place: the other person, or the members.
    if (this.#panel === null) return;
    const { partner } = this.room(channelId).conversation;
    this.#panel = partner ? { kind: 'profile', accountId: partner.accountId } : { kind: 'members' };
  }

  /** Where one was last in a community, else its first channel; null where there is none. */
  startOf(communityId: CommunityId): ChannelId | null {
    const community = this.workspace.structure.communities.get(communityId);
    const last = localStorage.getItem(LAST_KEY + communityId);
    const known = community?.channels.find((channel) => channel.channelId === last);
    return (known ?? (community && channelsInOrder(community)[0]))?.channelId ?? null;
  }

  may(action: Action, place: Place): boolean {
    const { account } = this.workspace.structure;
    return account !== null && decide(action, factsAt(account, place)).ok;
  }
}

const byPosition = <T extends { position: number; name: string }>(a: T, b: T): number =>
  a.position - b.position || a.name.localeCompare(b.name);

export interface ChannelGroup {
  readonly group: CommunityStructure['groups'][number] | null;
  readonly channels: CommunityStructure['channels'];
}

/** Groups in their order, each with its channels; channels without a visible group come first. */
export function groupsInOrder(community: CommunityStructure): ChannelGroup[] {
  const known = new Set(community.groups.map((group) => group.groupId));
  const inGroup = (groupId: string | null) =>
    community.channels.filter((c) => (c.groupId && known.has(c.groupId) ? c.groupId : null) === groupId);
  const loose = inGroup(null).sort(byPosition);
  const groups = [...community.groups].sort(byPosition).map((group) => ({
    group,
    channels: inGroup(group.groupId).sort(byPosition),
  }));
  return loose.length > 0 ? [{ group: null, channels: loose }, ...groups] : groups;
}

export const channelsInOrder = (community: CommunityStructure): CommunityStructure['channels'] =>
  groupsInOrder(community).flatMap(({ channels }) => channels);

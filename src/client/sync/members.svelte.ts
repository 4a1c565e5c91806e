// Members of communities, page by page, moved on by events; and what their roles let them do.
import { SvelteMap } from 'svelte/reactivity';
import type { Api } from '#client/api/trpc.ts';
import type { CommunityStructure, MembersPage, MemberSummary } from '#shared/communities.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId, CommunityId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { ownerRank, permission, resolveBits } from '#shared/permissions.ts';
import type { People } from './people.svelte.ts';

export class Members {
  readonly #api: () => Api;
  readonly #people: People;
  readonly #lists = new SvelteMap<CommunityId, SvelteMap<AccountId, MemberSummary>>();
  readonly #hasMore = new SvelteMap<CommunityId, boolean>();
  readonly #loading = new Map<CommunityId, Promise<void>>();

  constructor(options: { api: () => Api; people: People }) {
    this.#api = options.api;
    this.#people = options.people;
  }

  /** Members loaded so far, in order of joining. */
  of(communityId: CommunityId): MemberSummary[] {
    return [...(this.#lists.get(communityId)?.values() ?? [])].sort((a, b) => a.joinedAt - b.joinedAt);
  }

  /** One member, when loaded. */
  find(communityId: CommunityId, accountId: AccountId): MemberSummary | null {
    return this.#lists.get(communityId)?.get(accountId) ?? null;
  }

  hasMore(communityId: CommunityId): boolean {
    return this.#hasMore.get(communityId) ?? true;
  }

  /** Loads the next page; the first when none was loaded. Whoever calls meanwhile waits for the same page. */
  load(communityId: CommunityId): Promise<void> {
    const known = this.#loading.get(communityId);
    if (known) return known;
    if (!this.hasMore(communityId)) return Promise.resolve();
    const loading = this.#next(communityId).finally(() => this.#loading.delete(communityId));
    this.#loading.set(communityId, loading);
    return loading;
  }

  /** Page by page to the end, for whoever looks for somebody by name. Throws where a page does not come. */
  async loadAll(communityId: CommunityId): Promise<void> {
    while (this.hasMore(communityId)) await this.load(communityId);
  }

  async #next(communityId: CommunityId): Promise<void> {
    const page = await this.#page(communityId, this.of(communityId).at(-1));
    const list = this.#lists.get(communityId) ?? new SvelteMap<AccountId, MemberSummary>();
    for (const member of page.members) list.set(member.profile.accountId, member);
    this.#lists.set(communityId, list);
    this.#hasMore.set(communityId, page.hasMore);
  }

  /** After a reconnect: what was loaded is loaded anew, for nobody heard the events in between. */
  async refresh(): Promise<void> {
    for (const [communityId, list] of [...this.#lists]) await this.#reload(communityId, list.size);
  }

  async #reload(communityId: CommunityId, atLeast: number): Promise<void> {
    const fresh = new SvelteMap<AccountId, MemberSummary>();
    let page: MembersPage | null = null;
    do {
      page = await this.#page(communityId, page?.members.at(-1));
      for (const member of page.members) fresh.set(member.profile.accountId, member);
    } while (page.hasMore && fresh.size < atLeast);
    if (!this.#lists.has(communityId)) return;
    this.#lists.set(communityId, fresh);
    this.#hasMore.set(communityId, page.hasMore);
  }

  async #page(communityId: CommunityId, last: MemberSummary | undefined): Promise<MembersPage> {
    const after = last && { joinedAt: last.joinedAt, accountId: last.profile.accountId };
    const page = await this.#api().communities.members.query({
      communityId,
      limit: limits.membersPage,
      ...(after ? { after } : {}),
    });
    this.#people.learn(page.members.map((member) => member.profile));
    return page;
  }

  apply(event: LiveEvent): void {
    switch (event.type) {
      case 'member.joined':
        this.#lists.get(event.communityId)?.set(event.member.profile.accountId, event.member);
        break;
      case 'member.left':
        this.#lists.get(event.communityId)?.delete(event.accountId);
        break;
      case 'member.updated': {
        const list = this.#lists.get(event.communityId);
        const member = list?.get(event.accountId);
        const { nickname, roleIds } = event;
        if (list && member) list.set(event.accountId, { ...member, nickname, roleIds });
        break;
      }
      case 'profile.updated': {
        const { profile } = event;
        for (const list of this.#lists.values()) {
          const member = list.get(profile.accountId);
          if (member) list.set(profile.accountId, { ...member, profile });
        }
        break;
      }
      case 'community.left':
        this.#lists.delete(event.communityId);
        this.#hasMore.delete(event.communityId);
        break;
      default: // nothing about members
    }
  }

  /** Community-level bits of a member as far as loaded; null when the person is not in the loaded part. */
  bitsOf(community: CommunityStructure, accountId: AccountId): number | null {
    const roleIds = this.#lists.get(community.communityId)?.get(accountId)?.roleIds;
    const isOwner = community.ownerId === accountId;
    if (!roleIds && !isOwner) return null;
    const held = community.roles.filter((role) => roleIds?.includes(role.roleId));
    const everyone = community.roles.find((role) => role.position === 0)?.bits ?? 0;
    return resolveBits({ isOwner, everyone, roles: held.map((role) => role.bits), levels: [] });
  }

  /** Highest role position; the owner is above all roles. 0 for people not loaded. */
  rankOf(community: CommunityStructure, accountId: AccountId): number {
    if (community.ownerId === accountId) return ownerRank;
    const roleIds = this.#lists.get(community.communityId)?.get(accountId)?.roleIds ?? [];
    const positions = community.roles.filter((r) => roleIds.includes(r.roleId)).map((r) => r.position);
    return Math.max(0, ...positions);
  }

  /**
   * Whether a deletion by this person of somebody else's message counts. Membership is the server's list at this
   * stage; for people not loaded here its check at sending is all there is.
   */
  mayModerate(community: CommunityStructure | null, accountId: AccountId): boolean {
    if (!community) return false;
    const bits = this.bitsOf(community, accountId);
    return bits === null || (bits & permission.manageMessages) !== 0;
  }
}

// The member list of one community: by highest role, online people first, found by name; loads page by page.
import type { Members } from '#client/sync/members.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import { t } from '#client/lib/i18n.ts';
import type { Presence } from '#client/ui/presence-type.ts';
import type { CommunityStructure, MemberSummary } from '#shared/communities.ts';
import type { AccountId, CommunityId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { RoleSummary } from '#shared/roles.ts';

export interface MemberView {
  readonly accountId: AccountId;
  readonly name: string;
  readonly presence: Presence;
}
export type MemberItem =
  | { readonly kind: 'head'; readonly key: string; readonly title: string; readonly count: number }
  | { readonly kind: 'member'; readonly key: AccountId; readonly member: MemberView };

interface Section {
  readonly key: string;
  readonly title: string;
  readonly members: MemberView[];
}

/** Highest role of a member that is not everyone's; null without one. */
export function highestRole(community: CommunityStructure, member: MemberSummary): RoleSummary | null {
  const held = community.roles.filter((role) => role.position > 0 && member.roleIds.includes(role.roleId));
  return held.reduce<RoleSummary | null>((top, r) => (top && top.position > r.position ? top : r), null);
}

/** Sections in order: a role each with its people online, then others online, then everybody offline. */
export function sectionsOf(
  community: CommunityStructure,
  members: readonly MemberSummary[],
  presenceOf: (accountId: AccountId) => Presence,
): Section[] {
  const roles = community.roles.filter((r) => r.position > 0).sort((a, b) => b.position - a.position);
  const byKey = new Map<string, MemberView[]>();
  for (const member of members) {
    const { accountId, displayName } = member.profile;
    const presence = presenceOf(accountId);
    const key = presence === 'offline' ? 'offline' : (highestRole(community, member)?.roleId ?? 'online');
    const view = { accountId, name: member.nickname ?? displayName, presence };
    byKey.set(key, [...(byKey.get(key) ?? []), view]);
  }
  const named = [
    ...roles.map((role) => ({ key: role.roleId, title: role.name })),
    { key: 'online', title: t('members.online') },
    { key: 'offline', title: t('members.offline') },
  ];
  return named.flatMap(({ key, title }) => {
    const found = byKey.get(key);
    if (!found) return [];
    return [{ key, title, members: found.sort((a, b) => a.name.localeCompare(b.name)) }];
  });
}

export class MemberList {
  readonly communityId: CommunityId;
  readonly #workspace: Workspace;
  query = $state('');
  #loading = $state(0);
  readonly #items = $derived.by(() => this.#build());

  constructor(workspace: Workspace, communityId: CommunityId) {
    this.#workspace = workspace;
    this.communityId = communityId;
  }

  get items(): readonly MemberItem[] {
    return this.#items;
  }

  get isLoading(): boolean {
    return this.#loading > 0;
  }

  get hasMore(): boolean {
    return this.#workspace.members.hasMore(this.communityId);
  }

  /** Whose presence is worth hearing about: as many of the loaded as may be watched at once. */
  get watched(): AccountId[] {
    return this.#workspace.members
      .of(this.communityId)
      .slice(0, limits.presenceWatch)
      .map((member) => member.profile.accountId);
  }

  loadMore(): Promise<void> {
    return this.#load((members) => members.load(this.communityId));
  }

  /** To the end, so that a search finds everybody. */
  loadAll(): Promise<void> {
    return this.#load((members) => members.loadAll(this.communityId));
  }

  /** What fails is made good by the next call. */
  async #load(pages: (members: Members) => Promise<void>): Promise<void> {
    if (!this.hasMore) return;
    this.#loading += 1;
    await pages(this.#workspace.members).catch(() => undefined);
    this.#loading -= 1;
  }

  /** One is online here oneself while the connection stands, whatever the server says about it later. */
  #presenceOf(accountId: AccountId): Presence {
    const { me, people, structure } = this.#workspace;
    if (accountId !== me) return people.presence(accountId);
    return ownPresence(structure.account?.presence);
  }

  #build(): MemberItem[] {
    const { structure, members } = this.#workspace;
    const community = structure.communities.get(this.communityId);
    if (!community) return [];
    const wanted = this.query.trim().toLocaleLowerCase('en');
    const isWanted = ({ profile, nickname }: MemberSummary): boolean =>
      [nickname ?? '', profile.displayName, profile.username].some((name) =>
        name.toLocaleLowerCase('en').includes(wanted),
      );
    const found = members.of(this.communityId).filter((member) => wanted === '' || isWanted(member));
    return sectionsOf(community, found, (id) => this.#presenceOf(id)).flatMap((section): MemberItem[] => [
      { kind: 'head', key: section.key, title: section.title, count: section.members.length },
      ...section.members.map((member): MemberItem => ({ kind: 'member', key: member.accountId, member })),
    ]);
  }
}

/** What one has chosen, as it looks to oneself; invisible looks offline to everybody. */
export const ownPresence = (choice: string | undefined): Presence =>
  choice === 'idle' || choice === 'dnd' ? choice : choice === 'invisible' ? 'offline' : 'online';

// Profiles of people on screen, fetched in batches, kept fresh by events; and presence of those who are watched.
import { SvelteMap } from 'svelte/reactivity';
import type { Api } from '#client/api/trpc.ts';
import { slices } from '#client/lib/slices.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { Presence, PresenceEntry, Profile } from '#shared/users.ts';

const PROFILES_PER_CALL = 100;
const GATHER_MS = 30;

export class People {
  readonly #api: () => Api;
  readonly #profiles = new SvelteMap<AccountId, Profile>();
  readonly #presence = new SvelteMap<AccountId, Presence>();
  readonly #wanted = new Set<AccountId>();
  /** Views that watch presence, and whom. */
  readonly #watches = new Map<object, readonly AccountId[]>();
  #fetching: ReturnType<typeof setTimeout> | undefined;
  #watching: ReturnType<typeof setTimeout> | undefined;

  constructor(api: () => Api) {
    this.#api = api;
  }

  /** The profile, or null until it is here; asks for it when it is not. */
  profile(accountId: AccountId): Profile | null {
    const known = this.#profiles.get(accountId);
    if (known) return known;
    this.#wanted.add(accountId);
    if (this.#fetching === undefined) this.#fetching = setTimeout(() => void this.#fetch(), GATHER_MS);
    return null;
  }

  learn(profiles: readonly Profile[]): void {
    for (const profile of profiles) {
      const known = this.#profiles.get(profile.accountId);
      if (JSON.stringify(known) !== JSON.stringify(profile)) this.#profiles.set(profile.accountId, profile);
    }
  }

  async #fetch(): Promise<void> {
    this.#fetching = undefined;
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    for (const accountIds of slices(wanted, PROFILES_PER_CALL)) {
      const profiles = await this.#api()
        .users.profiles.query({ accountIds })
        .catch(() => []);
      this.learn(profiles);
    }
  }

  presence(accountId: AccountId): Presence {
    return this.#presence.get(accountId) ?? 'offline';
  }

  /** What a view shows; an empty list ends its watch. The server hears the union, at most 200. */
  watch(view: object, accountIds: readonly AccountId[]): void {
    if (accountIds.length === 0) this.#watches.delete(view);
    else this.#watches.set(view, accountIds);
    this.#watching ??= setTimeout(() => void this.rewatch(), GATHER_MS);
  }

  /** Tells the server again whom we watch: after a change, and after every reconnect. */
  async rewatch(): Promise<void> {
    clearTimeout(this.#watching);
    this.#watching = undefined;
    const accountIds = [...new Set([...this.#watches.values()].flat())].slice(0, limits.presenceWatch);
    const entries = await this.#api()
      .presence.watch.mutate({ accountIds })
      .catch(() => []);
    this.applyPresence(entries);
  }

  /** What live events say about people. */
  apply(event: LiveEvent): void {
    if (event.type === 'profile.updated') this.learn([event.profile]);
    else if (event.type === 'member.joined') this.learn([event.member.profile]);
    else if (event.type === 'dm.opened') this.learn(event.dm.members);
    else if (event.type === 'presence.changed') this.applyPresence(event.entries);
  }

  applyPresence(entries: readonly PresenceEntry[]): void {
    for (const { accountId, presence } of entries) this.#presence.set(accountId, presence);
  }
}

// Invite links of one community: make, list, take back.
import { failureOf } from '#client/api/errors.ts';
import { failureWords } from '#client/features/conversation/failure-words.ts';
import { inviteUrl } from '#client/lib/invite-link.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { CommunityId } from '#shared/ids.ts';
import type { InviteSummary } from '#shared/invites.ts';

const HOUR = 3_600_000;
/** What is offered; the server takes anything from an hour to a year, or no end. */
export const EXPIRIES = { day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR, never: null } as const;
export type Expiry = keyof typeof EXPIRIES;

export class Invites {
  readonly #workspace: Workspace;
  readonly communityId: CommunityId;
  expiry = $state<Expiry>('week');
  #list = $state.raw<readonly InviteSummary[] | null>(null);
  #made = $state.raw<{ readonly code: string; readonly link: string } | null>(null);
  #isBusy = $state(false);
  #problem = $state<string | null>(null);

  constructor(workspace: Workspace, communityId: CommunityId) {
    this.#workspace = workspace;
    this.communityId = communityId;
  }

  /** Newest first; null until loaded. */
  get list(): readonly InviteSummary[] | null {
    return this.#list;
  }

  /** Link of the invite just made. */
  get link(): string | null {
    return this.#made?.link ?? null;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  get problem(): string | null {
    return this.#problem;
  }

  load(): Promise<void> {
    return this.#do(async () => {
      const list = await this.#workspace.api.invites.list.query({ communityId: this.communityId });
      this.#list = [...list].sort((a, b) => b.createdAt - a.createdAt);
    });
  }

  create(): Promise<void> {
    return this.#do(async () => {
      const expiresInMs = EXPIRIES[this.expiry];
      const { communityId } = this;
      const input = expiresInMs === null ? { communityId } : { communityId, expiresInMs };
      const invite = await this.#workspace.api.invites.create.mutate(input);
      // Only the maker's own device can say who made it.
      const pin = await this.#workspace.crypto.invitePin().catch(() => null);
      this.#made = { code: invite.code, link: inviteUrl(invite.code, pin) };
      this.#list = [invite, ...(this.#list ?? [])];
    });
  }

  revoke(code: string): Promise<void> {
    return this.#do(async () => {
      await this.#workspace.api.invites.revoke.mutate({ code });
      this.#list = (this.#list ?? []).filter((invite) => invite.code !== code);
      if (this.#made?.code === code) this.#made = null;
    });
  }

  async #do(work: () => Promise<void>): Promise<void> {
    this.#isBusy = true;
    this.#problem = null;
    try {
      await work();
    } catch (error) {
      this.#problem = failureWords(failureOf(error));
    } finally {
      this.#isBusy = false;
    }
  }
}

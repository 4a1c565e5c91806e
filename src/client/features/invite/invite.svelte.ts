// An invite link: what it leads to, and following it.
import { entryFailure, type EntryFailure, type Session } from '#client/features/session/session.svelte.ts';
import { inviteCodeSchema } from '#shared/auth.ts';
import type { CommunityId } from '#shared/ids.ts';
import type { InvitePreview } from '#shared/invites.ts';

export class InviteLink {
  readonly code: string;
  readonly #session: Session;
  #preview = $state.raw<InvitePreview | null>(null);
  #failure = $state.raw<EntryFailure | null>(null);
  #isJoining = $state(false);

  constructor(session: Session, code: string) {
    this.#session = session;
    this.code = code;
  }

  /** What anybody holding the link may see; null until it is loaded. */
  get preview(): InvitePreview | null {
    return this.#preview;
  }

  /** `invite_invalid` when the link does not work. */
  get failure(): EntryFailure | null {
    return this.#failure;
  }

  get isJoining(): boolean {
    return this.#isJoining;
  }

  async load(): Promise<void> {
    this.#failure = null;
    if (!inviteCodeSchema.safeParse(this.code).success) {
      this.#failure = { code: 'invite_invalid' };
      return;
    }
    try {
      this.#preview = await this.#session.http.invites.preview.query({ code: this.code });
    } catch (error) {
      this.#failure = entryFailure(error);
    }
  }

  /** Joins as the signed-in person; answers the community, or null with `failure` set. Members simply go there. */
  async accept(): Promise<CommunityId | null> {
    const { workspace } = this.#session;
    if (this.#isJoining || !workspace) return null;
    this.#isJoining = true;
    this.#failure = null;
    try {
      const community = await workspace.api.invites.accept.mutate({ code: this.code });
      return community.communityId;
    } catch (error) {
      this.#failure = entryFailure(error);
      return null;
    } finally {
      this.#isJoining = false;
    }
  }
}

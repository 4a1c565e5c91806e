// An invite link: what it leads to, and following it.
import { entryFailure, type EntryFailure, type Session } from '#client/features/session/session.svelte.ts';
import { forgetPin, pinOf } from '#client/lib/invite-link.ts';
import { inviteCodeSchema } from '#shared/auth.ts';
import type { CommunityId } from '#shared/ids.ts';
import type { InvitePreview } from '#shared/invites.ts';

/** `unnamed`: the link says nothing of its maker. `another`, `gone`: it names somebody the server does not show. */
export type InviteMaker = 'unnamed' | 'as_named' | 'another' | 'gone';

/** Nobody joins by a link whose maker is not whom it names. */
export const isRefused = (maker: InviteMaker): boolean => maker === 'another' || maker === 'gone';

export class InviteLink {
  readonly code: string;
  readonly #session: Session;
  readonly #pin: string | null;
  #maker = $state<InviteMaker>('unnamed');
  #preview = $state.raw<InvitePreview | null>(null);
  #failure = $state.raw<EntryFailure | null>(null);
  #isJoining = $state(false);

  constructor(session: Session, link: { code: string; fragment: string }) {
    this.#session = session;
    this.code = link.code;
    this.#pin = pinOf(link.code, link.fragment);
  }

  /** Whether whom the server shows as the link's maker is whom the link names. */
  get maker(): InviteMaker {
    return this.#maker;
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
      const preview = await this.#session.http.invites.preview.query({ code: this.code });
      this.#maker = await this.#judge(preview);
      this.#preview = preview;
    } catch (error) {
      this.#failure = entryFailure(error);
    }
  }

  async #judge({ inviterId, inviterGenesis }: InvitePreview): Promise<InviteMaker> {
    if (this.#pin === null) return 'unnamed';
    if (inviterId === null || inviterGenesis === null) return 'gone';
    const link = { accountId: inviterId, genesis: inviterGenesis, pin: this.#pin };
    return (await this.#session.isInvitePinned(link)) ? 'as_named' : 'another';
  }

  /** Joined, by registering or otherwise: from now on the maker is whom the link named, or stopped. */
  async remember(): Promise<void> {
    const { workspace } = this.#session;
    const accountId = this.#preview?.inviterId;
    if (this.#pin === null || this.#maker !== 'as_named' || !workspace || accountId == null) return;
    await workspace.crypto.pinInviter({ accountId, pin: this.#pin, now: workspace.now() });
    workspace.identities.changed([accountId]);
    forgetPin(this.code);
  }

  /** Joins as the signed-in person; answers the community, or null with `failure` set. Members simply go there. */
  async accept(): Promise<CommunityId | null> {
    const { workspace } = this.#session;
    if (this.#isJoining || !workspace || isRefused(this.#maker)) return null;
    this.#isJoining = true;
    this.#failure = null;
    try {
      const community = await workspace.api.invites.accept.mutate({ code: this.code });
      await this.remember();
      return community.communityId;
    } catch (error) {
      this.#failure = entryFailure(error);
      return null;
    } finally {
      this.#isJoining = false;
    }
  }
}

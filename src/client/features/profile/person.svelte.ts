// One person's card: profile, what this device knows of their identity, their devices by name.
import { failureOf } from '#client/api/errors.ts';
import type { IdentityView } from '#client/crypto/protocol.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import { shieldOf } from '#client/features/verification/shield.ts';
import { failureWords } from '#client/features/conversation/failure-words.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import type { ShieldState } from '#client/ui/presence-type.ts';
import type { Profile } from '#shared/users.ts';
import { deviceSummaries } from './device-names.ts';

export interface PersonDevice {
  readonly deviceId: string;
  readonly label: string | null;
  readonly addedAt: number;
  readonly isFirst: boolean;
  /** The device that certified it; null: with the password or the recovery code. */
  readonly addedBy: { readonly label: string | null } | null;
  readonly isOwn: boolean;
}

export class Person {
  readonly accountId: AccountId;
  readonly #workspace: Workspace;
  #labels = $state.raw<ReadonlyMap<string, string>>(new Map());
  #isBusy = $state(false);

  constructor(workspace: Workspace, accountId: AccountId) {
    this.#workspace = workspace;
    this.accountId = accountId;
  }

  get profile(): Profile | null {
    return this.#workspace.people.profile(this.accountId);
  }

  get isSelf(): boolean {
    return this.#workspace.me === this.accountId;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** What this device knows of their identity; null until it is read. */
  get identity(): IdentityView | null {
    return this.#workspace.identities.view(this.accountId);
  }

  get shield(): ShieldState {
    return shieldOf(this.identity);
  }

  /** Devices certified by the person's own log, oldest first; the names are the server's word (others' are private). */
  get devices(): PersonDevice[] {
    const labelOf = (deviceId: string): string | null => this.#labels.get(deviceId) ?? null;
    return (this.identity?.devices ?? [])
      .filter((device) => !device.isRevoked)
      .map(({ deviceId, addedAt, isFirst, addedBy, isOwn }) => ({
        deviceId,
        addedAt,
        isFirst,
        addedBy: addedBy === null ? null : { label: labelOf(addedBy) },
        isOwn,
        label: labelOf(deviceId),
      }));
  }

  /** Communities both are in, as far as this client knows. */
  get shared(): CommunityStructure[] {
    const { structure, members } = this.#workspace;
    return [...structure.communities.values()].filter((community) =>
      members.find(community.communityId, this.accountId),
    );
  }

  async load(): Promise<void> {
    const { accountId } = this;
    const { keys, identities, api } = this.#workspace;
    await keys.refreshNewest([accountId]).catch(() => undefined);
    await identities.reread(accountId);
    const summaries = await deviceSummaries(api, accountId).catch(() => []);
    this.#labels = new Map([...summaries].map(([deviceId, { label }]) => [deviceId, label]));
  }

  /** Takes the new identity, as shown, for this person's without checking it. */
  async accept(): Promise<void> {
    const aid = this.identity?.offered;
    if (this.#isBusy || aid == null) return;
    this.#isBusy = true;
    try {
      // Refused when the server shows yet another one meanwhile: then that is what is shown next.
      const now = this.#workspace.now();
      const decided = { accountId: this.accountId, aid, now };
      await this.#workspace.crypto.acceptIdentity(decided).catch(() => undefined);
      await this.#workspace.identitySettled(this.accountId);
    } finally {
      this.#isBusy = false;
    }
  }

  /** "Not sure any more": the person counts as not checked. */
  async unverify(): Promise<void> {
    const { accountId } = this;
    const now = this.#workspace.now();
    await this.#workspace.crypto.unverify({ accountId, now }).catch(() => undefined);
    await this.#workspace.vouchingChanged(accountId);
  }

  /** The direct conversation with this person; why not, in words, when there is none to be had. */
  async openDirect(): Promise<{ channelId: ChannelId } | { refusal: string }> {
    this.#isBusy = true;
    try {
      const dm = await this.#workspace.api.dms.open.mutate({ accountId: this.accountId });
      this.#workspace.structure.apply({ type: 'dm.opened', dm });
      return { channelId: dm.channel.channelId };
    } catch (error) {
      return { refusal: failureWords(failureOf(error)) };
    } finally {
      this.#isBusy = false;
    }
  }
}

// One person's card: profile, what this device knows of their identity, their devices by name.
import { failureOf } from '#client/api/errors.ts';
import type { IdentityView } from '#client/crypto/protocol.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import { failureWords } from '#client/features/conversation/failure-words.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { ShieldState } from '#client/ui/presence-type.ts';
import type { Profile } from '#shared/users.ts';

export interface PersonDevice {
  readonly deviceId: string;
  readonly label: string | null;
  readonly addedAt: number;
  readonly isOwn: boolean;
}

export class Person {
  readonly accountId: AccountId;
  readonly #workspace: Workspace;
  #identity = $state.raw<IdentityView | null>(null);
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

  /** What the person must look at, or null. */
  get alarm(): IdentityView['alarm'] {
    return this.#workspace.alarms.get(this.accountId)?.kind ?? this.#identity?.alarm ?? null;
  }

  /** A reset waits for one tap; anything else cannot be waved through. */
  get isAcceptable(): boolean {
    return this.#identity?.state === 'held';
  }

  get shield(): ShieldState {
    return this.alarm === null ? 'unchecked' : 'changed';
  }

  /** Devices certified by the person's own log; the names are the server's word. */
  get devices(): PersonDevice[] {
    return (this.#identity?.devices ?? [])
      .filter((device) => !device.isRevoked)
      .map(({ deviceId, addedAt, isOwn }) => ({
        deviceId,
        addedAt,
        isOwn,
        label: this.#labels.get(deviceId) ?? null,
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
    const { keys, crypto, api } = this.#workspace;
    await keys.refreshLogs([{ accountId }]).catch(() => undefined);
    const [identity] = await crypto.identities({ accountIds: [accountId] }).catch(() => []);
    this.#identity = identity ?? null;
    const query = { accounts: [{ accountId, fromSeq: limits.accountLogEntries }] };
    const [log] = await api.devices.logs.query(query).catch(() => []);
    this.#labels = new Map(log?.devices.map((device) => [device.deviceId, device.label]));
  }

  /** Takes the new identity as this person's; what waited for it goes on. */
  async accept(): Promise<void> {
    const aid = this.#identity?.offered;
    if (this.#isBusy || aid == null) return;
    this.#isBusy = true;
    try {
      const { crypto, alarms, outbox } = this.#workspace;
      await crypto.acceptIdentity({ accountId: this.accountId, aid });
      alarms.delete(this.accountId);
      await this.load();
      await outbox.resume();
    } finally {
      this.#isBusy = false;
    }
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

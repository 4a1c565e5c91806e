// First run, after the owner's account exists: name and door of the instance, first community, invite link.
import { inviteUrl } from '#client/lib/invite-link.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { CommunityId } from '#shared/ids.ts';
import { communityNameSchema } from '#shared/communities.ts';
import { instanceNameSchema, registrationModeSchema } from '#shared/instance.ts';
import { EntryWork } from './entry-work.svelte.ts';
import type { EntryFailure, Session } from './session.svelte.ts';

export type SetupStep = 'server' | 'community' | 'invite';

const INVITE_MS = 7 * 24 * 60 * 60 * 1000;

export class InstanceSetup {
  instanceName = $state('');
  door = $state('invite');
  communityName = $state('');
  description = $state('');
  readonly #session: Session;
  readonly #work = new EntryWork();
  #step = $state<SetupStep>('server');
  #wasTried = $state(false);
  #communityId = $state<CommunityId | null>(null);
  #inviteUrl = $state('');

  constructor(session: Session) {
    this.#session = session;
  }

  get step(): SetupStep {
    return this.#step;
  }

  get isBusy(): boolean {
    return this.#work.isBusy;
  }

  get failure(): EntryFailure | null {
    return this.#work.failure;
  }

  get isInstanceNameMissing(): boolean {
    return this.#wasTried && !instanceNameSchema.safeParse(this.instanceName).success;
  }

  get isCommunityNameMissing(): boolean {
    return this.#wasTried && !communityNameSchema.safeParse(this.communityName).success;
  }

  /** The community that was made; null before. */
  get communityId(): CommunityId | null {
    return this.#communityId;
  }

  get inviteUrl(): string {
    return this.#inviteUrl;
  }

  async submitServer(): Promise<void> {
    const name = instanceNameSchema.safeParse(this.instanceName);
    const registration = registrationModeSchema.safeParse(this.door);
    this.#wasTried = true;
    if (!name.success || !registration.success) return;
    await this.#try(async ({ api }) => {
      await api.instance.configure.mutate({ name: name.data, registration: registration.data });
      await this.#session.refreshInstance();
      this.#step = 'community';
    });
  }

  /** Makes the community once, also when a later part of the step failed and is tried again. */
  async submitCommunity(): Promise<void> {
    const name = communityNameSchema.safeParse(this.communityName);
    this.#wasTried = true;
    if (!name.success) return;
    await this.#try(async ({ api, crypto }) => {
      this.#communityId ??= (await api.communities.create.mutate({ name: name.data })).communityId;
      const communityId = this.#communityId;
      const description = this.description.trim();
      if (description !== '') await api.communities.update.mutate({ communityId, description });
      const { code } = await api.invites.create.mutate({ communityId, expiresInMs: INVITE_MS });
      this.#inviteUrl = inviteUrl(code, await crypto.invitePin().catch(() => null));
      this.#step = 'invite';
    });
  }

  async #try(run: (workspace: Workspace) => Promise<void>): Promise<void> {
    const { workspace } = this.#session;
    if (!workspace) return;
    await this.#work.run('work', async () => {
      await run(workspace);
      this.#wasTried = false;
    });
  }
}

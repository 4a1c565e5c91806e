// What a person says about themselves, and how others see whether they are there.
import { failureOf, type CallFailure } from '#client/api/errors.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import { displayNameSchema } from '#shared/auth.ts';
import { presenceChoiceSchema, type OwnAccount, type PresenceChoice } from '#shared/users.ts';

export class ProfileForm {
  displayName = $state('');
  bio = $state('');
  pronouns = $state('');
  readonly #workspace: Workspace;
  #isSaving = $state(false);
  #isSaved = $state(false);
  #failure = $state.raw<CallFailure | null>(null);
  /** What is on its way to the server; null when what the server says is shown. */
  #choosing = $state<PresenceChoice | null>(null);

  constructor(workspace: Workspace, account: OwnAccount) {
    this.#workspace = workspace;
    this.displayName = account.displayName;
    this.bio = account.bio;
    this.pronouns = account.pronouns;
  }

  get isSaving(): boolean {
    return this.#isSaving;
  }

  /** True from a save until the next change of a field. */
  get isSaved(): boolean {
    return this.#isSaved && !this.isChanged;
  }

  get failure(): CallFailure | null {
    return this.#failure;
  }

  get isNameMissing(): boolean {
    return !displayNameSchema.safeParse(this.displayName).success;
  }

  get isChanged(): boolean {
    const { account } = this.#workspace.structure;
    if (!account) return false;
    const { displayName, bio, pronouns } = account;
    const isSame = this.displayName.trim() === displayName && this.pronouns.trim() === pronouns;
    return !isSame || this.bio !== bio;
  }

  async save(): Promise<void> {
    if (this.#isSaving || this.isNameMissing || !this.isChanged) return;
    this.#isSaving = true;
    this.#failure = null;
    try {
      const { bio } = this;
      const displayName = this.displayName.trim();
      const pronouns = this.pronouns.trim();
      await this.#workspace.api.users.update.mutate({ displayName, bio, pronouns });
      this.#isSaved = true;
    } catch (error) {
      this.#failure = failureOf(error);
    } finally {
      this.#isSaving = false;
    }
  }

  get presence(): PresenceChoice {
    return this.#choosing ?? this.#workspace.structure.account?.presence ?? 'online';
  }

  async choosePresence(value: string): Promise<void> {
    const choice = presenceChoiceSchema.safeParse(value);
    if (!choice.success || choice.data === this.presence) return;
    this.#choosing = choice.data;
    this.#failure = null;
    try {
      await this.#workspace.api.presence.set.mutate({ presence: choice.data });
    } catch (error) {
      this.#choosing = null;
      this.#failure = failureOf(error);
    }
  }
}

// Kick and ban: who may, asked first, said in words.
import { failureOf } from '#client/api/errors.ts';
import { failureWords } from '#client/features/conversation/failure-words.ts';
import { factsAt } from '#client/features/conversation/facts.ts';
import { t } from '#client/lib/i18n.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { AccountId } from '#shared/ids.ts';
import { decide } from '#shared/permissions.ts';

export type Duty = 'kick' | 'ban';

export class Duties {
  readonly #workspace: Workspace;
  readonly #community: () => CommunityStructure;
  readonly #accountId: () => AccountId;
  /** The question being asked. */
  asking = $state<Duty | null>(null);
  reason = $state('');
  #isBusy = $state(false);

  constructor(
    workspace: Workspace,
    target: { community: () => CommunityStructure; accountId: () => AccountId },
  ) {
    this.#workspace = workspace;
    this.#community = target.community;
    this.#accountId = target.accountId;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  may(duty: Duty): boolean {
    const { structure, members } = this.#workspace;
    if (!structure.account) return false;
    const community = this.#community();
    const accountId = this.#accountId();
    const target = {
      accountId,
      rank: members.rankOf(community, accountId),
      isMember: members.find(community.communityId, accountId) !== null,
    };
    // A ban is also possible before somebody joins, but not offered for strangers here.
    return target.isMember && decide(`member.${duty}`, factsAt(structure.account, { community, target })).ok;
  }

  /** Does what was asked about; what happened, in words. */
  async confirm(name: string): Promise<{ isDone: boolean; words: string }> {
    const duty = this.asking;
    const input = { communityId: this.#community().communityId, accountId: this.#accountId() };
    this.#isBusy = true;
    try {
      const { communities } = this.#workspace.api;
      if (duty === 'kick') await communities.kick.mutate(input);
      else {
        const reason = this.reason.trim();
        await communities.ban.mutate(reason === '' ? input : { ...input, reason });
      }
      this.asking = null;
      this.reason = '';
      const words = duty === 'kick' ? t('members.kicked', { name }) : t('members.banned', { name });
      return { isDone: true, words };
    } catch (error) {
      return { isDone: false, words: failureWords(failureOf(error)) };
    } finally {
      this.#isBusy = false;
    }
  }
}

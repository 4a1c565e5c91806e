// Where a person is logged in.
import { failureOf, type CallFailure } from '#client/api/errors.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { SessionSummary } from '#shared/auth.ts';
import type { SessionId } from '#shared/ids.ts';

export class SessionList {
  readonly #workspace: Workspace;
  #sessions = $state.raw<readonly SessionSummary[] | null>(null);
  #failure = $state.raw<CallFailure | null>(null);
  #revoking = $state<SessionId | null>(null);

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  /** This browser first, then the most recently used; null until loaded. */
  get sessions(): readonly SessionSummary[] | null {
    return this.#sessions;
  }

  get failure(): CallFailure | null {
    return this.#failure;
  }

  /** The session being ended right now. */
  get revoking(): SessionId | null {
    return this.#revoking;
  }

  async load(): Promise<void> {
    this.#failure = null;
    try {
      const sessions = await this.#workspace.api.sessions.list.query();
      const rank = (session: SessionSummary): number => (session.isCurrent ? Infinity : session.lastUsedAt);
      this.#sessions = sessions.toSorted((a, b) => rank(b) - rank(a));
    } catch (error) {
      this.#failure = failureOf(error);
    }
  }

  async revoke(sessionId: SessionId): Promise<void> {
    if (this.#revoking !== null) return;
    this.#revoking = sessionId;
    try {
      await this.#workspace.api.sessions.revoke.mutate({ sessionId });
    } catch (error) {
      // Gone already: the list says so in a moment.
      const failure = failureOf(error);
      if (failure.code !== 'not_found') {
        this.#failure = failure;
        return;
      }
    } finally {
      this.#revoking = null;
    }
    await this.load();
  }
}

// Remembers that a device owner may send in a community's channel, so that a conversation does not load the same facts for
// every message. A grant is a shortcut, never the authority: the statement refuses it (`stale_grant`) as soon as the
// community's version or the account has changed, and the facts are loaded and judged again.
import type { Action } from '#shared/permissions.ts';

export interface SendGrant {
  /** The community's version the facts were loaded at. */
  readonly version: number;
  /** Holds manageMessages in the channel. */
  readonly isModerator: boolean;
}

/** What was allowed. Only actions that depend on nothing but who and where are remembered. */
interface GrantKey {
  readonly action: Action;
  readonly channelId: string;
  readonly accountId: string;
}

const MAX_GRANTS = 20_000;
const remembered: ReadonlySet<Action> = new Set<Action>(['message.send', 'message.react']);
const nameOf = (key: GrantKey): string => `${key.action} ${key.channelId} ${key.accountId}`;

export class SendGrants {
  readonly #grants = new Map<string, SendGrant>();

  find(key: GrantKey): SendGrant | null {
    return this.#grants.get(nameOf(key)) ?? null;
  }

  /** Remembers one more; the oldest is forgotten when there are too many. */
  remember(key: GrantKey, grant: SendGrant): void {
    if (!remembered.has(key.action)) return;
    const name = nameOf(key);
    this.#grants.delete(name);
    this.#grants.set(name, grant);
    if (this.#grants.size <= MAX_GRANTS) return;
    for (const oldest of this.#grants.keys()) {
      this.#grants.delete(oldest);
      return;
    }
  }

  forget(key: GrantKey): void {
    this.#grants.delete(nameOf(key));
  }
}

// Who is connected to the other nodes of the instance, as each of them says. Held in memory on every node, so that
// reading presence never asks anybody.
import type { AccountId } from '#shared/ids.ts';
import type { PresenceChoice } from '#shared/users.ts';

/** Somebody connected to a node and what they chose to show; null: no longer connected there. */
export type PresentEntry = readonly [AccountId, PresenceChoice | null];

export class PresenceElsewhere {
  readonly #nodes = new Map<string, Map<AccountId, PresenceChoice>>();

  /** What somebody who is connected to another node chose; null when nobody says they are. */
  choiceOf(accountId: AccountId): PresenceChoice | null {
    for (const people of this.#nodes.values()) {
      const choice = people.get(accountId);
      if (choice !== undefined) return choice;
    }
    return null;
  }

  /** True when it changes what is known of somebody on another node. */
  choose(accountId: AccountId, choice: PresenceChoice): boolean {
    let isNews = false;
    for (const people of this.#nodes.values()) {
      const before = people.get(accountId);
      if (before === undefined || before === choice) continue;
      people.set(accountId, choice);
      isNews = true;
    }
    return isNews;
  }

  /** Takes over what a node says and answers whom it concerns. `isWhole`: whoever is not named is not there. */
  apply(nodeId: string, entries: readonly PresentEntry[], isWhole: boolean): AccountId[] {
    const before = this.#nodes.get(nodeId) ?? new Map<AccountId, PresenceChoice>();
    const people = isWhole ? new Map<AccountId, PresenceChoice>() : before;
    const changed = new Set<AccountId>(isWhole ? before.keys() : []);
    for (const [accountId, choice] of entries) {
      changed.add(accountId);
      if (choice === null) people.delete(accountId);
      else people.set(accountId, choice);
    }
    if (people.size > 0) this.#nodes.set(nodeId, people);
    else this.#nodes.delete(nodeId);
    return [...changed];
  }
}

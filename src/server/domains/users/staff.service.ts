// What whoever runs the server does about accounts: see them, suspend them, make them staff. Called by the operator's
// command line, who owns the machine: no action is asked for here, and what is done is logged.
import type { Deps } from '#server/deps.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { forbidden, notFound } from '#shared/errors.ts';
import type { AccountId } from '#shared/ids.ts';
import { revokeSessions } from '../sessions/sessions.service.ts';
import { changeStanding, findStanding, listStandings, type Standing } from './staff.queries.ts';
import { requireOwnAccount } from './users.service.ts';

export type { Standing } from './staff.queries.ts';

/** Accounts by name; `search` is a part of it. */
export function listPeople(deps: Deps, search: string, limit: number): Promise<Standing[]> {
  return listStandings(deps.db, search, limit);
}

/** Throws `not_found`. */
export async function requirePerson(deps: Deps, username: string): Promise<Standing> {
  const found = await findStanding(deps.db, username.toLowerCase());
  if (!found) throw notFound();
  return found;
}

async function changePerson(
  tx: Tx,
  deps: Deps,
  change: {
    readonly username: string;
    readonly suspendedAt?: Date | null;
    readonly role?: 'admin' | 'member';
  },
): Promise<AccountId> {
  const person = await findStanding(tx, change.username.toLowerCase());
  if (!person) throw notFound();
  if (person.instanceRole === 'owner') throw forbidden('owner');
  await changeStanding(tx, person.accountId, {
    suspendedAt: change.suspendedAt === undefined ? person.suspendedAt : change.suspendedAt,
    instanceRole: change.role ?? person.instanceRole,
  });
  const account = await requireOwnAccount(tx, person.accountId);
  tx.afterCommit(() =>
    deps.live.publish({ to: 'account', accountId: person.accountId }, { type: 'account.updated', account }),
  );
  return person.accountId;
}

/**
 * Suspends an account, or ends its suspension. A suspended one is signed out everywhere at once and can do nothing;
 * what it wrote stays. Throws `not_found`, `forbidden{owner}` for the instance's owner.
 */
export async function suspendPerson(deps: Deps, username: string, isSuspended: boolean): Promise<void> {
  const accountId = await transaction(deps.db, async (tx) => {
    const suspendedAt = isSuspended ? new Date(deps.clock.now()) : null;
    const changed = await changePerson(tx, deps, { username, suspendedAt });
    if (isSuspended) {
      await revokeSessions(tx, deps, { accountId: changed });
      tx.afterCommit(() => deps.live.closeAccount(changed));
    }
    return changed;
  });
  deps.log.info(isSuspended ? 'operator.suspended' : 'operator.unsuspended', { accountId });
}

/** Makes an account instance staff, or an ordinary member again. Throws `not_found`, `forbidden{owner}`. */
export async function setInstanceRole(deps: Deps, username: string, role: 'admin' | 'member'): Promise<void> {
  const accountId = await transaction(deps.db, (tx) => changePerson(tx, deps, { username, role }));
  deps.log.info('operator.role_set', { accountId, reason: role });
}

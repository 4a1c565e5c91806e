// Direct messages between two people: their conversation exists once and for ever.
import { requireAction } from '#server/access.ts';
import type { Actor, Deps } from '#server/deps.ts';
import { requireDiskRoom } from '#server/disk-room.ts';
import { uuidv7 } from '#server/platform/ids.ts';
import type { Queryable } from '#server/platform/db.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import type { DmSummary } from '#shared/channels.ts';
import { AppError, forbidden, notFound } from '#shared/errors.ts';
import type { AccountId, ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { forgetReader } from '../audience/members.service.ts';
import { channelSummaryOf, listChannels } from '../audience/structure.service.ts';
import { loadProfiles } from '../users/users.service.ts';
import {
  closeDmRows,
  dmKeyOf,
  findDm,
  insertDm,
  listDms,
  sharesCommunity,
  type DmPair,
} from './dms.queries.ts';

async function summaries(q: Queryable, pairs: readonly DmPair[]): Promise<DmSummary[]> {
  const channels = await listChannels(
    q,
    pairs.map((pair) => pair.channelId),
  );
  const profiles = await loadProfiles(q, [...new Set(pairs.flatMap((pair) => pair.accountIds))]);
  return pairs.flatMap((pair) => {
    const row = channels.find((channel) => channel.channelId === pair.channelId);
    const members = profiles.filter((profile) => pair.accountIds.includes(profile.accountId));
    return row ? [{ channel: channelSummaryOf(row), members }] : [];
  });
}

/** Every direct conversation of the account, liveliest first. */
export async function dmsOf(q: Queryable, accountId: AccountId): Promise<DmSummary[]> {
  return summaries(q, await listDms(q, accountId, { channelId: null, limit: limits.dmsPerAccount }));
}

async function requireDmRoom(tx: Tx, accountId: AccountId): Promise<void> {
  const max = limits.dmsPerAccount;
  if ((await listDms(tx, accountId, { channelId: null, limit: max })).length < max) return;
  throw new AppError({ code: 'limit_reached', limit: 'dmsPerAccount', max });
}

async function requireSummary(tx: Tx, accountId: AccountId, channelId: ChannelId): Promise<DmSummary> {
  const [dm] = await summaries(tx, await listDms(tx, accountId, { channelId, limit: 1 }));
  if (!dm) throw notFound();
  return dm;
}

/**
 * The conversation with somebody: found, or made with a person one shares a community with. Both hear `dm.opened`
 * when it is made. Throws `forbidden{self}`, `not_found` for strangers, `limit_reached`.
 */
export function openDm(
  deps: Deps,
  actor: Actor,
  input: { readonly accountId: AccountId },
): Promise<DmSummary> {
  const other = input.accountId;
  const own = actor.accountId;
  return transaction(deps.db, async (tx) => {
    await requireAction(tx, actor, 'dm.open', {});
    if (other === own) throw forbidden('self');
    const dmKey = dmKeyOf(own, other);
    const known = await findDm(tx, dmKey);
    if (known) return requireSummary(tx, own, known);
    requireDiskRoom(deps);
    if (!(await sharesCommunity(tx, own, other))) throw notFound();
    await requireDmRoom(tx, own);
    const channelId = uuidv7(deps.clock) as ChannelId;
    const accountIds = [own, other] as const;
    const isNew = await insertDm(tx, { channelId, dmKey, accountIds, now: new Date(deps.clock.now()) });
    const madeByRival = isNew ? null : await findDm(tx, dmKey);
    if (madeByRival) return requireSummary(tx, own, madeByRival);
    const dm = await requireSummary(tx, own, channelId);
    tx.afterCommit(() => {
      deps.live.changeReaders(channelId, { joined: accountIds, left: [] });
      for (const accountId of accountIds) {
        deps.live.publish({ to: 'account', accountId }, { type: 'dm.opened', dm });
      }
    });
    return dm;
  });
}

/**
 * Ends the direct conversations of an account that is a tombstone already: it reads them no more, nobody writes in
 * them, and the other side is shown so. What was said stays readable to them.
 */
export async function closeDms(tx: Tx, deps: Deps, accountId: AccountId): Promise<void> {
  const channelIds = await forgetReader(tx, deps, accountId);
  const left = await closeDmRows(tx, { accountId, channelIds, now: new Date(deps.clock.now()) });
  for (const { channelId, accountId: other } of left) {
    const dm = await requireSummary(tx, other, channelId);
    tx.afterCommit(() => deps.live.publish({ to: 'account', accountId: other }, { type: 'dm.opened', dm }));
  }
}

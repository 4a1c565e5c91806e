// Leases: which state of a device goes on (protocol 3.6, A47, decision 0030). Each time a browser takes up its device it
// moves to a new epoch and shows those it had. Who does not know the newest epoch is another state of the same device, a
// restored snapshot or a copy of the profile; when it shows itself twice, none of them goes on until the device is removed.
import type { Deps, DeviceActor } from '#server/deps.ts';
import { transaction, type Tx } from '#server/platform/transaction.ts';
import { decodeBytes, encodeBytes } from '#server/proof.ts';
import type { LeaseResult } from '#shared/devices.ts';
import type { LiveEvent } from '#shared/events.ts';
import { limits } from '#shared/limits.ts';
import { lockLease, markCopied, storeLease, storeRival, type LeaseRow } from './lease.queries.ts';

interface Claim {
  readonly epoch: string;
  readonly history: readonly string[];
}

/** What a claim means beside the newest epoch known: `next` moves on, `rival` is another state seen for the first time. */
function judge(lease: LeaseRow | null, claim: Claim, now: number): LeaseResult['state'] | 'next' | 'rival' {
  if (!lease) return 'next';
  if (lease.copiedAt) return 'copied';
  const newest = encodeBytes(lease.epoch);
  if (newest === claim.epoch) return 'held';
  if (claim.history.includes(newest)) return 'next';
  const isKnown = lease.rival !== null && [...claim.history, claim.epoch].includes(encodeBytes(lease.rival));
  if (!isKnown || lease.rivalAt === null) return 'rival';
  return now - lease.rivalAt.getTime() >= limits.leaseSettleMs ? 'copied' : 'doubted';
}

/** Moves the own device on to an epoch, or says why this state of it may not go on. Repeating a claim changes nothing. */
export function takeLease(deps: Deps, actor: DeviceActor, claim: Claim): Promise<LeaseResult> {
  const { deviceId } = actor;
  const at = new Date(deps.clock.now());
  return transaction(deps.db, async (tx) => {
    const lease = await lockLease(tx, deviceId);
    const verdict = judge(lease, claim, at.getTime());
    const shown = { deviceId, epoch: decodeBytes(claim.epoch), at };
    switch (verdict) {
      case 'next':
        await storeLease(tx, shown, claim.history.map(decodeBytes));
        announce(tx, deps, { actor, event: { type: 'device.leased', epoch: claim.epoch } });
        return { state: 'held' };
      case 'rival':
        await storeRival(tx, shown);
        return { state: 'doubted' };
      case 'copied':
        if (lease?.copiedAt) return { state: 'copied' };
        await markCopied(tx, deviceId, at);
        announce(tx, deps, { actor, event: { type: 'device.copied' } });
        return { state: 'copied' };
      default:
        return { state: verdict };
    }
  });
}

function announce(tx: Tx, deps: Deps, { actor, event }: { actor: DeviceActor; event: LiveEvent }): void {
  tx.afterCommit(() => deps.live.publish({ to: 'device', deviceId: actor.deviceId }, event));
}

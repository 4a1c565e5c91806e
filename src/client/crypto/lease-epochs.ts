// Leases (protocol 3.6): the epochs this state of the device went through, kept with everything else it has. A restored
// snapshot brings old ones along, a copied profile goes on to others than the original: the server's list tells.
import { toBase64Url } from '#crypto/index.ts';
import type { EngineCore } from './engine-core.ts';
import { LEASE_EPOCH_BYTES, LEASE_HISTORY } from './engine-limits.ts';
import type { LeaseCalls, LeaseClaim } from './lease-calls.ts';
import { keys } from './records.ts';

interface LeaseRecord {
  /** Newest last. */
  readonly epochs: readonly string[];
  readonly isHeld: boolean;
}

function claimOf(record: LeaseRecord | undefined): LeaseClaim | null {
  const epoch = record?.epochs.at(-1);
  return record && epoch !== undefined ? { epoch, history: record.epochs.slice(0, -1) } : null;
}

export function leaseCalls(core: EngineCore): LeaseCalls {
  return {
    nextLease: () =>
      core.run(async (unit) => {
        const record = await unit.get<LeaseRecord>(keys.lease);
        const current = claimOf(record);
        if (current && !record?.isHeld) return current;
        const epoch = toBase64Url(core.rng.bytes(LEASE_EPOCH_BYTES));
        const history = (record?.epochs ?? []).slice(-LEASE_HISTORY);
        unit.put(keys.lease, { epochs: [...history, epoch], isHeld: false } satisfies LeaseRecord);
        return { epoch, history };
      }),
    lease: () => core.run(async (unit) => claimOf(await unit.get<LeaseRecord>(keys.lease))),
    leaseHeld: ({ epoch }) =>
      core.run(async (unit) => {
        const record = await unit.get<LeaseRecord>(keys.lease);
        if (!record || record.isHeld || record.epochs.at(-1) !== epoch) return;
        unit.put(keys.lease, { ...record, isHeld: true } satisfies LeaseRecord);
      }),
  };
}

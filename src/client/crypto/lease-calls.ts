// Leases (protocol 3.6): the epochs this state of the device went through, kept with everything else it has. A restored
// snapshot brings old ones along, a copied profile goes on to others than the original: the server's list tells.
import { toBase64Url } from '#crypto/index.ts';
import type { EngineCore } from './engine-core.ts';
import { LEASE_EPOCH_BYTES, LEASE_HISTORY } from './engine-limits.ts';
import { keys } from './records.ts';

/** A claim as the server takes it: base64url, oldest first. */
export interface LeaseClaim {
  readonly epoch: string;
  readonly history: readonly string[];
}

export interface LeaseCalls {
  /** Moves on to a new epoch; durable before it is answered, so that a crash right after is no other state. */
  nextLease(): Promise<LeaseClaim>;
  /** The epoch this device is at; null before the first. */
  lease(): Promise<LeaseClaim | null>;
}

const claimOf = (epochs: readonly string[]): LeaseClaim | null => {
  const epoch = epochs.at(-1);
  return epoch === undefined ? null : { epoch, history: epochs.slice(0, -1) };
};

export function leaseCalls(core: EngineCore): LeaseCalls {
  return {
    nextLease: () =>
      core.run(async (unit) => {
        const known = (await unit.get<readonly string[]>(keys.lease)) ?? [];
        const epoch = toBase64Url(core.rng.bytes(LEASE_EPOCH_BYTES));
        const history = known.slice(-LEASE_HISTORY);
        unit.put(keys.lease, [...history, epoch]);
        return { epoch, history };
      }),
    lease: () => core.run(async (unit) => claimOf((await unit.get<readonly string[]>(keys.lease)) ?? [])),
  };
}

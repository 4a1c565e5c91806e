// The epochs of a device's lease: durable before they are told, one at a time, bounded.
import { describe, expect, it } from 'vitest';
import { LEASE_HISTORY } from '#client/crypto/engine-limits.ts';
import { Exchange } from '../support/exchange.ts';

describe('epochs of a lease', () => {
  it('move on only when the server has the last one, however often they are asked for', async () => {
    const { engine } = await new Exchange().join('ada');
    expect(await engine.lease()).toBeNull();
    const first = await engine.nextLease();
    expect(first.history).toEqual([]);
    for (let i = 0; i < 3; i++) expect(await engine.nextLease()).toEqual(first);
    await engine.leaseHeld({ epoch: 'another' });
    expect(await engine.nextLease()).toEqual(first);
    await engine.leaseHeld({ epoch: first.epoch });
    const second = await engine.nextLease();
    expect(second.history).toEqual([first.epoch]);
    expect(second.epoch).not.toBe(first.epoch);
    expect(await engine.lease()).toEqual(second);
  });

  it('A47 of two copies differ from the first one on that either makes', async () => {
    const { engine, store } = await new Exchange().join('ada');
    const { epoch } = await engine.nextLease();
    await engine.leaseHeld({ epoch });
    const copied = store.snapshot();
    const original = await engine.nextLease();
    store.restore(copied);
    const copy = await engine.nextLease();
    expect(copy.history).toEqual(original.history);
    expect(copy.epoch).not.toBe(original.epoch);
  });

  it('are remembered for so long', async () => {
    const { engine } = await new Exchange().join('ada');
    const made: string[] = [];
    for (let i = 0; i < LEASE_HISTORY + 3; i++) {
      const { epoch } = await engine.nextLease();
      await engine.leaseHeld({ epoch });
      made.push(epoch);
    }
    const { epoch, history } = (await engine.lease())!;
    expect(epoch).toBe(made.at(-1));
    expect(history).toEqual(made.slice(2, -1));
    expect(history).toHaveLength(LEASE_HISTORY);
  });
});

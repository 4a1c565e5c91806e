// Leases: one state of a device goes on. A copy of its profile and a restored snapshot are found; a crash, a slow message
// and a lost answer are not taken for one.
import { beforeEach, describe, expect, it } from 'vitest';
import { systemRng, toBase64Url } from '#crypto/index.ts';
import type { LeaseResult } from '#shared/devices.ts';
import { limits } from '#shared/limits.ts';
import { LEASE_EPOCH_BYTES, LEASE_HISTORY } from '#client/crypto/engine-limits.ts';
import { caller, refusal, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { registerPerson, type Person } from '../../support/people.ts';

let world: TestDeps;
let ada: Person;

const fresh = freshPeople({ ada: {} });
beforeEach(async () => {
  ({ world, ada } = await fresh());
});

/** A browser's profile as far as leases go: it can be copied, and put back as it was. */
class Profile {
  epochs: string[];
  readonly #by: Person;

  constructor(by: Person, epochs: readonly string[] = []) {
    this.#by = by;
    this.epochs = [...epochs];
  }

  copy(): Profile {
    return new Profile(this.#by, this.epochs);
  }

  /** The browser is started, or an hour has passed. */
  next(): Promise<LeaseResult['state']> {
    this.epochs.push(toBase64Url(systemRng.bytes(limits.leaseEpochBytes)));
    return this.same();
  }

  /** It reconnects. */
  async same(): Promise<LeaseResult['state']> {
    const epoch = this.epochs.at(-1)!;
    const history = this.epochs.slice(0, -1).slice(-limits.leaseHistory);
    return (await this.#by.api.devices.lease({ epoch, history })).state;
  }
}

const settle = (): void => world.clock.advance(limits.leaseSettleMs);
const heard = (): string[] =>
  world.events.calls.flatMap((entry) =>
    entry.call === 'publish' && entry.event.type.startsWith('device.') ? [entry.event.type] : [],
  );

describe('devices.lease', () => {
  it('has the bounds the client keeps to', () => {
    expect([LEASE_EPOCH_BYTES, LEASE_HISTORY]).toEqual([limits.leaseEpochBytes, limits.leaseHistory]);
  });

  it('lets one browser go on through restarts, crashes and lost answers, and tells its sockets', async () => {
    const browser = new Profile(ada);
    expect(await browser.next()).toBe('held');
    expect(await browser.same()).toBe('held');
    expect(await browser.next()).toBe('held');
    // A crash between noting an epoch and telling the server: that one was never heard of.
    browser.epochs.push(toBase64Url(systemRng.bytes(16)));
    expect(await browser.next()).toBe('held');
    const device = { to: 'device', deviceId: ada.deviceId };
    expect(heard()).toEqual(['device.leased', 'device.leased', 'device.leased']);
    expect(world.events.calls.at(-1)).toMatchObject({
      audience: device,
      event: { type: 'device.leased', epoch: browser.epochs.at(-1) },
    });
  });

  it('A47 finds a restored snapshot, though the newer state is gone', async () => {
    const browser = new Profile(ada);
    await browser.next();
    const snapshot = browser.copy();
    await browser.next();
    expect(await snapshot.next()).toBe('doubted');
    settle();
    expect(await snapshot.same()).toBe('copied');
    expect(heard().at(-1)).toBe('device.copied');
  });

  it('A47 finds a copied profile whichever goes on first, and stops both for good', async () => {
    const original = new Profile(ada);
    await original.next();
    const copy = original.copy();
    expect(await copy.next()).toBe('held');
    // the original is alive: it objects, now and a moment later
    expect(await original.same()).toBe('doubted');
    settle();
    expect(await original.same()).toBe('copied');
    for (const profile of [copy, original]) {
      expect(await profile.same()).toBe('copied');
      expect(await profile.next()).toBe('copied');
    }
    expect(heard().filter((type) => type === 'device.copied')).toHaveLength(1);
  });

  it('A47 finds a copy that restarts before it is asked again', async () => {
    const original = new Profile(ada);
    await original.next();
    const copy = original.copy();
    await original.next();
    expect(await copy.next()).toBe('doubted');
    settle();
    expect(await copy.next()).toBe('copied');
  });

  it('takes a claim that was under way for long for nothing: what is said once is no copy', async () => {
    const browser = new Profile(ada);
    await browser.next();
    const late = browser.copy();
    await browser.next();
    expect(await late.same()).toBe('doubted');
    settle();
    for (let i = 0; i < 3; i++) expect(await browser.next()).toBe('held');
    // said again at once (a client that repeats a call), it is still the same moment
    const other = browser.copy();
    await browser.next();
    expect(await other.same()).toBe('doubted');
    expect(await other.same()).toBe('doubted');
  });

  it('a server that forgot epochs of the last days takes the device for what it is', async () => {
    const browser = new Profile(ada);
    await browser.next();
    const row = await world.deps.db.query('test.lease', 'SELECT epoch FROM "DeviceLease"', []);
    for (let i = 0; i < limits.leaseHistory - 1; i++) browser.epochs.push(toBase64Url(systemRng.bytes(16)));
    expect(row).toHaveLength(1);
    expect(await browser.next()).toBe('held');
  });

  it("is each device's own, and only for one that is attached", async () => {
    const bob = await registerPerson(world.deps);
    const [first, second] = [new Profile(ada), new Profile(bob)];
    expect([await first.next(), await second.next()]).toEqual(['held', 'held']);
    const { accountId, sessionId } = ada.actor;
    const unbound = caller(world.deps, { accountId, sessionId, deviceId: null });
    const claim = { epoch: toBase64Url(systemRng.bytes(16)), history: [] };
    expect(await refusal(unbound.devices.lease(claim))).toMatchObject({ code: 'device_required' });
  });
});

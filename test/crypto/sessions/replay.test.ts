// First messages and later ones played again: at once, after the session is gone, after rotation, after a restart.
import { describe, expect, it } from 'vitest';
import { EMPTY_PREKEY_RECORD, prunePrekeySets } from '#crypto/prekey-store.ts';
import { MAX_LAST_RESORT_REPLAYS, PREKEY_SET_MAX_LIFETIME_MS } from '#crypto/constants.ts';
import { MemoryStore } from '#crypto/memory-store.ts';
import { sessionSetKey, type SessionSet } from '#crypto/session.ts';
import type { PrekeyRecord } from '#crypto/prekey-store.ts';
import { expectCode } from '../support/expect-code.ts';
import { makeEnd, peek, publish, receive, send, type End } from '../support/pairs.ts';

/** Everything the end has, written to a store and read back, as after a restart. */
async function restart(end: End, peer: End): Promise<void> {
  const store = new MemoryStore();
  const key = sessionSetKey(peer.account.log.aid, peer.device.secrets.deviceId);
  const put = [{ key: 'prekeys', value: end.prekeys }];
  if (end.set) put.push({ key, value: end.set as never });
  await store.commit({ expect: [], put, remove: [] });
  const records = await store.read([key, 'prekeys']);
  end.set = (records.get(key)?.value as SessionSet | undefined) ?? null;
  end.prekeys = records.get('prekeys')!.value as PrekeyRecord;
}

describe('replay', () => {
  it('A25 with a one-time unit: the second opening fails, with the session and after it is gone', () => {
    const ada = makeEnd('ada');
    const bob = makeEnd('bob');
    const packet = send(ada, bob, 'x');
    receive(bob, ada, packet);
    expectCode('replay', () => peek(bob, ada, packet));
    bob.set = null;
    expectCode('unknown_prekey', () => peek(bob, ada, packet));
  });

  it('A25 without a one-time unit: the replay set refuses it, with the session and after it is gone', () => {
    const ada = makeEnd('ada');
    const bob = makeEnd('bob', { units: 0 });
    const packet = send(ada, bob, 'x');
    receive(bob, ada, packet);
    expect(bob.prekeys.sets[0]!.lastResortSeen).toHaveLength(1);
    expectCode('replay', () => peek(bob, ada, packet));
    bob.set = null;
    expectCode('replay', () => peek(bob, ada, packet));
    const second = makeEnd('carol');
    expect(receive(bob, second, send(second, bob, 'another person still gets through'))).toContain('person');
  });

  it('A25 after set rotation: refused while the old set is kept, and after its secrets died', () => {
    for (const units of [0, 2]) {
      const ada = makeEnd('ada');
      const bob = makeEnd('bob', { units });
      const packet = send(ada, bob, 'x');
      receive(bob, ada, packet);
      publish(bob, units);
      bob.set = null;
      expectCode(units === 0 ? 'replay' : 'unknown_prekey', () => peek(bob, ada, packet));
      bob.prekeys = prunePrekeySets(bob.prekeys, bob.now + PREKEY_SET_MAX_LIFETIME_MS + 1);
      expect(bob.prekeys.sets).toHaveLength(0);
      expectCode('unknown_prekey', () => peek(bob, ada, packet));
    }
  });

  it('A25 a first message made for the set before the rotation still opens, once', () => {
    const ada = makeEnd('ada');
    const bob = makeEnd('bob', { units: 0 });
    const packet = send(ada, bob, 'x');
    publish(bob, 2);
    expect(receive(bob, ada, packet)).toBe('x');
    bob.set = null;
    expectCode('replay', () => peek(bob, ada, packet));
  });

  it('A25 after a restart: what was used up before is used up still', async () => {
    for (const units of [0, 2]) {
      const ada = makeEnd('ada');
      const bob = makeEnd('bob', { units });
      const packet = send(ada, bob, 'x');
      const next = send(ada, bob, 'y');
      receive(bob, ada, packet);
      await restart(bob, ada);
      expectCode('replay', () => peek(bob, ada, packet));
      expect(receive(bob, ada, next)).toBe('y');
      bob.set = null;
      await restart(bob, ada);
      expectCode(units === 0 ? 'replay' : 'unknown_prekey', () => peek(bob, ada, packet));
    }
  });

  it('A25 a full replay set refuses new last-resort openings instead of forgetting old ones', () => {
    const ada = makeEnd('ada');
    const bob = makeEnd('bob', { units: 0 });
    const packet = send(ada, bob, 'x');
    const seen = Array.from({ length: MAX_LAST_RESORT_REPLAYS }, (_, i) => `${i}`);
    const sets = bob.prekeys.sets.map((set) => ({ ...set, lastResortSeen: seen }));
    bob.prekeys = { ...bob.prekeys, sets };
    expectCode('limit', () => peek(bob, ada, packet));
    expectCode('unknown_prekey', () => peek({ ...bob, prekeys: EMPTY_PREKEY_RECORD }, ada, packet));
  });

  it('A43 delivered and skipped messages of a session are replays, at once and after a restart', async () => {
    const ada = makeEnd('ada');
    const bob = makeEnd('bob');
    receive(bob, ada, send(ada, bob, 'opening'));
    receive(ada, bob, send(bob, ada, 'reply'));
    const skipped = send(ada, bob, 'skipped');
    const next = send(ada, bob, 'next');
    expect(receive(bob, ada, next)).toBe('next');
    await restart(bob, ada);
    expectCode('replay', () => peek(bob, ada, next));
    expect(receive(bob, ada, skipped)).toBe('skipped');
    expectCode('replay', () => peek(bob, ada, skipped));
    await restart(bob, ada);
    for (const packet of [skipped, next]) expectCode('replay', () => peek(bob, ada, packet));
  });

  it('a packet reflected to its sender, or played to another person, is refused', () => {
    const ada = makeEnd('ada');
    const bob = makeEnd('bob');
    const carol = makeEnd('carol');
    const opening = send(ada, bob, 'x');
    receive(bob, ada, opening);
    const reply = send(bob, ada, 'y');
    expectCode('mismatch', () => peek(ada, bob, opening));
    for (const packet of [opening, reply]) {
      expect(() => peek(carol, ada, packet)).toThrow();
      expect(() => peek(carol, bob, packet)).toThrow();
    }
    expect(() => peek(bob, ada, reply)).toThrow();
    expect(receive(ada, bob, reply)).toBe('y');
  });
});

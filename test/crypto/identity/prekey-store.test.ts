// The device's own prekey record: publishing, duties, use, expiry (protocol 3.4, P5).
import { describe, expect, it } from 'vitest';
import { equalBytes } from '#crypto/bytes.ts';
import { MAX_KEPT_PREKEY_SETS, MAX_LAST_RESORT_REPLAYS, PREKEY_SET_ROTATION_MS } from '#crypto/constants.ts';
import {
  confirmPrekeyUpload,
  consumeLastResort,
  consumeOneTimeUnit,
  EMPTY_PREKEY_RECORD,
  makePrekeySet,
  prekeyDuty,
  prunePrekeySets,
  requirePrekeySecrets,
  type PrekeyRecord,
} from '#crypto/prekey-store.ts';
import { verifyPrekeyUpload } from '#crypto/prekeys.ts';
import { H, kemPublicFromSeed, x25519Shared } from '#crypto/primitives.ts';
import { expectCode } from '../support/expect-code.ts';
import { makeAccount, NOW } from '../support/people.ts';

const bob = makeAccount('bob', 1);
const device = bob.devices[0]!.secrets;
const check = { device: bob.devices[0]!.cert, serverTime: NOW, knownSetId: 0 };
const first = makePrekeySet(EMPTY_PREKEY_RECORD, { device, now: NOW, units: 3 }, bob.rng);
const newest = (record: PrekeyRecord) => record.sets.at(-1)!;
const statusOf = (record: PrekeyRecord, remaining: number) => ({
  setId: newest(record).setId,
  setHash: newest(record).setHash,
  remaining,
});

describe('publishing', () => {
  it('a full set has 64 units and passes every check of the server', () => {
    const record = makePrekeySet(EMPTY_PREKEY_RECORD, { device, now: NOW }, bob.rng);
    const { set, units } = verifyPrekeyUpload(record.pending!, check);
    expect(units).toHaveLength(64);
    expect(newest(record).units).toHaveLength(64);
    expect(equalBytes(newest(record).setHash, set.hash)).toBe(true);
  });

  it('the secrets kept belong to the public keys published', () => {
    const { set, units } = verifyPrekeyUpload(first.pending!, check);
    const kept = newest(first);
    const probe = bob.devices[0]!;
    for (const [i, unit] of units.entries()) {
      expect(kemPublicFromSeed(kept.units[i]!.kemSeed)).toEqual(unit.kemPub);
      const here = x25519Shared(kept.units[i]!.dhSecret, probe.cert.dhPub);
      expect(here).toEqual(x25519Shared(probe.secrets.dh.secretKey, unit.dhPub));
    }
    expect(kemPublicFromSeed(kept.lastResortSeed)).toEqual(set.lastResortKem);
    expect(kept.spkPub).toEqual(set.signedPrekey);
  });

  it('set ids only rise, even when everything was forgotten but the counter', () => {
    let record = first;
    for (let id = 2; id < 5; id++) {
      record = makePrekeySet({ ...record, sets: [] }, { device, now: NOW, units: 0 }, bob.rng);
      expect(record.lastSetId).toBe(id);
      expect(record.pending!.setId).toBe(id);
    }
  });

  it('the pending upload stays byte-identical until exactly it is confirmed', () => {
    const again = structuredClone(first);
    expect(again.pending).toEqual(first.pending);
    expect(confirmPrekeyUpload(first, 7)).toBe(first);
    expect(confirmPrekeyUpload(first, 1).pending).toBeNull();
    expectCode('limit', () => makePrekeySet(first, { device, now: NOW, units: 65 }, bob.rng));
  });

  it('names the duty: retry, first, server differs, refill at 16, rotate after a week', () => {
    const done = confirmPrekeyUpload(first, 1);
    expect(prekeyDuty(EMPTY_PREKEY_RECORD, { setId: null, setHash: null, remaining: 0 }, NOW)).toBe('first');
    expect(prekeyDuty(first, statusOf(first, 64), NOW)).toBe('retry');
    expect(prekeyDuty(done, statusOf(done, 17), NOW)).toBeNull();
    expect(prekeyDuty(done, statusOf(done, 16), NOW)).toBe('refill');
    expect(prekeyDuty(done, statusOf(done, 17), NOW + PREKEY_SET_ROTATION_MS)).toBe('rotate');
    expect(prekeyDuty(done, { setId: null, setHash: null, remaining: 64 }, NOW)).toBe('server_differs');
    expect(prekeyDuty(done, { ...statusOf(done, 64), setHash: H() }, NOW)).toBe('server_differs');
    expect(prekeyDuty(done, { ...statusOf(done, 64), setId: 2 }, NOW)).toBe('server_differs');
  });
});

describe('use', () => {
  it('A25 a one-time unit serves once; the others and the last resort stay', () => {
    expect(requirePrekeySecrets(first, 1, 1).oneTime?.id).toBe(1);
    const used = consumeOneTimeUnit(first, 1, 1);
    expectCode('unknown_prekey', () => requirePrekeySecrets(used, 1, 1));
    expectCode('unknown_prekey', () => consumeOneTimeUnit(used, 1, 1));
    expect(newest(used).units.map((unit) => unit.id)).toEqual([0, 2]);
    expect(newest(first).units).toHaveLength(3); // the record given in is untouched
    expect(requirePrekeySecrets(used, 1, null)).toMatchObject({
      oneTime: null,
      kemSeed: newest(used).lastResortSeed,
    });
    expectCode('unknown_prekey', () => requirePrekeySecrets(first, 2, null));
    expectCode('unknown_prekey', () => requirePrekeySecrets(first, 1, 3));
  });

  it('A25 a last-resort handshake is accepted once, and the guard is bounded', () => {
    const once = consumeLastResort(first, 1, H(Uint8Array.of(1)));
    expectCode('replay', () => consumeLastResort(once, 1, H(Uint8Array.of(1))));
    consumeLastResort(once, 1, H(Uint8Array.of(2)));
    const seen = Array.from({ length: MAX_LAST_RESORT_REPLAYS }, (_, i) => String(i));
    const full = { ...first, sets: [{ ...newest(first), lastResortSeen: seen }] };
    expectCode('limit', () => consumeLastResort(full, 1, H(Uint8Array.of(3))));
    expectCode('unknown_prekey', () => consumeLastResort(first, 9, H()));
  });

  it('A30 secrets die with their set, and no earlier', () => {
    const two = makePrekeySet(first, { device, now: NOW + 1000, units: 1 }, bob.rng);
    expect(two.sets.map((set) => set.setId)).toEqual([1, 2]);
    const end = newest(first).notAfter;
    expect(prunePrekeySets(two, end)).toBe(two);
    const later = prunePrekeySets(two, end + 1);
    expect(later.sets.map((set) => set.setId)).toEqual([2]);
    expectCode('unknown_prekey', () => requirePrekeySecrets(later, 1, 0));
    expect(later.lastSetId).toBe(2);
  });

  it('A98 however often a server asks for a new set, the record stays bounded', () => {
    let record = first;
    for (let i = 0; i < MAX_KEPT_PREKEY_SETS + 5; i++) {
      record = makePrekeySet(record, { device, now: NOW + i, units: 0 }, bob.rng);
    }
    expect(record.sets).toHaveLength(MAX_KEPT_PREKEY_SETS);
    expect(newest(record).setId).toBe(record.lastSetId);
  });
});

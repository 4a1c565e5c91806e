import {
  toBase64Url,
  verifyClaimedPrekeys,
  fromBase64Url,
  requireLiveDevice,
  uuidToBytes,
} from '#crypto/index.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ClaimResult } from '#shared/devices.ts';
import { limits } from '#shared/limits.ts';
import { refusal, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { makeUpload } from '../../support/keys.ts';
import { registerPerson, type Person } from '../../support/people.ts';
import { placeDm } from '../../support/places.ts';
import { countRows } from '../../support/row-counts.ts';
import type { TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let bob: Person;

const fresh = freshPeople({ ada: {}, bob: {} });
beforeEach(async () => {
  ({ db, world, ada, bob } = await fresh());
  world.events.clear();
});

const uploadOf = (person: Person, units = 2) => makeUpload(person.device, { units, now: world.clock.now() });
const claim = async (by: Person, of: Person): Promise<ClaimResult> => {
  const { accountId, deviceId } = of;
  const [result] = await by.api.prekeys.claim({ targets: [{ accountId, deviceId }] });
  if (!result) throw new Error('no result');
  return result;
};
const unitId = (result: ClaimResult, of: Person): number | null => {
  if (result.status !== 'claimed') throw new Error(`refused: ${result.reason}`);
  const { cert } = requireLiveDevice(of.state, uuidToBytes(of.deviceId));
  const claimed = { set: fromBase64Url(result.set), unit: result.unit ? fromBase64Url(result.unit) : null };
  const check = { device: cert, serverTime: world.clock.now(), knownSetId: 0 };
  return verifyClaimedPrekeys(claimed, check).oneTime?.id ?? null;
};

describe('prekeys.publish', () => {
  it('stores a set and its units; the same bytes again change nothing', async () => {
    expect(await ada.api.prekeys.status()).toEqual({
      setId: null,
      setHash: null,
      remaining: 0,
      notAfter: null,
    });
    const { upload, record } = uploadOf(ada, 3);
    const status = await ada.api.prekeys.publish(upload);
    const secrets = record.sets[0];
    expect(status).toMatchObject({ setId: 1, remaining: 3, notAfter: secrets?.notAfter });
    expect(status.setHash).toBe(toBase64Url(secrets?.setHash ?? new Uint8Array()));
    const before = await countRows(db);
    expect(await ada.api.prekeys.publish(upload)).toEqual(status);
    expect(await countRows(db)).toEqual(before);
  });

  it('refuses other bytes under a known set id, and sets older than the newest', async () => {
    const first = uploadOf(ada);
    const second = makeUpload(ada.device, { now: world.clock.now(), record: first.record });
    await ada.api.prekeys.publish(second.upload);
    const before = await countRows(db);
    const conflict = { code: 'conflict', what: 'prekey_set' };
    expect(await refusal(ada.api.prekeys.publish(first.upload))).toEqual(conflict);
    const rival = makeUpload(ada.device, { now: world.clock.now(), record: first.record });
    expect(await refusal(ada.api.prekeys.publish(rival.upload))).toEqual(conflict);
    expect(await countRows(db)).toEqual(before);
  });

  it('replaces the units of the set before', async () => {
    const first = uploadOf(ada);
    await ada.api.prekeys.publish(first.upload);
    await ada.api.prekeys.publish(
      makeUpload(ada.device, { now: world.clock.now(), record: first.record }).upload,
    );
    expect(await ada.api.prekeys.status()).toMatchObject({ setId: 2, remaining: 2 });
    expect(await db.prisma.oneTimeKey.count({ where: { setId: 1 } })).toBe(0);
    expect(await ada.api.prekeys.publish(first.upload)).toMatchObject({ setId: 2 });
  });

  it('refuses what does not verify and stores nothing of it', async () => {
    const { upload } = uploadOf(ada);
    const foreign = uploadOf(bob).upload;
    const flipped = Uint8Array.from(fromBase64Url(upload.units[1] ?? ''));
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    const stale = makeUpload(ada.device, { now: world.clock.now() - 121 * 24 * 3_600_000 }).upload;
    const future = makeUpload(ada.device, { now: world.clock.now() + 49 * 3_600_000 }).upload;
    const bad = [
      foreign,
      { set: upload.set, units: foreign.units },
      { set: upload.set, units: [upload.units[0] ?? '', toBase64Url(flipped)] },
      { set: upload.set, units: [...upload.units].reverse() },
      { set: upload.set, units: [upload.units[0] ?? '', upload.units[0] ?? ''] },
      stale,
      future,
    ];
    const before = await countRows(db);
    for (const input of bad) expect((await refusal(ada.api.prekeys.publish(input))).code).toBe('bad_proof');
    expect(await countRows(db)).toEqual(before);
  });
});

describe('prekeys.claim', () => {
  beforeEach(async () => {
    await placeDm(db, ada, bob);
  });

  it('hands out units lowest id first, then the last resort, and tells the target', async () => {
    await ada.api.prekeys.publish(uploadOf(ada, 2).upload);
    const ids = [
      unitId(await claim(bob, ada), ada),
      unitId(await claim(bob, ada), ada),
      unitId(await claim(bob, ada), ada),
    ];
    expect(ids).toEqual([0, 1, null]);
    const told = world.events.of('prekeys.claimed');
    expect(told.map((e) => e.event.remaining)).toEqual([1, 0, 0]);
    expect(told[0]?.audience).toEqual({ to: 'device', deviceId: ada.deviceId });
    expect(told[0]?.event.claimedBy).toBe(bob.accountId);
  });

  it('never hands a unit out twice, however many ask at once', async () => {
    await ada.api.prekeys.publish(uploadOf(ada, 3).upload);
    const results = await Promise.all([claim(bob, ada), claim(bob, ada), claim(bob, ada)]);
    expect(results.map((r) => unitId(r, ada)).sort()).toEqual([0, 1, 2]);
  });

  it('refuses the fourth claim of a pair within an hour (A29)', async () => {
    await ada.api.prekeys.publish(uploadOf(ada, 5).upload);
    for (let i = 0; i < limits.prekeyClaimsPerPairAndHour; i += 1) await claim(bob, ada);
    expect(await claim(bob, ada)).toMatchObject({ status: 'refused', reason: 'too_often' });
    expect(await db.prisma.oneTimeKey.count({ where: { claimedAt: null } })).toBe(2);
    world.clock.advance(60 * 60 * 1000);
    expect((await claim(bob, ada)).status).toBe('claimed');
  });

  it('serves the last resort over 60 claims of one target in an hour', async () => {
    await ada.api.prekeys.publish(uploadOf(ada, 2).upload);
    const claimedAt = new Date(world.clock.now());
    const row = { deviceId: ada.deviceId, claimerAccountId: ada.accountId, claimedAt };
    const rows = Array.from({ length: limits.prekeyClaimsPerTargetAndHour }, () => row);
    await db.prisma.prekeyClaim.createMany({ data: rows });
    expect(unitId(await claim(bob, ada), ada)).toBeNull();
    expect(await db.prisma.oneTimeKey.count({ where: { claimedAt: null } })).toBe(2);
  });

  it('has nothing to give before a set is published and after it is over', async () => {
    expect(await claim(bob, ada)).toMatchObject({ status: 'refused', reason: 'no_keys' });
    await ada.api.prekeys.publish(uploadOf(ada).upload);
    world.clock.advance(130 * 24 * 60 * 60 * 1000);
    expect(await claim(bob, ada)).toMatchObject({ status: 'refused', reason: 'no_keys' });
  });

  it('wants a shared channel, the right account, and another device than one’s own', async () => {
    const cyd = await registerPerson(world.deps, { units: 1 });
    expect(await claim(bob, cyd)).toMatchObject({ status: 'refused', reason: 'not_found' });
    const mixed = { accountId: ada.accountId, deviceId: cyd.deviceId };
    expect(await bob.api.prekeys.claim({ targets: [mixed] })).toEqual([
      { ...mixed, status: 'refused', reason: 'not_found' },
    ]);
    const own = { accountId: bob.accountId, deviceId: bob.deviceId };
    expect(await bob.api.prekeys.claim({ targets: [own] })).toEqual([]);
    expect(await db.prisma.prekeyClaim.count()).toBe(0);
    expect(world.events.of('prekeys.claimed')).toEqual([]);
  });
});

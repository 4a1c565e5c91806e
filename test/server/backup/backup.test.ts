import { createRevokeDevice, fromBase64Url, toBase64Url, uuidToBytes } from '#crypto/index.ts';
import type { DeviceActor } from '#server/deps.ts';
import { limits } from '#shared/limits.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { backupAppend, backupEntry } from '../../support/backup.ts';
import { caller, refusal, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { makeSecondDevice } from '../../support/keys.ts';
import { attach, type Person } from '../../support/people.ts';
import { countRows } from '../../support/row-counts.ts';
import type { TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let bob: Person;

const fresh = freshPeople({ ada: {}, bob: {} });
beforeEach(async () => {
  ({ db, world, ada, bob } = await fresh());
});

const bytesOf = (input: { entries: readonly string[] }): Uint8Array[] => input.entries.map(fromBase64Url);

/** Ada's second device, signed in. */
async function secondDevice() {
  const second = makeSecondDevice(ada);
  await ada.api.devices.append({ entry: toBase64Url(second.entry) });
  const grant = await caller(world.deps, null).auth.login({
    username: ada.username,
    loginSecret: ada.loginSecret,
  });
  const actor: DeviceActor = await attach(world.deps, { ...ada, ...second }, grant);
  return { ...second, actor, api: caller(world.deps, actor) };
}

describe('backup', () => {
  it('is empty before the first append, then serves what was appended and the newest manifest', async () => {
    expect(await ada.api.backup.status()).toEqual({ version: 0, count: 0, manifest: null });
    const first = backupAppend(ada, { count: 0, entries: 3 });
    expect(await ada.api.backup.append(first)).toEqual({ count: 3 });
    const second = backupAppend(ada, { count: 3, before: bytesOf(first), entries: 2 });
    expect(await ada.api.backup.append(second)).toEqual({ count: 5 });
    expect(await ada.api.backup.status()).toEqual({ version: 1, count: 5, manifest: second.manifest });
    const all = [...first.entries, ...second.entries];
    const read = (from: number, to: number) => ada.api.backup.entries({ version: 1, from, to });
    expect(await read(0, 5)).toEqual({ from: 0, entries: all });
    expect(await read(1, 4)).toEqual({ from: 1, entries: all.slice(1, 4) });
  });

  it('answers the newest part of a range that is too large for one answer', async () => {
    let before: Uint8Array[] = [];
    for (let round = 0; round < 3; round++) {
      const entries = Array.from({ length: 20 }, () => backupEntry(ada, 20_000));
      await ada.api.backup.append(backupAppend(ada, { count: before.length, before, entries }));
      before = [...before, ...entries];
    }
    const seen: string[] = [];
    let to = before.length;
    let pages = 0;
    while (to > 0) {
      const page = await ada.api.backup.entries({ version: 1, from: 0, to });
      expect(page.from + page.entries.length).toBe(to);
      expect(page.entries.join('').length * 0.75).toBeLessThanOrEqual(limits.backupPageBytes);
      seen.unshift(...page.entries);
      to = page.from;
      pages++;
    }
    expect(seen).toEqual(before.map(toBase64Url));
    expect(pages).toBe(10);
  });

  it('takes one of two appends to the same place; the other learns that it must look again', async () => {
    const second = await secondDevice();
    const mine = backupAppend(ada, { count: 0, entries: 1 });
    const theirs = backupAppend(ada, { count: 0, entries: 1, by: second });
    const outcomes = await Promise.allSettled([
      ada.api.backup.append(mine),
      second.api.backup.append(theirs),
    ]);
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected']);
    const [first] = (await ada.api.backup.entries({ version: 1, from: 0, to: 1 })).entries;
    const after = backupAppend(ada, { count: 1, before: [fromBase64Url(first!)], entries: 1, by: second });
    expect(await second.api.backup.append(after)).toEqual({ count: 2 });
    const late = ada.api.backup.append(mine);
    expect(await refusal(late)).toEqual({ code: 'conflict', what: 'backup' });
  });

  it('refuses manifests that are not this device’s or not of this list, and changes nothing', async () => {
    const first = backupAppend(ada, { count: 0, entries: 2 });
    await ada.api.backup.append(first);
    const before = await countRows(db);
    const status = await ada.api.backup.status();
    const next = backupAppend(ada, { count: 2, before: bytesOf(first), entries: 1 });
    const second = makeSecondDevice(ada);
    const cases = [
      { ...next, manifest: backupAppend(ada, { count: 2, before: bytesOf(first), entries: 1 }).manifest },
      { ...next, manifest: first.manifest },
      {
        ...next,
        manifest: backupAppend(bob, { count: 0, before: bytesOf(first), entries: bytesOf(next) }).manifest,
      },
      backupAppend(ada, { count: 2, before: bytesOf(first), entries: 1, by: second }),
      backupAppend(ada, { count: 2, before: bytesOf(first).reverse(), entries: 1 }),
    ];
    for (const input of cases) {
      expect(await refusal(ada.api.backup.append(input))).toEqual({
        code: 'bad_proof',
        what: 'backup_manifest',
      });
    }
    const malformed = { ...next, entries: [toBase64Url(new Uint8Array(100))] };
    expect(await refusal(ada.api.backup.append(malformed))).toEqual({
      code: 'bad_proof',
      what: 'backup_entry',
    });
    const mixed = backupAppend(ada, { count: 2, before: bytesOf(first), entries: 1, version: 2 });
    expect(await refusal(ada.api.backup.append(mixed))).toEqual({ code: 'conflict', what: 'backup' });
    expect(await countRows(db)).toEqual(before);
    expect(await ada.api.backup.status()).toEqual(status);
  });

  it('bounds one append and the whole', async () => {
    const many = backupAppend(ada, {
      count: 0,
      entries: Array.from({ length: 27 }, () => backupEntry(ada, 20_000)),
    });
    expect(await refusal(ada.api.backup.append(many))).toEqual({
      code: 'too_large',
      maxBytes: limits.backupAppendBytes,
    });
    const first = backupAppend(ada, { count: 0, entries: 1 });
    await ada.api.backup.append(first);
    await db.prisma.backup.update({
      where: { accountId: ada.accountId },
      data: { bytes: BigInt(limits.backupBytes) },
    });
    const next = backupAppend(ada, { count: 1, before: bytesOf(first), entries: 1 });
    expect(await refusal(ada.api.backup.append(next))).toEqual({
      code: 'limit_reached',
      limit: 'backupBytes',
      max: limits.backupBytes,
    });
    expect((await ada.api.backup.status()).count).toBe(1);
  });

  it('is the account’s own: others have none of it, and a session without a device neither', async () => {
    await ada.api.backup.append(backupAppend(ada, { count: 0, entries: 1 }));
    expect(await bob.api.backup.status()).toEqual({ version: 0, count: 0, manifest: null });
    const theirs = bob.api.backup.entries({ version: 1, from: 0, to: 1 });
    expect(await refusal(theirs)).toEqual({ code: 'not_found' });
    for (const range of [
      { from: 0, to: 2 },
      { from: 1, to: 1 },
      { from: 1, to: 0 },
    ]) {
      expect(await refusal(ada.api.backup.entries({ version: 1, ...range }))).toEqual({ code: 'not_found' });
    }
    const other = ada.api.backup.entries({ version: 2, from: 0, to: 1 });
    expect(await refusal(other)).toEqual({ code: 'not_found' });
    const grant = await caller(world.deps, null).auth.login({
      username: ada.username,
      loginSecret: ada.loginSecret,
    });
    const bare = caller(world.deps, { ...grant, deviceId: null });
    expect(await refusal(bare.backup.status())).toEqual({ code: 'device_required' });
  });

  it('takes nothing from a revoked device', async () => {
    const first = backupAppend(ada, { count: 0, entries: 1 });
    await ada.api.backup.append(first);
    const deviceId = uuidToBytes(ada.deviceId);
    const revoke = createRevokeDevice(
      ada.state,
      { deviceId, reason: 'lost' },
      { kind: 'root', secretKey: ada.root.secretKey },
    );
    await ada.api.devices.append({ entry: toBase64Url(revoke), backup: { isUnread: true } });
    const next = backupAppend(ada, { count: 1, before: bytesOf(first), entries: 1 });
    expect(await refusal(ada.api.backup.append(next))).toEqual({ code: 'not_found' });
  });
});

// A removal and the backup (decision 0034): log entry and the remover's manifest, both or neither.
import {
  createBackupHead,
  createRevokeDevice,
  extendAccountLog,
  fromBase64Url,
  toBase64Url,
  uuidToBytes,
  type AccountLogState,
} from '#crypto/index.ts';
import type { DeviceActor } from '#server/deps.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { backupAppend, type AppendOptions } from '../../support/backup.ts';
import { caller, refusal, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { makeSecondDevice } from '../../support/keys.ts';
import { attach, type Person } from '../../support/people.ts';
import { placeCommunity } from '../../support/places.ts';
import { countRows } from '../../support/row-counts.ts';
import type { TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let bob: Person;
/** Ada's other device, which is to go. */
let phone: Awaited<ReturnType<typeof signIn>>;
let state: AccountLogState;
/** What the phone backed up. */
let stored: Uint8Array[];

const fresh = freshPeople({ ada: {}, bob: {} });
beforeEach(async () => {
  ({ db, world, ada, bob } = await fresh());
  await placeCommunity(db, [ada, bob]);
  const made = makeSecondDevice(ada);
  await ada.api.devices.append({ entry: toBase64Url(made.entry) });
  state = extendAccountLog(ada.state, [made.entry]);
  phone = await signIn(made);
  const first = backupAppend(ada, { count: 0, entries: 3, by: phone });
  await phone.api.backup.append(first);
  stored = first.entries.map(fromBase64Url);
  world.events.clear();
});

async function signIn(made: ReturnType<typeof makeSecondDevice>) {
  const { username, loginSecret } = ada;
  const grant = await caller(world.deps, null).auth.login({ username, loginSecret });
  const actor: DeviceActor = await attach(world.deps, { ...ada, ...made }, grant);
  return { ...made, actor, api: caller(world.deps, actor) };
}

/** The entry that takes a device off, signed by the device of Ada's that stays. */
function removal(deviceId: string = phone.deviceId, reason: 'removed' | 'lost' | 'logged_out' = 'removed') {
  const by = { deviceId: uuidToBytes(ada.deviceId), secretKey: ada.device.signing.secretKey };
  const target = { deviceId: uuidToBytes(deviceId), reason };
  return { entry: toBase64Url(createRevokeDevice(state, target, { kind: 'device', ...by })) };
}

/** A manifest over this list, by Ada's first device where no other is named. */
function over(list: readonly Uint8Array[], options: Pick<AppendOptions, 'by' | 'version'> = {}) {
  const { manifest } = backupAppend(ada, { count: list.length, before: list, entries: [], ...options });
  return { backup: { manifest } };
}

/** Refused like this, with log, list, devices and everything else as they were, and nobody told of anything. */
async function changesNothing(work: () => Promise<unknown>, expected: unknown): Promise<void> {
  const seen = async () => [
    await countRows(db),
    await ada.api.backup.status(),
    await db.prisma.device.findMany({ orderBy: { id: 'asc' } }),
  ];
  const before = await seen();
  expect(await refusal(work())).toEqual(expected);
  expect(await seen()).toEqual(before);
  expect(world.events.calls).toEqual([]);
}

const badManifest = { code: 'bad_proof', what: 'backup_manifest' };
const moved = { code: 'conflict', what: 'backup' };

describe('devices.append: a removal with a manifest', () => {
  it('takes both; the list is the remover’s word from then on, and goes on as it was', async () => {
    const made = { ...removal(), ...over(stored) };
    await ada.api.devices.append(made);
    const { manifest } = made.backup;
    expect(await ada.api.backup.status()).toEqual({ version: 1, count: 3, manifest });
    const row = await db.prisma.device.findUniqueOrThrow({ where: { id: phone.deviceId } });
    expect(row.revokedAt).not.toBeNull();
    // The same again is done already.
    await ada.api.devices.append(made);
    const next = backupAppend(ada, { count: 3, before: stored, entries: 1 });
    expect(await ada.api.backup.append(next)).toEqual({ count: 4 });
  });

  it('is a conflict where the list has moved on, and neither is written', async () => {
    const late = { ...removal(), ...over(stored) };
    const more = backupAppend(ada, { count: 3, before: stored, entries: 1, by: phone });
    await phone.api.backup.append(more);
    world.events.clear();
    await changesNothing(() => ada.api.devices.append(late), moved);
    const list = [...stored, ...more.entries.map(fromBase64Url)];
    await ada.api.devices.append({ ...removal(), ...over(list) });
    expect(await ada.api.backup.status()).toMatchObject({ count: 4 });
  });

  it('beside an append of the removed device at the same moment: never a list under its manifest', async () => {
    const more = backupAppend(ada, { count: 3, before: stored, entries: 1, by: phone });
    const [removed, appended] = await Promise.allSettled([
      ada.api.devices.append({ ...removal(), ...over(stored) }),
      phone.api.backup.append(more),
    ]);
    expect([removed.status, appended.status].sort()).toEqual(['fulfilled', 'rejected']);
    const status = await ada.api.backup.status();
    expect(status.count).toBe(removed.status === 'fulfilled' ? 3 : 4);
    expect(status.manifest === more.manifest).toBe(appended.status === 'fulfilled');
  });

  it('refuses a manifest over anything else, or by anybody else', async () => {
    const flipped = fromBase64Url(over(stored).backup.manifest);
    flipped[flipped.length - 1]! ^= 1;
    const cases = [
      over(stored.toReversed()),
      over([...stored, stored[0]!]),
      over(stored, { version: 2 }),
      over(stored, { by: phone }),
      over(stored, { by: bob }),
      { backup: { manifest: toBase64Url(flipped) } },
    ];
    for (const backup of cases)
      await changesNothing(() => ada.api.devices.append({ ...removal(), ...backup }), badManifest);
    const theirs = backupAppend(bob, { count: 3, before: stored, entries: [] });
    const made = { ...removal(), backup: { manifest: theirs.manifest } };
    await changesNothing(() => ada.api.devices.append(made), badManifest);
  });

  it('takes none where there is no list, nor with another entry, nor of a device the entry itself removes', async () => {
    const head = { version: 1, count: 3, hash: new Uint8Array(32) };
    const signer = { deviceId: uuidToBytes(ada.deviceId), secretKey: ada.device.signing.secretKey };
    const entry = toBase64Url(createBackupHead(state, head, { kind: 'device', ...signer }));
    await changesNothing(() => ada.api.devices.append({ entry, ...over(stored) }), badManifest);
    const own = { ...removal(ada.deviceId, 'logged_out'), ...over(stored) };
    await changesNothing(() => ada.api.devices.append(own), { code: 'not_found' });
    const bare = caller(world.deps, { ...ada.actor, deviceId: null });
    const unattached = () => bare.devices.append({ ...removal(), ...over(stored) });
    await changesNothing(unattached, { code: 'device_required' });
    await db.prisma.backup.deleteMany({});
    await changesNothing(() => ada.api.devices.append({ ...removal(), ...over(stored) }), badManifest);
    await ada.api.devices.append(removal());
  });
});

describe('devices.append: a removal without a manifest', () => {
  it('is a conflict exactly where the removed device vouches for the list', async () => {
    for (const reason of ['removed', 'lost'] as const)
      await changesNothing(() => ada.api.devices.append(removal(phone.deviceId, reason)), moved);
    const next = backupAppend(ada, { count: 3, before: stored, entries: 1 });
    await ada.api.backup.append(next);
    await ada.api.devices.append(removal());
    expect(await ada.api.backup.status()).toMatchObject({ count: 4, manifest: next.manifest });
  });

  it('is taken from whoever says that the list is closed to them: the device goes, the list stays as it was', async () => {
    const before = await ada.api.backup.status();
    await ada.api.devices.append({ ...removal(), backup: { isUnread: true } });
    expect(await ada.api.backup.status()).toEqual(before);
    const late = backupAppend(ada, { count: 3, before: stored, entries: 1, by: phone });
    expect(await refusal(phone.api.backup.append(late))).toMatchObject({ code: 'not_found' });
  });

  it('is how a device leaves by itself: its word is good still', async () => {
    const by = { deviceId: uuidToBytes(phone.deviceId), secretKey: phone.device.signing.secretKey };
    const target = { deviceId: by.deviceId, reason: 'logged_out' } as const;
    const entry = toBase64Url(createRevokeDevice(state, target, { kind: 'device', ...by }));
    await phone.api.devices.append({ entry });
    expect(await ada.api.backup.status()).toMatchObject({ count: 3 });
  });
});

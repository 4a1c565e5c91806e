// Another backup key: vault and list change together or not at all, whoever comes second is told, and a removed device
// neither rotates nor writes on.
import {
  createRevokeDevice,
  fromBase64Url,
  openAccountLog,
  toBase64Url,
  uuidToBytes,
} from '#crypto/index.ts';
import type { DeviceActor } from '#server/deps.ts';
import { limits } from '#shared/limits.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { backupAppend, backupRotation } from '../../support/backup.ts';
import { caller, refusal, testDeps, type TestDeps } from '../../support/deps.ts';
import { makeIdentity, makeSecondDevice, nextPassword } from '../../support/keys.ts';
import { attach, registerPerson, type Person } from '../../support/people.ts';
import { countRows } from '../../support/row-counts.ts';
import { openTestDatabase, type TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;

beforeAll(async () => {
  db = await openTestDatabase();
});
beforeEach(async () => {
  await db.truncate();
  world = await testDeps(db);
  ada = await registerPerson(world.deps);
});
afterAll(() => db.close());

const login = () =>
  caller(world.deps, null).auth.login({ username: ada.username, loginSecret: ada.loginSecret });
const storedVault = async (): Promise<string> => {
  const { accountId, sessionId } = await login();
  const session = caller(world.deps, { accountId, sessionId, deviceId: null });
  return (await session.vault.get({ loginSecret: ada.loginSecret })).vault;
};

/** Ada's second device, signed in. */
async function secondDevice() {
  const second = makeSecondDevice(ada);
  await ada.api.devices.append({ entry: toBase64Url(second.entry) });
  const actor: DeviceActor = await attach(world.deps, { ...ada, ...second }, await login());
  return { ...second, actor, api: caller(world.deps, actor) };
}

/** Ada's first list: two entries. */
async function firstList() {
  const first = backupAppend(ada, { count: 0, entries: 2 });
  await ada.api.backup.append(first);
  return first;
}

/** Everything as it was: rows, vault, list. */
async function nothingChanges(run: () => Promise<unknown>): Promise<void> {
  const look = async () => ({
    rows: await countRows(db),
    list: await ada.api.backup.status(),
    vault: Buffer.from(
      (await db.prisma.credential.findUniqueOrThrow({ where: { accountId: ada.accountId } })).vault,
    ).toString('hex'),
  });
  const before = await look();
  await run();
  expect(await look()).toEqual(before);
}

const rotation = (from: { vault?: string; version?: number; closedCount?: number } = {}, by?: Person) => {
  const { vault = toBase64Url(ada.vault), version = 2, closedCount = 2 } = from;
  return backupRotation(ada, { vault: fromBase64Url(vault), version, closedCount }, by);
};

describe('account.rotateBackup', () => {
  it('swaps vault and list together; the closed list stays readable, sessions stay, appends go on in the new one', async () => {
    const first = await firstList();
    const other = await login();
    const input = rotation();
    expect(await ada.api.account.rotateBackup(input)).toEqual({ count: 1 });
    expect(await ada.api.backup.status()).toEqual({ version: 2, count: 1, manifest: input.manifest });
    expect(await storedVault()).toBe(input.vault);
    const read = (version: number, from: number, to: number) => ada.api.backup.entries({ version, from, to });
    expect(await read(1, 0, 2)).toEqual({ from: 0, entries: first.entries });
    expect(await read(2, 0, 1)).toEqual({ from: 0, entries: input.entries });
    for (const missing of [() => read(1, 0, 3), () => read(1, 2, 3), () => read(3, 0, 1)])
      expect(await refusal(missing())).toEqual({ code: 'not_found' });
    const sessions = await ada.api.sessions.list();
    expect(sessions.map((session) => session.sessionId)).toContain(other.sessionId);
    const before = input.entries.map(fromBase64Url);
    const next = backupAppend(ada, { count: 1, before, entries: 1, version: 2 });
    expect(await ada.api.backup.append(next)).toEqual({ count: 2 });
    // Two lists of one length are told apart by their version.
    const old = backupAppend(ada, { count: 2, before: first.entries.map(fromBase64Url), entries: 1 });
    expect(await refusal(ada.api.backup.append(old))).toEqual({ code: 'conflict', what: 'backup' });
  });

  it('goes on from a list nothing was ever written to, and from one rotation to the next', async () => {
    const one = rotation({ closedCount: 0 });
    await ada.api.account.rotateBackup(one);
    const two = rotation({ vault: one.vault, version: 3, closedCount: 1 });
    await ada.api.account.rotateBackup(two);
    expect(await ada.api.backup.status()).toMatchObject({ version: 3, count: 1 });
    expect((await ada.api.backup.entries({ version: 2, from: 0, to: 1 })).entries).toEqual(one.entries);
  });

  it('a lost answer: the very same rotation is answered like the first time', async () => {
    await firstList();
    const input = rotation();
    const answer = await ada.api.account.rotateBackup(input);
    await nothingChanges(async () => expect(await ada.api.account.rotateBackup(input)).toEqual(answer));
  });

  it('of two devices that rotate at once the second conflicts, and vault and list are of one of them', async () => {
    await firstList();
    const second = await secondDevice();
    const [mine, theirs] = [rotation(), rotation({}, { ...ada, ...second })];
    const outcomes = await Promise.allSettled([
      ada.api.account.rotateBackup(mine),
      second.api.account.rotateBackup(theirs),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [won, lost] = outcomes[0].status === 'fulfilled' ? [mine, theirs] : [theirs, mine];
    expect(await storedVault()).toBe(won.vault);
    expect(await ada.api.backup.status()).toMatchObject({ version: 2, manifest: won.manifest });
    const loser = won === mine ? second.api : ada.api;
    await nothingChanges(async () =>
      expect(await refusal(loser.account.rotateBackup(lost))).toMatchObject({ code: 'conflict' }),
    );
  });

  it('is a conflict where an append or a password change was first, and changes neither half', async () => {
    const first = await firstList();
    const input = rotation();
    const before = first.entries.map(fromBase64Url);
    await ada.api.backup.append(backupAppend(ada, { count: 2, before, entries: 1 }));
    await nothingChanges(async () =>
      expect(await refusal(ada.api.account.rotateBackup(input))).toEqual({
        code: 'conflict',
        what: 'backup',
      }),
    );
    const changed = { loginSecret: ada.loginSecret, ...nextPassword(ada, ada.vault) };
    await ada.api.account.changePassword(changed);
    const late = { ...rotation({ closedCount: 3 }), loginSecret: changed.newLoginSecret };
    await nothingChanges(async () =>
      expect(await refusal(ada.api.account.rotateBackup(late))).toEqual({ code: 'bad_proof', what: 'vault' }),
    );
  });

  it('refuses a wrong password, other doors, another account’s vault, and manifests of others', async () => {
    await firstList();
    const stranger = makeIdentity();
    const eve = await registerPerson(world.deps);
    const input = rotation();
    const cases: [unknown, typeof input][] = [
      [{ code: 'bad_credentials' }, { ...input, loginSecret: toBase64Url(new Uint8Array(32).fill(1)) }],
      [
        { code: 'bad_proof', what: 'vault' },
        { ...input, vault: nextPassword(ada, ada.vault).vault },
      ],
      [
        { code: 'bad_proof', what: 'vault' },
        { ...input, vault: nextPassword(stranger, stranger.vault).vault },
      ],
      [
        { code: 'conflict', what: 'vault' },
        { ...input, vault: toBase64Url(ada.vault) },
      ],
      [
        { code: 'bad_proof', what: 'backup_manifest' },
        {
          ...input,
          manifest: backupRotation(eve, { vault: eve.vault, version: 2, closedCount: 2 }).manifest,
        },
      ],
      [
        { code: 'bad_proof', what: 'backup_manifest' },
        { ...input, manifest: rotation().manifest },
      ],
      [
        { code: 'conflict', what: 'backup' },
        { ...input, closedCount: 1 },
      ],
      [{ code: 'conflict', what: 'backup' }, rotation({ version: 3 })],
    ];
    for (const [code, refused] of cases)
      await nothingChanges(async () =>
        expect(await refusal(ada.api.account.rotateBackup(refused))).toMatchObject(code as object),
      );
    await ada.api.account.rotateBackup(input);
  });

  it('takes nothing from a removed device, not with the password either', async () => {
    const first = await firstList();
    const second = await secondDevice();
    const { accountId, sessionId } = second.actor;
    const logs = await ada.api.devices.logs({ accounts: [{ accountId, fromSeq: 0 }] });
    const target = { deviceId: uuidToBytes(second.deviceId), reason: 'removed' } as const;
    const log = openAccountLog(logs[0]!.entries.map(fromBase64Url));
    const revoke = createRevokeDevice(log, target, { kind: 'root', secretKey: ada.root.secretKey });
    await ada.api.devices.append({ entry: toBase64Url(revoke) });
    const by = { ...ada, ...second };
    // Past the session, which ended with the device: as if its call had been under way.
    const before = first.entries.map(fromBase64Url);
    const asDevice = caller(world.deps, { accountId, sessionId, deviceId: second.deviceId });
    await nothingChanges(async () => {
      const rotated = await refusal(asDevice.account.rotateBackup(rotation({}, by)));
      expect(rotated.code).toMatch(/not_found|reauthentication_required|unauthenticated/);
      const append = backupAppend(ada, { count: 2, before, entries: 1, by });
      expect(await refusal(asDevice.backup.append(append))).toEqual({ code: 'not_found' });
      // A live session of the account in the removed device's name.
      const named = caller(world.deps, { ...ada.actor, deviceId: second.deviceId });
      expect(await refusal(named.account.rotateBackup(rotation({}, by)))).toEqual({ code: 'not_found' });
    });
    await ada.api.account.rotateBackup(rotation());
  });

  it('wants a session that is fresh and has a device', async () => {
    await firstList();
    const grant = await login();
    const bare = caller(world.deps, { ...grant, deviceId: null });
    expect(await refusal(bare.account.rotateBackup(rotation()))).toEqual({ code: 'device_required' });
    world.clock.advance(limits.freshMs + 1);
    expect(await refusal(ada.api.account.rotateBackup(rotation()))).toEqual({
      code: 'reauthentication_required',
    });
  });

  it('counts the closed lists into the account’s room, and versions up to their bound', async () => {
    await firstList();
    const where = { accountId: ada.accountId };
    const { bytes } = await db.prisma.backup.findUniqueOrThrow({ where });
    await db.prisma.backup.update({ where, data: { bytes: BigInt(limits.backupBytes) } });
    expect(await refusal(ada.api.account.rotateBackup(rotation()))).toMatchObject({
      code: 'limit_reached',
      limit: 'backupBytes',
    });
    await db.prisma.backup.update({ where, data: { bytes, version: limits.backupVersions } });
    const over = rotation({ version: limits.backupVersions + 1 });
    expect(await refusal(ada.api.account.rotateBackup(over))).toMatchObject({
      code: 'limit_reached',
      limit: 'backupVersions',
    });
  });
});

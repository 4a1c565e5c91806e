// The backup key rotated by one device of three: the others go over when the key comes, a new one reads every list, and the
// removed one with everything the server has opens nothing that was written after (A85).
import { beforeEach, describe, expect, it } from 'vitest';
import type { BackupRotation, BackupStep } from '#client/crypto/protocol.ts';
import { keys, type SelfRecord } from '#client/crypto/records.ts';
import { UnitOfWork } from '#client/crypto/unit-of-work.ts';
import {
  appendLeaves,
  EMPTY_FRONTIER,
  fromBase64Url,
  merkleLeaf,
  merkleRoot,
  openBackupEntry,
  parseBackupManifest,
  rotateBackup,
  signBackupManifest,
  systemRng,
  toBase64Url,
  type BackupKey,
} from '#crypto/index.ts';
import type { ChannelId } from '#shared/ids.ts';
import type { OutgoingPacket } from '#shared/mailbox.ts';
import { Lists } from '../support/backup-lists.ts';
import { Exchange, textsOf, type Person } from '../support/exchange.ts';

const channel = '018f0000-0000-7000-8000-0000000000c1' as ChannelId;
const dm = '018f0000-0000-7000-8000-0000000000d1' as ChannelId;

let server: Exchange;
let lists: Lists;
let ada: Person;
let second: Person;
let thief: Person;
let ben: Person;

beforeEach(async () => {
  server = new Exchange();
  lists = new Lists();
  [ada, ben] = [await server.join('ada'), await server.join('ben')];
  await lists.pull(ada);
  second = await newDevice();
  thief = await newDevice();
  await talk('before');
  for (const device of [ada, second, thief]) await lists.pull(device);
}, 60_000);

const ownLog = async (...devices: Person[]): Promise<void> => {
  for (const { engine, accountId } of devices)
    await engine.ingestLogs({ logs: server.logsFor([{ accountId, fromSeq: 0 }]), isMailTaken: true });
};

async function newDevice(): Promise<Person> {
  server.now += 60_000;
  const device = await server.addDevice(ada);
  await ownLog(ada, ...(second ? [second] : []));
  return device;
}

/** Both say something in channel and direct conversation, and Ada's device backs it up. */
async function talk(word: string, by: Person = ada): Promise<void> {
  const [group, direct] = conversations();
  for (const [from, where] of [
    [ben, group],
    [by, group],
    [ben, direct],
    [by, direct],
  ] as const)
    await server.say(from, where!, `${word} ${from === ben ? 'ben' : 'ada'}`);
  for (const where of [group, direct]) await server.read(by, where!);
  await lists.push(by, server.now);
}

const conversations = () => [
  server.conversation('text', channel, [ada, ben]),
  server.conversation('dm', dm, [ada, ben]),
];

async function reads(device: Person): Promise<(string | null)[][]> {
  const [group, direct] = conversations();
  return [textsOf(await server.read(device, group!)), textsOf(await server.read(device, direct!))];
}

const said = (...words: string[]): string[][] => {
  const all = words.flatMap((word) => [`${word} ben`, `${word} ada`]);
  return [all, all];
};

/** Takes a device off the account; these hear of it. */
async function remove(device: Person, heard: Person[]): Promise<void> {
  const { entry } = await ada.engine.revokeDevice({ deviceId: device.deviceId, now: server.now });
  server.logs.get(ada.accountId)!.push(entry);
  await ownLog(...heard);
}
const removeThief = (): Promise<void> => remove(thief, [ada, second]);

async function prove(device: Person): Promise<void> {
  const kdf = server.kdfs.get(ada.accountId)!;
  await device.engine.deriveLogin({ password: 'ada-password', kdf });
}

async function make(device: Person): Promise<BackupRotation> {
  await prove(device);
  const { accountId } = device;
  const made = await device.engine.rotateBackup({
    accountId,
    vault: server.vaults.get(accountId)!,
    now: server.now,
  });
  expect(made).not.toBeNull();
  return made!;
}

/** Made, taken by the server, and answered. */
async function rotate(device: Person): Promise<void> {
  const made = await make(device);
  lists.rotate(made);
  server.vaults.set(ada.accountId, made.vault);
  await device.engine.backupRotated({ version: made.version, count: made.entries.length });
}

async function nameIt(device: Person): Promise<string | null> {
  const entry = await device.engine.backupHeadEntry({ now: server.now });
  if (entry !== null) server.logs.get(ada.accountId)!.push(entry);
  await ownLog(device);
  return entry;
}

/** The newest key over sessions to whoever lacks it. Answers to whom. */
async function handOutAll(from: Person): Promise<OutgoingPacket[]> {
  const first = await from.engine.handBackupKey({ now: server.now });
  await from.engine.startSessions({ claims: server.claim(first.bundles), now: server.now });
  const { packets, bundles } = await from.engine.handBackupKey({ now: server.now });
  expect(bundles).toEqual([]);
  server.post(from, packets);
  await from.engine.backupKeyHanded({ deviceIds: packets.map(({ deviceId }) => deviceId) });
  expect(await from.engine.handBackupKey({ now: server.now })).toEqual({ packets: [], bundles: [] });
  return [...packets];
}
const handOut = async (from: Person): Promise<number> => (await handOutAll(from)).length;

const record = async <T>(person: Person, key: string): Promise<T> =>
  (await new UnitOfWork(person.store, `${person.accountId}/`).get<T>(key))!;
const keyOf = async (person: Person): Promise<BackupKey> => {
  const { backupKey: key, backupVersion: version } = await record<SelfRecord>(person, keys.self);
  return { aid: parseBackupManifest(fromBase64Url(lists.status.manifest!)).aid, version, key };
};
const mailOf = ({ deviceId }: Person): number => (server.mail.get(deviceId) ?? []).length;
const view = (person: Person) => person.engine.backupView();

describe('a device was removed', () => {
  it('another key is due on every device until one of them rotated, and only for a removal', async () => {
    expect((await view(ada)).isRotationDue).toBe(false);
    await removeThief();
    expect([(await view(ada)).isRotationDue, (await view(second)).isRotationDue]).toEqual([true, true]);
    await rotate(ada);
    expect(await view(ada)).toMatchObject({ isRotationDue: false, refusal: null, count: 1 });
    await nameIt(ada);
    await handOut(ada);
    await server.collect(second);
    await ownLog(second);
    expect(await lists.pull(second)).toMatchObject({ state: 'current' });
    expect(await view(second)).toMatchObject({ isRotationDue: false, isOutdated: false, refusal: null });
    // One that logs out by itself took nothing along.
    const left = await newDevice();
    await ownLog(left);
    server.logs.get(ada.accountId)!.push(await left.engine.revokeOwnDevice());
    await ownLog(ada);
    expect((await view(ada)).isRotationDue).toBe(false);
  });

  it('a new browser with the password alone reads what was written before and after, over two lists and over three', async () => {
    await removeThief();
    await rotate(ada);
    await nameIt(ada);
    await talk('between');
    const fresh = await newDevice();
    expect(await lists.pull(fresh)).toMatchObject({ state: 'current' });
    expect(await reads(fresh)).toEqual(said('before', 'between'));
    thief = fresh;
    await removeThief();
    await rotate(ada);
    await nameIt(ada);
    await talk('after');
    expect([...lists.all.keys()]).toEqual([1, 2, 3]);
    const late = await newDevice();
    expect(await lists.pull(late)).toMatchObject({ state: 'current' });
    expect(await reads(late)).toEqual(said('before', 'between', 'after'));
    expect(await view(late)).toMatchObject({ waiting: 0, isRestoring: false, refusal: null });
    expect((await view(late)).count).toBe(lists.status.count);
  });

  it('A85 the removed device, with every list, vault and packet there is, opens nothing written after', async () => {
    const stolen = await keyOf(thief);
    const closed = lists.newest.length;
    await removeThief();
    await rotate(ada);
    await nameIt(ada);
    const mail = mailOf(thief);
    expect(await handOut(ada)).toBe(1);
    expect(mailOf(thief)).toBe(mail);
    await talk('after');
    const before = lists.all.get(1)!.map(fromBase64Url);
    expect(before).toHaveLength(closed);
    for (const entry of before) expect(openBackupEntry(stolen, entry).payload.length).toBeGreaterThan(0);
    const after = lists.all.get(2)!.map(fromBase64Url);
    expect(after.length).toBeGreaterThan(1);
    for (const entry of after)
      for (const version of [1, 2, 3])
        expect(() => openBackupEntry({ ...stolen, version }, entry)).toThrow(/./);
    // Through its own engine, the server helping with all it has: the packet that was for the other device too.
    server.mail.set(thief.deviceId, server.mail.get(second.deviceId) ?? []);
    await server.collect(thief);
    expect(await lists.pull(thief)).toMatchObject({ state: 'refused', refusal: { reason: 'other_key' } });
    await ownLog(thief);
    expect(await lists.pull(thief)).toMatchObject({ state: 'refused', refusal: { reason: 'other_key' } });
    expect((await keyOf(thief)).version).toBe(1);
    expect(await thief.engine.nextBackup({ now: server.now })).toBeNull();
  });
});

describe('the devices that are left', () => {
  it('keep what waits until the key comes, then read on and write on', async () => {
    await removeThief();
    const [, direct] = conversations();
    // Queued by the second device under the old key, and even made into an append nobody answered.
    await server.say(ben, direct!, 'meanwhile');
    await server.collect(second);
    const held = (await second.engine.nextBackup({ now: server.now }))!;
    expect(held.version).toBe(1);
    await rotate(ada);
    expect(await lists.pull(second)).toMatchObject({ state: 'refused', refusal: { reason: 'other_key' } });
    const waiting = (await view(second)).waiting;
    expect(waiting).toBeGreaterThan(0);
    expect(await second.engine.nextBackup({ now: server.now })).toBeNull();
    await nameIt(ada);
    await handOut(ada);
    await server.collect(second);
    expect((await view(second)).isOutdated).toBe(true);
    expect(await lists.pull(second)).toMatchObject({ state: 'current' });
    expect(await view(second)).toMatchObject({ waiting, isOutdated: false });
    const next = (await second.engine.nextBackup({ now: server.now }))!;
    expect([next.version, next.expectedCount]).toEqual([2, 1]);
    await lists.push(second, server.now);
    expect(await lists.pull(ada)).toMatchObject({ state: 'current' });
    expect((await view(second)).waiting).toBe(0);
  });

  it('one that was away reads the end of the old list behind the new one', async () => {
    await talk('while away');
    const { count } = await view(second);
    expect(count).toBeLessThan(lists.newest.length);
    await removeThief();
    await rotate(ada);
    await nameIt(ada);
    await handOut(ada);
    await talk('after');
    await ownLog(second);
    await server.collect(second);
    const asked: [number, number][] = [];
    const step = await lists.pull(second, (page, version) => {
      asked.push([version, page.from]);
      return page;
    });
    expect(step).toMatchObject({ state: 'current' });
    const old = asked.filter(([version]) => version === 1).map(([, from]) => from);
    expect(Math.min(...old)).toBe(count);
    expect(await reads(second)).toEqual(said('before', 'while away', 'after'));
  });

  it('one that missed two rotations goes over both by the newest key alone', async () => {
    await removeThief();
    await rotate(ada);
    thief = await newDevice();
    await removeThief();
    await talk('between');
    await rotate(ada);
    await nameIt(ada);
    await handOut(ada);
    await ownLog(second);
    await server.collect(second);
    expect(await lists.pull(second)).toMatchObject({ state: 'current' });
    expect(await reads(second)).toEqual(said('before', 'between'));
    expect((await keyOf(second)).version).toBe(3);
  });

  it('the password gives the key too, where no other device can', async () => {
    await removeThief();
    await rotate(ada);
    await nameIt(ada);
    await ownLog(second);
    expect(await lists.pull(second)).toMatchObject({ refusal: { reason: 'other_key' } });
    await prove(second);
    const { accountId } = ada;
    const vault = server.vaults.get(accountId)!;
    expect(await second.engine.rotateBackup({ accountId, vault, now: server.now })).toBeNull();
    expect(await lists.pull(second)).toMatchObject({ state: 'current' });
  });

  it('A85 a device that has not heard of the removal goes over to nothing and hands the key to nobody', async () => {
    await remove(thief, [ada]);
    await rotate(ada);
    await handOut(ada);
    const mail = mailOf(thief);
    // The server keeps the removal from the second device, although the packet's own log head has it look.
    const { engine, deviceId } = second;
    await engine.receivePackets({ packets: server.mail.get(deviceId)!, now: server.now });
    expect(await lists.pull(second)).toMatchObject({ state: 'refused', refusal: { reason: 'other_key' } });
    const { packets, bundles } = await engine.handBackupKey({ now: server.now });
    expect([...packets, ...bundles]).toEqual([]);
    expect(mailOf(thief)).toBe(mail);
    await ownLog(second);
    expect(await lists.pull(second)).toMatchObject({ state: 'current' });
    expect((await keyOf(second)).version).toBe(2);
    expect((await handOutAll(second)).map((to) => to.deviceId)).toEqual([ada.deviceId]);
  });
});

describe('what goes wrong on the way', () => {
  it('a crash between “durable” and the answer: the server’s list tells an accepted rotation from a refused one', async () => {
    await removeThief();
    const made = await make(ada);
    // Never arrived: everything is as it was, and the same is sent again.
    expect(await lists.pull(ada)).toMatchObject({ state: 'current' });
    expect((await keyOf(ada)).version).toBe(1);
    expect(await make(ada)).toEqual(made);
    // Arrived, and its answer was lost.
    lists.rotate(made);
    server.vaults.set(ada.accountId, made.vault);
    expect(await lists.pull(ada)).toMatchObject({ state: 'current' });
    expect((await keyOf(ada)).version).toBe(2);
    expect((await view(ada)).isRotationDue).toBe(false);
    await ada.engine.backupRotated({ version: made.version, count: made.entries.length });
    await talk('after');
    await nameIt(ada);
    const fresh = await newDevice();
    expect(await lists.pull(fresh)).toMatchObject({ state: 'current' });
    expect(await reads(fresh)).toEqual(said('before', 'after'));
  });

  it('an attempt given up for another one may still arrive late: its key was not thrown away', async () => {
    await removeThief();
    const late = await make(ada);
    await remove(second, [ada]);
    const next = await make(ada);
    expect(next.manifest).not.toBe(late.manifest);
    lists.rotate(late);
    server.vaults.set(ada.accountId, late.vault);
    expect(await lists.pull(ada)).toMatchObject({ state: 'current' });
    // It was made before the second removal, so it is not the last.
    expect(await view(ada)).toMatchObject({ isRotationDue: true, refusal: null });
    await rotate(ada);
    expect((await keyOf(ada)).version).toBe(3);
    expect(await view(ada)).toMatchObject({ isRotationDue: false });
  });

  it('two rotate at once: the second drops its key and waits for the first one’s', async () => {
    await removeThief();
    const [won, lost] = [await make(ada), await make(second)];
    expect(won.version).toBe(lost.version);
    lists.rotate(won);
    server.vaults.set(ada.accountId, won.vault);
    await ada.engine.backupRotated({ version: 2, count: 1 });
    expect(await lists.pull(second)).toMatchObject({ state: 'refused', refusal: { reason: 'other_key' } });
    await nameIt(ada);
    await handOut(ada);
    await server.collect(second);
    await ownLog(second);
    expect(await lists.pull(second)).toMatchObject({ state: 'current' });
    expect((await keyOf(second)).key).toEqual((await keyOf(ada)).key);
  });

  it('A85 a closed list truncated, changed or missing is refused with the figures, and taken when it is right again', async () => {
    await removeThief();
    await rotate(ada);
    await nameIt(ada);
    const fresh = await newDevice();
    const old = lists.all.get(1)!;
    const expected = old.length;
    const ofOld = (change: (entries: readonly string[]) => readonly string[]) =>
      lists.pull(fresh, (page, version) =>
        version === 1 ? { ...page, entries: change(page.entries) } : page,
      );
    expect(await ofOld((entries) => entries.slice(0, -1))).toMatchObject({
      state: 'refused',
      refusal: { reason: 'old', expected, got: expected - 1 },
    });
    const nothing = await lists.pull(fresh, (page, version) =>
      version === 1 ? { from: 0, entries: [] } : page,
    );
    expect(nothing).toMatchObject({ refusal: { reason: 'old', expected, got: 0 } });
    const newest = lists.newest[0]!;
    for (const entries of [
      (some: readonly string[]) => some.toReversed(),
      (some: readonly string[]) => some.map(() => old[0]!),
      (some: readonly string[]) => some.map(() => newest),
    ])
      expect(await ofOld(entries)).toMatchObject({ state: 'refused', refusal: { reason: 'changed' } });
    expect((await view(fresh)).isRestoring).toBe(true);
    expect(await fresh.engine.nextBackup({ now: server.now })).toBeNull();
    expect(await lists.pull(fresh)).toMatchObject({ state: 'current' });
    expect(await reads(fresh)).toEqual(said('before'));
  });

  it('A85 the list or the vault of before the rotation is refused by whoever knows of it', async () => {
    const [status, vault] = [lists.status, server.vaults.get(ada.accountId)!];
    await removeThief();
    await rotate(ada);
    await nameIt(ada);
    const { engine, accountId } = ada;
    expect(await engine.compareBackup({ status })).toMatchObject({
      refusal: { reason: 'old', expected: 1, got: 0 },
    });
    await lists.pull(ada);
    await prove(ada);
    await expect(engine.rotateBackup({ accountId, vault, now: server.now })).rejects.toMatchObject({
      code: 'stale_record',
    });
    // A new browser that is handed both: the log names the newer one.
    const { vaults } = server;
    const now = vaults.get(accountId)!;
    vaults.set(accountId, vault);
    const fresh = await newDevice();
    vaults.set(accountId, now);
    await ownLog(fresh);
    expect(await fresh.engine.compareBackup({ status })).toMatchObject({
      state: 'refused',
      refusal: { reason: 'other_key' },
    });
    expect(await fresh.engine.nextBackup({ now: server.now })).toBeNull();
  });

  it('A85 a foreign key, by whoever sends it, brings no device to another list', async () => {
    const [status, vault] = [lists.status, server.vaults.get(ada.accountId)!];
    await removeThief();
    await rotate(ada);
    // The removed device's own software, had it the password, and a server that helps: another list under another key.
    const foreign = new Lists();
    foreign.all.set(1, lists.all.get(1)!);
    foreign.status = status;
    await prove(thief);
    const { accountId, engine } = thief;
    const forged = (await engine.rotateBackup({ accountId, vault, now: server.now }))!;
    foreign.rotate(forged);
    await engine.backupRotated({ version: 2, count: 1 });
    expect((await handOutAll(thief)).map((to) => to.deviceId)).toContain(second.deviceId);
    await server.collect(second);
    expect((await view(second)).isOutdated).toBe(false);
    expect(await foreign.pull(second)).toMatchObject({ state: 'refused' });
    expect((await keyOf(second)).version).toBe(1);
    // The right one still comes in.
    await nameIt(ada);
    await handOut(ada);
    await ownLog(second);
    await server.collect(second);
    expect(await lists.pull(second)).toMatchObject({ state: 'current' });
  });

  it('A85 a rotation that names a log longer than there is, so as never to be due again, leads nobody over', async () => {
    const { secrets, backupKey } = await record<SelfRecord>(thief, keys.self);
    const { aid, key } = { ...(await keyOf(thief)), key: backupKey };
    const treeOf = (entries: readonly Uint8Array[]) => appendLeaves(EMPTY_FRONTIER, entries.map(merkleLeaf));
    const tree = treeOf(lists.newest.map(fromBase64Url));
    const forge = (logSeq: number) => rotateBackup({ aid, version: 1, key }, { tree, logSeq }, systemRng);
    const led = async (logSeq: number): Promise<BackupStep> => {
      const { next, first } = forge(logSeq);
      const root = merkleRoot(treeOf([first]));
      const { deviceId, signing } = secrets;
      const fields = { aid, version: 2, count: 1, root, createdAt: server.now, deviceId };
      const manifest = toBase64Url(signBackupManifest(fields, signing.secretKey));
      lists.all.set(2, [toBase64Url(first)]);
      lists.status = { version: 2, count: 1, manifest };
      const unit = new UnitOfWork(second.store, `${second.accountId}/`);
      unit.put(keys.backupKey(2, String(logSeq)), { version: 2, key: next.key });
      await unit.commit();
      return lists.pull(second);
    };
    expect(await led(1_000_000)).toMatchObject({ state: 'refused', refusal: { reason: 'other_key' } });
    // An honest number, while that device still belongs to the account, is followed; its removal makes the next one due.
    await ownLog(second);
    expect(await led(server.logs.get(ada.accountId)!.length - 1)).toMatchObject({ state: 'current' });
    await remove(thief, [ada, second]);
    expect((await view(second)).isRotationDue).toBe(true);
  });
});

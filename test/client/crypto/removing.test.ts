// What a device says about the backup when it takes another one off the account (decision 0034), and what it is worth to a
// new browser: the removed device was the last to write.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Removal } from '#client/crypto/protocol.ts';
import { fromBase64Url, parseBackupManifest, uuidToBytes } from '#crypto/index.ts';
import type { BackupStatus } from '#shared/backup.ts';
import type { ChannelId } from '#shared/ids.ts';
import { Lists } from '../support/backup-lists.ts';
import { Exchange, textsOf, type Person } from '../support/exchange.ts';

const dm = '018f0000-0000-7000-8000-0000000000d1' as ChannelId;
const unread = { isUnread: true };

let server: Exchange;
let lists: Lists;
let ada: Person;
let ben: Person;
let phone: Person;

beforeEach(async () => {
  server = new Exchange();
  lists = new Lists();
  [ada, ben] = [await server.join('ada'), await server.join('ben')];
  await lists.pull(ada);
  phone = await newDevice();
}, 60_000);

const direct = () => server.conversation('dm', dm, [ada, ben]);

const ownLog = ({ engine, accountId }: Person): Promise<unknown> =>
  engine.ingestLogs({ logs: server.logsFor([{ accountId, fromSeq: 0 }]), isMailTaken: true });

async function newDevice(): Promise<Person> {
  server.now += 60_000;
  const device = await server.addDevice(ada);
  await ownLog(ada);
  return device;
}

/** Ben is told something, and this device backs it up. */
async function saysAndSaves(by: Person, words: string): Promise<void> {
  await server.say(by, direct(), words);
  await lists.pull(by);
  await lists.push(by, server.now);
}

const remove = (by: Person = ada): Promise<Removal> =>
  by.engine.revokeDevice({ deviceId: phone.deviceId, now: server.now });

/** The server takes both. */
function taken({ entry, backup }: Removal): void {
  server.logs.get(ada.accountId)!.push(entry);
  if (backup && 'manifest' in backup) lists.status = { ...lists.status, manifest: backup.manifest };
}

const reads = async (device: Person) => textsOf(await server.read(device, direct()));

describe('a device takes another one off', () => {
  it('with its own manifest over what it verified: a new browser reads everything, and nothing without it', async () => {
    await saysAndSaves(ada, 'from here');
    await saysAndSaves(phone, 'from the phone');
    await lists.pull(ada);
    const last: BackupStatus = lists.status;
    const made = await remove();
    taken(made);
    expect(lists.status.manifest).not.toBe(last.manifest);
    const manifest = parseBackupManifest(fromBase64Url(lists.status.manifest!));
    expect(manifest).toMatchObject({ version: 1, count: last.count, deviceId: uuidToBytes(ada.deviceId) });

    const fresh = await newDevice();
    expect(await fresh.engine.compareBackup({ status: last })).toMatchObject({
      state: 'refused',
      refusal: { reason: 'changed' },
    });
    expect(await lists.pull(fresh)).toMatchObject({ state: 'current' });
    expect(await reads(fresh)).toEqual(['from here', 'from the phone']);
    // Who stayed goes on with the same list.
    await ownLog(ada);
    expect(await lists.pull(ada)).toMatchObject({ state: 'current' });
    await saysAndSaves(ada, 'and on');
    expect(await lists.pull(fresh)).toMatchObject({ state: 'current' });
  });

  it('with nothing to say where nothing is backed up', async () => {
    expect(await remove()).toEqual({ entry: expect.any(String) });
  });

  it('without a word for what it has not looked at, not read to the end, or refuses', async () => {
    await saysAndSaves(ada, 'from here');
    const second = await newDevice();
    expect((await remove(second)).backup).toEqual(unread);

    await saysAndSaves(phone, 'from the phone');
    await ownLog(second);
    expect(await second.engine.compareBackup({ status: lists.status })).toMatchObject({ state: 'behind' });
    expect((await remove(second)).backup).toEqual(unread);

    const { status } = lists;
    await ada.engine.compareBackup({ status: { ...status, count: 1, manifest: null } });
    expect((await ada.engine.backupView()).refusal).not.toBeNull();
    expect((await remove(ada)).backup).toEqual(unread);
    // All of it is made good by looking again.
    for (const device of [ada, second]) {
      await lists.pull(device);
      expect((await remove(device)).backup).toEqual({ manifest: expect.any(String) });
    }
  });

  it('over what is on the server, not over what waits here', async () => {
    await saysAndSaves(ada, 'from here');
    const { count } = lists.status;
    await server.say(ada, direct(), 'not saved yet');
    const held = await ada.engine.nextBackup({ now: server.now });
    expect(held).not.toBeNull();
    const { backup } = await remove();
    const manifest = backup && 'manifest' in backup ? backup.manifest : '';
    expect(parseBackupManifest(fromBase64Url(manifest)).count).toBe(count);
    // The append that waited is good still.
    expect(await ada.engine.nextBackup({ now: server.now })).toEqual(held);
  });
});

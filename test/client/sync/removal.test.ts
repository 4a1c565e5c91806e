// A device that wrote the backup last is removed, against a real server: whoever logs in right after reads everything, also
// when the remover is gone; nothing about the backup keeps a device on the account.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Api } from '#client/api/trpc.ts';
import { DeviceList } from '#client/features/settings/device-list.svelte.ts';
import { removeDevice, type RemovalOptions } from '#client/sync/removal.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import { bytesToUuid, fromBase64Url, parseBackupManifest } from '#crypto/index.ts';
import type { Vouching } from '#shared/devices.ts';
import type { ChannelId, DeviceId } from '#shared/ids.ts';
import { eventually, text, textsIn, Town, write } from '../support/town.ts';

let town: Town;
let ben: Workspace;
let people = 0;

/** Somebody new: the device that stays, and the one that goes. */
let name: string;
let first: Workspace;
let phone: Workspace;
let direct: ChannelId;
let said: string[];

beforeAll(async () => {
  town = await Town.start();
  ben = await town.bring('ben');
}, 120_000);
afterAll(() => town.stop());

beforeEach(async () => {
  name = `eva${(people += 1)}`;
  said = [];
  first = await town.bring(name);
  direct = (await first.api.dms.open.mutate({ accountId: ben.me! })).channel.channelId;
  await eventually(() => expect(ben.structure.channel(direct)).not.toBeNull());
  phone = await town.secondBrowser(name);
  for (const workspace of [ben, first, phone]) await workspace.log(direct).open();
  await says(first, 'from here');
  await backedUp(first);
  // Both have the same keys to back up; until the phone was the faster one.
  do await saysAndSaves(`from the phone, ${said.length}`);
  while ((await signer()) !== (await deviceOf(phone)));
}, 120_000);

const deviceOf = async (workspace: Workspace): Promise<DeviceId> =>
  (await workspace.crypto.findDevice({ accountId: workspace.me! }))!;

/** Whose word the backup on the server is. */
async function signer(): Promise<string> {
  const { manifest } = await first.api.backup.status.query();
  return bytesToUuid(parseBackupManifest(fromBase64Url(manifest!)).deviceId);
}

async function says(workspace: Workspace, words: string): Promise<void> {
  await write(workspace, direct, text(words));
  said.push(words);
  await eventually(() => expect(textsIn(ben, direct)).toEqual(said));
}

/** Everything this device queued is with the server. */
async function backedUp(workspace: Workspace): Promise<void> {
  await eventually(async () => {
    await workspace.backup.run();
    expect(await workspace.crypto.backupView()).toMatchObject({ waiting: 0, refusal: null });
  });
}

/** What the phone has to say gets to the server. Its own look at the list comes first, as always. */
async function saysAndSaves(words: string): Promise<void> {
  await says(phone, words);
  await backedUp(phone);
}

async function isOff(workspace: Workspace): Promise<boolean> {
  const [log] = await first.api.devices.logs.query({ accounts: [{ accountId: first.me!, fromSeq: 0 }] });
  const deviceId = await deviceOf(workspace);
  return log!.devices.every((device) => device.deviceId !== deviceId);
}

/** A new browser with nothing but the password. */
async function readsAll(): Promise<void> {
  const fresh = await town.secondBrowser(name);
  await fresh.log(direct).open();
  await eventually(() => expect(textsIn(fresh, direct)).toEqual(said));
  const whole = { refusal: null, isRestoring: false };
  await eventually(async () => expect(await fresh.crypto.backupView()).toMatchObject(whole));
}

type Append = (input: { entry: string; backup?: Vouching }) => Promise<void>;

/** The remover's side, where something happens around the call to the server. */
function removing(around: (send: Append) => Append): RemovalOptions {
  const { crypto, api, keys, backup } = first;
  const append = around((input) => api.devices.append.mutate(input));
  const devices = { ...api.devices, append: { mutate: append } };
  const changed = { devices, backup: api.backup } as unknown as Api;
  return { crypto, api: changed, keys, backup, now: () => first.now() };
}

describe('the device that wrote the backup last is removed', () => {
  it('by a device that is closed at once: a new browser reads everything', async () => {
    await removeDevice(first, await deviceOf(phone));
    first.backup.close();
    town.browserOf(first).close();
    await readsAll();
  }, 120_000);

  it('while it still appends: what it saved by then is kept, and vouched for', async () => {
    const seen: (Vouching | undefined)[] = [];
    const options = removing((send) => async (input) => {
      if (seen.length === 0) await saysAndSaves('just in time');
      seen.push(input.backup);
      await send(input);
    });
    await removeDevice(options, await deviceOf(phone));
    expect(seen).toEqual([{ manifest: expect.any(String) }, { manifest: expect.any(String) }]);
    expect(await signer()).toBe(await deviceOf(first));
    await readsAll();
  }, 120_000);

  it('although it appends without end', async () => {
    const seen: (Vouching | undefined)[] = [];
    const options = removing((send) => async (input) => {
      seen.push(input.backup);
      await saysAndSaves(`stays ${seen.length}`);
      await send(input);
    });
    await removeDevice(options, await deviceOf(phone));
    expect(seen.at(-1)).toEqual({ isUnread: true });
    expect(await isOff(phone)).toBe(true);
  }, 120_000);

  it('by a device that cannot read the backup', async () => {
    const { status } = first.api.backup;
    const older = await status.query();
    await saysAndSaves('unseen');
    first.backup.close();
    // What the server shows this device is not what the account's log names: it is refused.
    await first.crypto.compareBackup({ status: { ...older, version: older.version + 1 } });
    expect((await first.crypto.backupView()).refusal).not.toBeNull();
    const seen: (Vouching | undefined)[] = [];
    const options = removing((send) => (input) => {
      seen.push(input.backup);
      return send(input);
    });
    await removeDevice(options, await deviceOf(phone));
    expect(seen).toEqual([{ isUnread: true }]);
    expect(await isOff(phone)).toBe(true);
  }, 120_000);

  it('in a tab that does not lead: the one that leads verifies what is vouched for', async () => {
    const beside = town.browserOf(first).tab({ leads: false });
    await beside.start();
    await eventually(() => expect(beside.workspace!.structure.isLoaded).toBe(true));
    const list = new DeviceList(beside.workspace!);
    expect(await list.remove(await deviceOf(phone))).toBe(true);
    expect(await signer()).toBe(await deviceOf(first));
    await readsAll();
  }, 120_000);
});

// The backup key rotated against a real server: Ada removes one of three devices. The other one follows, a new browser reads
// what was written before and after, the removed one with everything the server has opens nothing new; crashes and races.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Reauthentication } from '#client/features/session/reauthentication.svelte.ts';
import { DeviceList } from '#client/features/settings/device-list.svelte.ts';
import { RotationForm } from '#client/features/settings/rotation-form.svelte.ts';
import type { RotationProof } from '#client/sync/backup.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { ChannelId, DeviceId } from '#shared/ids.ts';
import { eventually, text, textsIn, Town, write } from '../support/town.ts';

const password = 'lathe kettle orchard seven';

let town: Town;
let ben: Workspace;
let general: ChannelId;
let people = 0;

/** Somebody new with devices of their own: the server hands out a device's prekeys only so often. */
let name: string;
let first: Workspace;
let second: Workspace;
let direct: ChannelId;

beforeAll(async () => {
  town = await Town.start();
  general = town.channelId;
  ben = await town.bring('ben');
  await ben.log(general).open();
}, 120_000);
afterAll(() => town.stop());

beforeEach(async () => {
  name = `eva${(people += 1)}`;
  first = await town.bring(name);
  direct = (await first.api.dms.open.mutate({ accountId: ben.me! })).channel.channelId;
  await eventually(() => expect(ben.structure.channel(direct)).not.toBeNull());
  second = await town.secondBrowser(name);
  for (const workspace of [ben, first, second])
    await Promise.all([workspace.log(general).open(), workspace.log(direct).open()]);
}, 60_000);

const deviceOf = async (workspace: Workspace): Promise<DeviceId> =>
  (await workspace.crypto.findDevice({ accountId: workspace.me! }))!;

const settled = { waiting: 0, refusal: null, isRestoring: false, isRotationDue: false, isOutdated: false };

/** Everything this device queued is with the server, under the newest key. */
async function backedUp(workspace: Workspace, version: number): Promise<void> {
  await eventually(async () => {
    await workspace.backup.run();
    expect(await workspace.crypto.backupView()).toMatchObject(settled);
    expect((await workspace.api.backup.status.query()).version).toBe(version);
  });
}

/** Ben and this device write a line each in the direct conversation. */
async function talk(word: string, by: Workspace): Promise<void> {
  await write(ben, direct, text(`${word} by ben`));
  await eventually(() => expect(textsIn(by, direct).at(-1)).toBe(`${word} by ben`));
  await write(by, direct, text(`${word} by eva`));
  await eventually(() => expect(textsIn(ben, direct).at(-1)).toBe(`${word} by eva`));
}
const said = (...words: string[]): string[] => words.flatMap((word) => [`${word} by ben`, `${word} by eva`]);

async function reads(workspace: Workspace, ...words: string[]): Promise<void> {
  await workspace.log(direct).open();
  await eventually(() => expect(textsIn(workspace, direct)).toEqual(said(...words)));
}

async function remove(target: Workspace): Promise<void> {
  const list = new DeviceList(first);
  expect(await list.remove(await deviceOf(target))).toBe(true);
  expect(first.backup.view?.isRotationDue).toBe(true);
}

/** Types the password into the form of this device. */
async function rotate(workspace: Workspace): Promise<boolean> {
  const form = new RotationForm(workspace, new Reauthentication());
  form.current = password;
  const isDone = await form.submit();
  expect(form.failure).toBeNull();
  return isDone;
}

/** What the form hands over, with something else in place of the call to the server. */
async function proofOf(
  workspace: Workspace,
  send: (call: () => Promise<{ count: number }>) => Promise<{ count: number }>,
): Promise<RotationProof> {
  const { api, crypto, structure } = workspace;
  const kdf = await api.auth.kdf.query({ username: structure.account!.username });
  const { loginSecret } = await crypto.deriveLogin({ password, kdf });
  return {
    vault: () => api.vault.get.mutate({ loginSecret }),
    send: ({ entries, ...rest }) =>
      send(() => api.account.rotateBackup.mutate({ ...rest, entries: [...entries], loginSecret })),
  };
}

describe('a device is removed', () => {
  it('the password rotates the key: the others follow, a new browser reads all, the removed device nothing new', async () => {
    const stolen = await town.secondBrowser(name);
    await reads(stolen);
    await talk('before', first);
    for (const workspace of [first, second, stolen]) await backedUp(workspace, 1);
    await remove(stolen);
    expect(first.backup.asksForRotation).toBe(true);
    first.backup.putOffRotation();
    expect(first.backup.asksForRotation).toBe(false);
    expect(await rotate(first)).toBe(true);
    expect(first.backup.view).toMatchObject(settled);

    // The other device goes over by what comes over its session, with nobody typing anything.
    await eventually(async () => expect(await second.crypto.backupView()).toMatchObject(settled));
    await talk('after', second);
    for (const workspace of [first, second]) await backedUp(workspace, 2);
    const fresh = await town.secondBrowser(name);
    await reads(fresh, 'before', 'after');
    await backedUp(fresh, 2);

    // The removed device, and a server that hands it everything there is.
    const status = await first.api.backup.status.query();
    expect(status.count).toBeGreaterThan(1);
    const [log] = await first.api.devices.logs.query({ accounts: [{ accountId: first.me!, fromSeq: 0 }] });
    for (const logs of [[], [log!]]) {
      await stolen.crypto.ingestLogs({ logs, isMailTaken: true });
      let step = await stolen.crypto.compareBackup({ status });
      while (step.state === 'behind') {
        const { version, from, to } = step;
        const page = await first.api.backup.entries.query({ version, from, to });
        step = await stolen.crypto.takeBackup({ page });
      }
      expect(step).toMatchObject({ state: 'refused', refusal: { reason: 'other_key' } });
    }
    expect(await stolen.crypto.nextBackup({ now: stolen.now() })).toBeNull();
  }, 90_000);

  it('a wrong password, a call that never arrives, a tab that dies before the answer: nothing is lost', async () => {
    await talk('before', first);
    await backedUp(first, 1);
    await remove(await town.secondBrowser(name));
    const form = new RotationForm(first, new Reauthentication());
    form.current = 'not the password at all';
    expect(await form.submit()).toBe(false);
    expect(form.currentFault).toBe('account.wrongPassword');
    const lost = await proofOf(first, () => Promise.reject(new Error('the network went')));
    await expect(first.backup.rotate(lost)).rejects.toThrow('the network went');
    expect((await first.api.backup.status.query()).version).toBe(1);
    expect(first.backup.view?.isRotationDue).toBe(true);
    // Taken by the server, while the answer reaches nobody.
    const dying = await proofOf(first, async (call) => {
      await call();
      throw new Error('the tab died');
    });
    await expect(first.backup.rotate(dying)).rejects.toThrow('the tab died');
    await backedUp(first, 2);
    await talk('after', first);
    await backedUp(first, 2);
    await reads(await town.secondBrowser(name), 'before', 'after');
    await backedUp(second, 2);
  }, 90_000);

  it('a tab that does not lead rotates; the leading one goes over at once and backs up on', async () => {
    await talk('before', first);
    await backedUp(first, 1);
    await remove(await town.secondBrowser(name));
    const beside = town.browserOf(first).tab({ leads: false });
    await beside.start();
    await eventually(() => expect(beside.workspace!.structure.isLoaded).toBe(true));
    await beside.workspace!.backup.look();
    expect(beside.workspace!.backup.asksForRotation).toBe(true);
    expect(await rotate(beside.workspace!)).toBe(true);
    expect(beside.workspace!.backup.asksForRotation).toBe(false);
    // The leading tab hears of it without being asked.
    await eventually(() =>
      expect(first.backup.view).toMatchObject({ isRotationDue: false, isOutdated: false }),
    );
    await talk('after', first);
    await backedUp(first, 2);
    await reads(await town.secondBrowser(name), 'before', 'after');
  }, 90_000);

  it('two devices rotate at once: one wins, both have its key, nobody is stranded', async () => {
    await talk('before', first);
    for (const workspace of [first, second]) await backedUp(workspace, 1);
    await remove(await town.secondBrowser(name));
    await eventually(async () => {
      await second.keys.refreshOwnLog();
      await second.backup.run();
      expect(second.backup.view?.isRotationDue).toBe(true);
    });
    expect(await Promise.all([rotate(first), rotate(second)])).toEqual([true, true]);
    for (const workspace of [first, second]) await backedUp(workspace, 2);
    await talk('after', second);
    for (const workspace of [first, second]) await backedUp(workspace, 2);
    await reads(await town.secondBrowser(name), 'before', 'after');
  }, 90_000);
});

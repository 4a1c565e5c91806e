// Linking against a real server: the new browser reads everything without a password; codes that are wrong, read twice or
// given up; and a device that is taken off the account, which reads nothing new.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeviceLink } from '#client/features/linking/device-link.svelte.ts';
import { NewLink } from '#client/features/linking/new-device.svelte.ts';
import { Reauthentication } from '#client/features/session/reauthentication.svelte.ts';
import { DeviceList } from '#client/features/settings/device-list.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { ChannelId } from '#shared/ids.ts';
import { eventually, text, textsIn, Town, write } from '../support/town.ts';

let town: Town;
let ada: Workspace;
let ben: Workspace;
let general: ChannelId;
let linked: Workspace;

beforeAll(async () => {
  town = await Town.start();
  ({ ada, channelId: general } = town);
  ben = await town.bring('ben');
  for (const workspace of [ada, ben]) await workspace.log(general).open();
}, 120_000);
afterAll(() => town.stop());

async function reads(workspace: Workspace, expected: string[]): Promise<void> {
  await workspace.log(general).open();
  await eventually(() => expect(textsIn(workspace, general)).toEqual(expected));
}

/** A code on show. */
async function shownCode(): Promise<{ fresh: NewLink; entered: Promise<boolean> }> {
  const fresh = new NewLink(await town.stranger());
  const entered = fresh.run();
  await eventually(() => expect(fresh.step).toBe('shown'));
  return { fresh, entered };
}

describe('linking', () => {
  it('brings the whole history, both sides’ messages, and the new device writes', async () => {
    await write(ada, general, text('mine'));
    await eventually(() => expect(textsIn(ben, general)).toEqual(['mine']));
    await write(ben, general, text('yours'));
    await reads(ada, ['mine', 'yours']);
    linked = await town.linkedBrowser(ada);
    expect(linked.me).toBe(ada.me);
    await reads(linked, ['mine', 'yours']);
    await write(linked, general, text('from the new one'));
    for (const workspace of [ada, ben]) await reads(workspace, ['mine', 'yours', 'from the new one']);
  }, 90_000);

  it('shows both the same pictures, and ends on both when they differ', async () => {
    const { fresh, entered } = await shownCode();
    const link = new DeviceLink(ada, new Reauthentication());
    await link.take(fresh.code);
    await eventually(() => expect(fresh.step).toBe('compare'));
    expect(link.echo).toEqual(fresh.echo);
    link.deny();
    expect(link.step).toBe('denied');
    expect(await entered).toBe(false);
    expect(fresh.step).toBe('over');
  }, 60_000);

  it('takes no code twice, none that was given up, and none that is none', async () => {
    const { fresh } = await shownCode();
    const [first, second] = [
      new DeviceLink(ada, new Reauthentication()),
      new DeviceLink(ben, new Reauthentication()),
    ];
    await first.take(fresh.code);
    await second.take(fresh.code);
    expect(second.refusal).toBe('used');
    first.stop();
    fresh.stop();
    await eventually(async () => {
      const late = new DeviceLink(ada, new Reauthentication());
      await late.take(fresh.code);
      expect(late.refusal).toBe('ran_out');
    });
    const wrong = new DeviceLink(ada, new Reauthentication());
    await wrong.take('https://example.org/');
    expect(wrong.refusal).toBe('not_a_code');
    expect(wrong.step).toBe('read');
  }, 60_000);

  it('refuses what was changed on the way', async () => {
    const { fresh, entered } = await shownCode();
    const { api, backup, keys, structure, crypto } = ada;
    // The server knows the mailbox; without the secret all it can do is put other bytes there.
    const linkMeet = async (input: { code: string }) => {
      const { mailboxId, meeting } = await crypto.linkMeet(input);
      const at = meeting.length - 10;
      const other = meeting[at] === 'A' ? 'B' : 'A';
      return { mailboxId, meeting: meeting.slice(0, at) + other + meeting.slice(at + 1) };
    };
    const between = { api, backup, keys, structure, crypto: { linkMeet } } as unknown as Workspace;
    const link = new DeviceLink(between, new Reauthentication());
    const reading = link.take(fresh.code);
    expect(await entered).toBe(false);
    expect(fresh.step).toBe('foreign');
    link.stop();
    await reading;
  }, 60_000);
});

describe('the list of devices', () => {
  it('says who added which, and taking one off ends it within moments', async () => {
    const list = new DeviceList(ada);
    await list.load();
    await eventually(() => expect(list.devices).toHaveLength(2));
    const [own, other] = list.devices ?? [];
    expect(own).toMatchObject({ isOwn: true, isFirst: true, addedBy: null });
    expect(other).toMatchObject({ isOwn: false, addedBy: own?.deviceId, addedByLabel: own?.label });
    expect(await list.remove(other!.deviceId)).toBe(true);
    expect(list.devices?.map((device) => device.deviceId)).toEqual([own?.deviceId]);
    await eventually(() => expect(linked.live.status).not.toBe('online'));

    await write(ben, general, text('without the new one'));
    await reads(ada, ['mine', 'yours', 'from the new one', 'without the new one']);
    expect(textsIn(linked, general)).not.toContain('without the new one');
    await expect(linked.api.devices.challenge.mutate()).rejects.toThrow();
  }, 60_000);
});

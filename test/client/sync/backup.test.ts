// The backup against a real server: a new browser with the password alone reads everything; devices that write at once,
// a crash between key and acknowledgement, and a server that hands back less, older or other than it got.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Api } from '#client/api/trpc.ts';
import { Backup } from '#client/sync/backup.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { BackupPage, BackupStatus } from '#shared/backup.ts';
import type { ChannelId } from '#shared/ids.ts';
import { eventually, text, textsIn, Town, write } from '../support/town.ts';

let town: Town;
let ada: Workspace;
let ben: Workspace;
let general: ChannelId;
let direct: ChannelId;

beforeAll(async () => {
  town = await Town.start();
  ({ ada, channelId: general } = town);
  ben = await town.bring('ben');
  direct = (await ada.api.dms.open.mutate({ accountId: ben.me! })).channel.channelId;
  for (const workspace of [ada, ben]) {
    await eventually(() => expect(workspace.structure.channel(direct)).not.toBeNull());
    await Promise.all([workspace.log(general).open(), workspace.log(direct).open()]);
  }
}, 120_000);
afterAll(() => town.stop());

/** Everything this person's device queued is with the server. */
async function backedUp(workspace: Workspace): Promise<void> {
  await eventually(async () => {
    await workspace.backup.run();
    expect(await workspace.crypto.backupView()).toMatchObject({
      waiting: 0,
      refusal: null,
      isRestoring: false,
    });
  });
}

/** What a person sees in both conversations after opening them. */
async function readsAll(
  workspace: Workspace,
  expected: { general: string[]; direct: string[] },
): Promise<void> {
  await Promise.all([workspace.log(general).open(), workspace.log(direct).open()]);
  await eventually(() => {
    expect(textsIn(workspace, general)).toEqual(expected.general);
    expect(textsIn(workspace, direct)).toEqual(expected.direct);
  });
}

describe('backup', () => {
  const expected = { general: ['hello', 'and back'], direct: ['between us', 'yes'] };

  it('a new browser with the password alone reads channel and direct messages, edits and reactions', async () => {
    const target = await write(ada, general, text('helo'));
    await write(ada, general, { type: 'edit', target, rev: 1, text: 'hello' });
    await eventually(() => expect(textsIn(ben, general)).toEqual(['hello']));
    await write(ben, general, { type: 'reaction', target, emoji: '👋', add: true, rev: 1 });
    await write(ben, general, text('and back'));
    const said = await write(ada, direct, text('between you and me'));
    await write(ada, direct, { type: 'edit', target: said, rev: 1, text: 'between us' });
    await eventually(() => expect(textsIn(ben, direct)).toEqual(['between us']));
    await write(ben, direct, text('yes'));
    for (const workspace of [ada, ben]) await readsAll(workspace, expected);
    await Promise.all([backedUp(ada), backedUp(ben)]);
    for (const name of ['ada', 'ben']) {
      const fresh = await town.secondBrowser(name);
      await readsAll(fresh, expected);
      const row = fresh.log(general).find(target);
      expect(row).toMatchObject({ isEdited: true, reactions: [{ emoji: '👋', accountIds: [ben.me] }] });
    }
  }, 90_000);

  it('a device that was away takes in what others backed up, and both write to one list', async () => {
    const second = await town.secondBrowser('ada');
    await readsAll(second, expected);
    await backedUp(second);
    // Both have the same key of Ben's waiting; whoever is second finds it there already and drops it.
    await write(ben, direct, text('to both'));
    await eventually(() =>
      expect([textsIn(ada, direct).at(-1), textsIn(second, direct).at(-1)]).toEqual(['to both', 'to both']),
    );
    await write(second, direct, text('from the second'));
    await write(ada, direct, text('from the first'));
    await Promise.all([backedUp(ada), backedUp(second)]);
    // In the log's order, whichever of the two came first.
    let texts: string[] = [];
    await eventually(() => {
      texts = textsIn(ada, direct) as string[];
      const all = [...expected.direct, 'to both', 'from the second', 'from the first'];
      expect([...texts].sort()).toEqual(all.sort());
    });
    const third = await town.secondBrowser('ada');
    await readsAll(third, { general: expected.general, direct: texts });
  }, 180_000);

  it('a crash between the server’s answer and this device loses nothing and doubles nothing', async () => {
    await backedUp(ben);
    ben.backup.close();
    const count = async (): Promise<number> => (await ben.api.backup.status.query()).count;
    const before = await count();
    let deaths = 0;
    const dying = backupOf(ben, {
      append: async (input) => {
        await ben.api.backup.append.mutate(input as never);
        deaths += 1;
        throw new Error('the tab died');
      },
    });
    await write(ben, direct, text('last words'));
    await eventually(() => expect(textsIn(ada, direct).at(-1)).toBe('last words'));
    await eventually(async () => {
      await dying.run();
      expect(deaths).toBe(1);
    });
    expect((await ben.crypto.backupView()).waiting).toBeGreaterThan(0);
    const afterCrash = await count();
    expect(afterCrash).toBeGreaterThan(before);
    const alive = backupOf(ben, {});
    await alive.run();
    expect(await ben.crypto.backupView()).toMatchObject({ waiting: 0, refusal: null });
    expect(await count()).toBe(afterCrash);
    const fresh = await town.secondBrowser('ben');
    await fresh.log(direct).open();
    await eventually(() => expect(textsIn(fresh, direct).at(-1)).toBe('last words'));
  }, 90_000);

  it('A85 a server that hands back less, other or older than it got is refused; the right one is taken again', async () => {
    // Somebody new: the server hands out a device's prekeys only so often to one account.
    const cleo = await town.bring('cleo');
    await cleo.log(general).open();
    await write(cleo, general, text('zero'));
    await eventually(() => expect(textsIn(ben, general).at(-1)).toBe('zero'));
    await backedUp(cleo);
    cleo.backup.close();
    const older = await cleo.api.backup.status.query();
    const second = await town.secondBrowser('cleo');
    await backedUp(second);
    await write(second, general, text('one'));
    await eventually(() => expect(textsIn(cleo, general).at(-1)).toBe('one'));
    await backedUp(second);
    second.backup.close();
    const cases: Parts[] = [
      { entries: (page) => ({ ...page, entries: page.entries.slice(1) }) },
      { entries: (page) => ({ ...page, entries: page.entries.map(tampered) }) },
      { status: (status) => ({ ...status, version: 2 }) },
    ];
    for (const parts of cases) {
      const hostile = backupOf(cleo, parts);
      await hostile.run();
      expect(hostile.view?.refusal).toMatchObject({
        reason: expect.stringMatching(/changed|other_key/) as string,
      });
    }
    const { count } = await second.crypto.backupView();
    const rolledBack = backupOf(second, { status: () => older });
    await rolledBack.run();
    expect(rolledBack.view?.refusal).toEqual({ reason: 'old', expected: count, got: older.count });
    for (const workspace of [cleo, second]) {
      const honest = backupOf(workspace, {});
      await honest.run();
      expect(honest.view).toMatchObject({ refusal: null, count });
    }
  }, 90_000);
});

/** One character in the middle is another one. */
const tampered = (entry: string): string =>
  `${entry.slice(0, 80)}${entry[80] === 'A' ? 'B' : 'A'}${entry.slice(81)}`;

interface Parts {
  status?: (real: BackupStatus) => BackupStatus;
  entries?: (real: BackupPage) => BackupPage;
  append?: (input: unknown) => Promise<{ count: number }>;
}

/** A backup of this person's that talks to a server with something changed about it. */
function backupOf(workspace: Workspace, parts: Parts): Backup {
  const { api, crypto, keys } = workspace;
  const hostile = {
    devices: api.devices,
    backup: {
      status: { query: async () => (parts.status ?? ((s) => s))(await api.backup.status.query()) },
      entries: {
        query: async (range: never) => (parts.entries ?? ((p) => p))(await api.backup.entries.query(range)),
      },
      append: { mutate: parts.append ?? ((input: never) => api.backup.append.mutate(input)) },
    },
  } as unknown as Api;
  const now = (): number => workspace.now();
  return new Backup({
    crypto,
    api: () => hostile,
    keys,
    now,
    isLeading: () => true,
    onKeys: () => undefined,
  });
}

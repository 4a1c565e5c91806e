// A47 with the real server: of two copies of one device both stop, nothing they had to send is lost, and a fresh device of
// the same person goes on. Restarts and several tabs of one browser are no copies.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '#client/features/session/session.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { Browser } from '../support/browser.ts';
import { draftOf, eventually, text, textsIn, Town, write } from '../support/town.ts';

describe('leases of devices, on a real server', () => {
  let town: Town;
  let ben: Workspace;
  let home: Browser;
  let session: Session;

  beforeAll(async () => {
    town = await Town.start();
    ben = await town.bring('ben');
    home = town.browserOf(ben);
    for (const person of [town.ada, ben]) await person.log(town.channelId).open();
    await write(ben, town.channelId, text('hello'));
    await eventually(() => expect(textsIn(town.ada, town.channelId)).toEqual(['hello']));
  }, 120_000);
  afterAll(() => town.stop());

  const epochs = async (workspace: Workspace) => (await workspace.crypto.lease())!;

  it('one browser goes on through a restart', async () => {
    const before = await epochs(ben);
    ben.close();
    session = home.tab();
    await session.start();
    ben = session.workspace!;
    await eventually(() => expect(ben.keys.isLeader).toBe(true));
    expect((await epochs(ben)).history).toContain(before.epoch);
    await ben.log(town.channelId).open();
    await write(ben, town.channelId, text('again'));
    await eventually(() => expect(textsIn(town.ada, town.channelId).at(-1)).toBe('again'));
    expect(ben.lease.isCopied).toBe(false);
    // a second tab, which reads the same records
    const second = home.tab();
    await second.start();
    await eventually(async () => expect((await epochs(ben)).history.length).toBeGreaterThan(1));
    await write(ben, town.channelId, text('two tabs'));
    await eventually(() => expect(textsIn(town.ada, town.channelId).at(-1)).toBe('two tabs'));
    expect([ben.lease.isCopied, second.workspace!.lease.isCopied]).toEqual([false, false]);
    second.workspace!.close();
  }, 120_000);

  it('A47 a copied profile: both stop, nothing is lost, a fresh device goes on', async () => {
    const copy = await town.copiedBrowser('ben', home.snapshot());
    await eventually(() => {
      expect(ben.lease.isCopied).toBe(true);
      expect(copy.lease.isCopied).toBe(true);
    });
    for (const workspace of [ben, copy]) {
      expect(workspace.keys.isLeader).toBe(false);
      const draft = draftOf(town.channelId, text('held'));
      await workspace.outbox.add(draft);
      expect(workspace.outbox.of(town.channelId)).toEqual([draft]);
      expect((await workspace.crypto.drafts()).map(({ eventId }) => eventId)).toContain(draft.eventId);
    }
    // what comes is left in the mailbox for whoever goes on
    await write(town.ada, town.channelId, text('anybody there?'));
    await eventually(() => expect(textsIn(town.ada, town.channelId).at(-1)).toBe('anybody there?'));
    expect(textsIn(town.ada, town.channelId)).not.toContain('held');
    // what the screen offers: the device is removed, and with it the copy's way in
    await session.logoutAndRemove();
    expect(await home.recordCount()).toBe(0);
    await eventually(() => expect(copy.live.status).not.toBe('online'));
    const fresh = await town.secondBrowser('ben');
    await fresh.log(town.channelId).open();
    await eventually(() =>
      expect(textsIn(fresh, town.channelId)).toEqual(['hello', 'again', 'two tabs', 'anybody there?']),
    );
    expect(fresh.lease.isCopied).toBe(false);
    await write(fresh, town.channelId, text('back'));
    await eventually(() => expect(textsIn(town.ada, town.channelId).at(-1)).toBe('back'));
  }, 120_000);

  it('A47 a restored snapshot is found when it is started', async () => {
    const browser = town.browserOf(town.ada);
    const old = browser.snapshot();
    town.ada.close();
    const later = browser.tab();
    await later.start();
    await eventually(() => expect(later.workspace!.keys.isLeader).toBe(true));
    later.workspace!.close();
    browser.restore(old);
    const restored = browser.tab();
    await restored.start();
    await eventually(() => expect(restored.workspace!.lease.isCopied).toBe(true));
    expect(restored.workspace!.keys.isLeader).toBe(false);
  }, 120_000);
});

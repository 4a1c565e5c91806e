// Repair with the real server: messages that do not open are asked for, answered and opened without anybody doing anything.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { ChannelId } from '#shared/ids.ts';
import { eventually, text, textsIn, Town, write } from '../support/town.ts';

describe('repair of sessions, on a real server', () => {
  let town: Town;
  let ben: Workspace;
  let dm: ChannelId;

  beforeAll(async () => {
    town = await Town.start();
    ben = await town.bring('ben');
    dm = (await town.ada.api.dms.open.mutate({ accountId: ben.me! })).channel.channelId;
    for (const person of [town.ada, ben]) {
      await eventually(() => expect(person.structure.dms.has(dm)).toBe(true));
      await person.log(dm).open();
    }
    await write(town.ada, dm, text('hello'));
    await eventually(() => expect(textsIn(ben, dm)).toEqual(['hello']));
    await write(ben, dm, text('hi'));
    await eventually(() => expect(textsIn(town.ada, dm)).toEqual(['hello', 'hi']));
  }, 120_000);
  afterAll(() => town.stop());

  it('heals by itself after one side lost its sessions', async () => {
    expect(await town.browserOf(ben).lose('session')).toBeGreaterThan(0);
    await write(town.ada, dm, text('lost at first'));
    await eventually(() => expect(textsIn(ben, dm)).toEqual(['hello', 'hi', 'lost at first']));
    await write(ben, dm, text('thanks'));
    await eventually(() => expect(textsIn(town.ada, dm).at(-1)).toBe('thanks'));
    expect(ben.repairs.isWedged(town.ada.me!)).toBe(false);
  });

  it('heals after both sides lost theirs', async () => {
    for (const person of [town.ada, ben]) await town.browserOf(person).lose('session');
    await write(town.ada, dm, text('after both'));
    await write(ben, dm, text('me too'));
    await eventually(() => {
      for (const person of [town.ada, ben])
        expect(textsIn(person, dm).slice(-2).sort()).toEqual(['after both', 'me too']);
    });
  });
});

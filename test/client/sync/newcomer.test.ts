// Who joins later, against a real server: reads what was written before where history is shared, from whoever is there, and
// nothing of it elsewhere.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import { eventually, text, textsIn, Town, write } from '../support/town.ts';

let town: Town;
let ada: Workspace;
beforeAll(async () => {
  town = await Town.start();
  ({ ada } = town);
}, 120_000);
afterAll(() => town.stop());

it('a newcomer reads all that was shared, also from who left for ever, and nothing else from before', async () => {
  const { communityId, channelId: general } = town;
  const ben = await town.bring('ben');
  const groupId = ada.structure.communities.get(communityId)!.groups[0]!.groupId;
  const { channelId } = await ada.api.channels.create.mutate({
    communityId,
    groupId,
    name: 'open',
    historyPolicy: 'shared',
  });
  for (const person of [ada, ben]) {
    await eventually(() => expect(person.structure.channel(channelId)?.historyPolicy).toBe('shared'));
    await Promise.all([person.log(channelId).open(), person.log(general).open()]);
  }
  await write(ada, general, text('before cleo'));
  await write(ben, channelId, text('one'));
  await eventually(() => expect(textsIn(ada, channelId)).toEqual(['one']));
  await write(ada, channelId, text('two'));
  await eventually(() => expect(textsIn(ben, channelId)).toEqual(['one', 'two']));
  await write(ben, channelId, text('three'));
  await eventually(() => expect(textsIn(ada, channelId)).toEqual(['one', 'two', 'three']));
  await ben.api.communities.leave.mutate({ communityId });
  ben.close();

  const cleo = await town.bring('cleo');
  await Promise.all([cleo.log(channelId).open(), cleo.log(general).open()]);
  await eventually(() => expect(textsIn(cleo, channelId)).toEqual(['one', 'two', 'three']));
  expect(cleo.log(channelId).rows.map((row) => row.accountId)).toEqual([ben.me, ada.me, ben.me]);
  expect(textsIn(cleo, general)).toEqual([]);

  await ada.api.channels.update.mutate({ channelId, historyPolicy: 'since_join' });
  await eventually(() => expect(ada.structure.channel(channelId)?.historyPolicy).toBe('since_join'));
  await write(ada, channelId, text('four'));
  await eventually(() => expect(textsIn(cleo, channelId)).toEqual(['one', 'two', 'three', 'four']));
  const dan = await town.bring('dan');
  await dan.log(channelId).open();
  expect(textsIn(dan, channelId)).toEqual([]);

  // What was handed on is in the newcomer's backup: a new browser needs nobody to be there.
  await eventually(async () => {
    await cleo.backup.run();
    expect(await cleo.crypto.backupView()).toMatchObject({ waiting: 0, refusal: null });
  });
  for (const person of [ada, cleo, dan]) person.close();
  const again = await town.secondBrowser('cleo');
  await again.log(channelId).open();
  await eventually(() => expect(textsIn(again, channelId)).toEqual(['one', 'two', 'three', 'four']));
}, 120_000);

import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from 'vitest';
import type { Deps } from '#server/deps.ts';
import { dmsOf } from '#server/domains/channels/dms.service.ts';
import { limits } from '#shared/limits.ts';
import { refusal } from '#test/support/deps.ts';
import { makeMember, makeSomeone, type Someone, type World } from '#test/support/factories.ts';
import { freshWorld } from '#test/support/fresh.ts';
import type { RecordedEvents } from '#test/support/recorded-events.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let deps: Deps;
let events: RecordedEvents;
let world: World;
let ada: Someone;
let ben: Someone;

const fresh = freshWorld();
beforeEach(async () => {
  ({ db, deps, events, world } = await fresh());
  ada = await makeMember(deps, world, { name: 'ada' });
  ben = await makeMember(deps, world, { name: 'ben' });
  events.clear();
});

it('opens one conversation for two, whoever asks, and tells both when it is made', async () => {
  const dm = await ada.api.dms.open({ accountId: ben.accountId });
  const { channelId } = dm.channel;
  expect(dm.channel).toMatchObject({ kind: 'dm', communityId: null, groupId: null, epoch: 1 });
  expect(dm.members.map((m) => m.displayName).sort()).toEqual(['ada', 'ben']);
  expect(events.calls[0]).toEqual({
    call: 'changeReaders',
    args: [channelId, { joined: [ada.accountId, ben.accountId], left: [] }],
  });
  expect(events.of('dm.opened')).toEqual(
    [ada, ben].map(({ accountId }) => ({
      audience: { to: 'account', accountId },
      event: { type: 'dm.opened', dm },
    })),
  );
  expect(events.calls).toHaveLength(3);
  events.clear();
  expect(await ben.api.dms.open({ accountId: ada.accountId })).toEqual(dm);
  expect(events.calls).toEqual([]);
  expect(await dmsOf(db, ben.accountId)).toEqual([dm]);
  const readers = await ben.api.channels.readers({ channelId });
  expect([...readers.accountIds].sort()).toEqual([ada.accountId, ben.accountId].sort());
});

it('makes one conversation when both open it at once', async () => {
  const opened = await Promise.all([
    ada.api.dms.open({ accountId: ben.accountId }),
    ben.api.dms.open({ accountId: ada.accountId }),
    ada.api.dms.open({ accountId: ben.accountId }),
  ]);
  expect(new Set(opened.map((dm) => dm.channel.channelId)).size).toBe(1);
  expect(await db.prisma.channel.count({ where: { kind: 'dm' } })).toBe(1);
  expect(await db.prisma.channelReader.count()).toBe(2);
  expect(events.of('dm.opened')).toHaveLength(2);
});

it('is not for strangers, oneself, or nobody', async () => {
  const stranger = await makeSomeone(deps);
  expect(await refusal(ada.api.dms.open({ accountId: stranger.accountId }))).toEqual({ code: 'not_found' });
  expect(await refusal(ada.api.dms.open({ accountId: randomUUID() }))).toEqual({
    code: 'not_found',
  });
  expect(await refusal(ada.api.dms.open({ accountId: ada.accountId }))).toEqual({
    code: 'forbidden',
    reason: 'self',
  });
  expect(await db.prisma.channel.count({ where: { kind: 'dm' } })).toBe(0);
});

it('stays when the shared community is gone', async () => {
  const dm = await ada.api.dms.open({ accountId: ben.accountId });
  await ben.api.communities.leave({ communityId: world.communityId });
  expect(await ada.api.dms.open({ accountId: ben.accountId })).toEqual(dm);
});

it('is closed to staff: readers are the two, for ever', async () => {
  const { channelId } = (await ada.api.dms.open({ accountId: ben.accountId })).channel;
  const { owner } = world;
  expect(await refusal(owner.api.channels.readers({ channelId }))).toEqual({ code: 'not_found' });
  expect(await refusal(owner.api.channels.delete({ channelId }))).toEqual({ code: 'not_found' });
  expect(await refusal(ada.api.channels.update({ channelId, name: 'ours' }))).toEqual({ code: 'not_found' });
  expect(await refusal(ada.api.channels.delete({ channelId }))).toEqual({ code: 'not_found' });
});

it('stops at the number of conversations one may have', async () => {
  const max = limits.dmsPerAccount;
  const ids = Array.from({ length: max }, () => randomUUID());
  await db.prisma.channel.createMany({
    data: ids.map((id) => ({ id, kind: 'dm', dmKey: id, audience: 'restricted' })),
  });
  const { accountId } = ada;
  const sinceAt = new Date();
  await db.prisma.channelReader.createMany({
    data: ids.map((channelId) => ({ channelId, accountId, sinceAt })),
  });
  expect(await refusal(ada.api.dms.open({ accountId: ben.accountId }))).toEqual({
    code: 'limit_reached',
    limit: 'dmsPerAccount',
    max,
  });
});

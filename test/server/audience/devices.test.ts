// A device of an account comes or goes: every channel the account reads hears of it, nobody else does.
import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from 'vitest';
import type { Deps } from '#server/deps.ts';
import { bumpDevices, bumpEpoch, topicsOf } from '#server/domains/audience/audience.service.ts';
import { transaction } from '#server/platform/transaction.ts';
import type { ChannelId } from '#shared/ids.ts';
import { makeMember, makeWorld, type Someone, type World } from '#test/support/factories.ts';
import { freshWorld } from '#test/support/fresh.ts';
import type { RecordedEvents } from '#test/support/recorded-events.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let deps: Deps;
let events: RecordedEvents;
let world: World;
let person: Someone;
let dm: ChannelId;
let foreign: ChannelId;

const fresh = freshWorld();
beforeEach(async () => {
  ({ db, deps, events, world } = await fresh());
  person = await makeMember(deps, world);
  dm = (await person.api.dms.open({ accountId: world.owner.accountId })).channel.channelId;
  foreign = (await makeWorld(deps)).channelId;
  const { accountId } = person;
  await db.prisma.accountLogEntry.create({
    data: { accountId, seq: 4, bytes: new Uint8Array(1), hash: new Uint8Array(32) },
  });
  events.clear();
});

const keys = async (): Promise<Record<string, [number, number]>> => {
  const rows = await db.prisma.channel.findMany();
  return Object.fromEntries(rows.map((row) => [row.id, [row.epoch, row.devicesVersion]]));
};

it.each([
  ['removed', 1],
  ['added', 0],
] as const)('a device %s', async (_, lost) => {
  const before = await keys();
  const { accountId } = person;
  await transaction(db, (tx) => (lost ? bumpEpoch : bumpDevices)(tx, deps, { accountId }));
  const after = await keys();
  for (const id of [world.channelId, dm]) {
    expect(after[id]).toEqual([before[id]![0] + lost, before[id]![1] + 1]);
  }
  expect(after[foreign]).toEqual(before[foreign]);
  const { communityId, channelId } = world;
  expect(events.of('devices.changed')).toEqual(
    [
      { to: 'account', accountId },
      { to: 'community', communityId },
      { to: 'channel', channelId: dm, communityId: null },
    ].map((audience) => ({ audience, event: { type: 'devices.changed', accountId, headSeq: 4 } })),
  );
  const rekeyed = events.of('channel.rekeyed');
  expect(rekeyed.map((r) => r.audience)).toEqual(
    expect.arrayContaining([
      { to: 'channel', channelId, communityId },
      { to: 'channel', channelId: dm, communityId: null },
    ]),
  );
  for (const { event } of rekeyed)
    expect([event.epoch, event.devicesVersion]).toEqual(after[event.channelId]);
  expect(rekeyed).toHaveLength(2);
});

it('says nothing for somebody who reads nothing, but to their own devices', async () => {
  const accountId = randomUUID() as typeof person.accountId;
  await transaction(db, (tx) => bumpDevices(tx, deps, { accountId }));
  expect(events.calls).toHaveLength(1);
});

it('rolls everything back with the transaction', async () => {
  const before = await keys();
  const { accountId } = person;
  const work = transaction(db, async (tx) => {
    await bumpEpoch(tx, deps, { accountId });
    throw new Error('no');
  });
  await expect(work).rejects.toThrow('no');
  expect(await keys()).toEqual(before);
  expect(events.calls).toEqual([]);
});

it('names the topics a connection hears', async () => {
  const { communityId } = world;
  expect(await topicsOf(db, person.accountId)).toEqual({ communityIds: [communityId], channelIds: [dm] });
});

import { beforeEach, describe, expect, it } from 'vitest';
import type { Deps } from '#server/deps.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { permission } from '#shared/permissions.ts';
import { refusal } from '#test/support/deps.ts';
import { makeMember, makeSomeone, makeWorld, type Someone, type World } from '#test/support/factories.ts';
import { freshWorld } from '#test/support/fresh.ts';
import type { RecordedEvents } from '#test/support/recorded-events.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let deps: Deps;
let events: RecordedEvents;
let world: World;
let staff: Someone;
let plain: Someone;
const { view, manageChannels } = permission;

const fresh = freshWorld();
beforeEach(async () => {
  ({ db, deps, events, world } = await fresh());
  staff = await makeMember(deps, world, { roles: [world.roles.admin] });
  plain = await makeMember(deps, world);
  events.clear();
});

const structure = (someone: Someone): Promise<CommunityStructure> =>
  someone.api.communities.get({ communityId: world.communityId });
const make = async (name: string): Promise<ChannelId> => {
  const { communityId, groupId } = world;
  return (await staff.api.channels.create({ communityId, groupId, name })).channelId;
};

describe('channels', () => {
  it('are made at the end of their group, open to everybody, and heard of by everybody', async () => {
    const { communityId, groupId } = world;
    const made = await staff.api.channels.create({ communityId, groupId, name: ' Ideas ', topic: 'All' });
    expect(made).toMatchObject({ name: 'ideas', topic: 'All', position: 1, kind: 'text', groupId });
    expect((await structure(plain)).channels).toContainEqual(made);
    expect(events.of('channel.changed')).toMatchObject([
      { audience: { to: 'community', communityId }, event: { channel: made } },
    ]);
    const readers = await plain.api.channels.readers({ channelId: made.channelId });
    expect(readers.accountIds).toHaveLength(3);
  });

  it('take their place among their siblings', async () => {
    const one = await make('one');
    const two = await make('two');
    events.clear();
    await staff.api.channels.update({ channelId: two, position: 0 });
    const { channels } = await structure(plain);
    expect(channels.map((c) => [c.name, c.position])).toEqual([
      ['two', 0],
      ['general', 1],
      ['one', 2],
    ]);
    const moved = events.of('channel.changed').map((e) => e.event.channel.channelId);
    expect(moved.sort()).toEqual([one, two, world.channelId].sort());
    await staff.api.channels.delete({ channelId: world.channelId });
    expect((await structure(plain)).channels.map((c) => c.position)).toEqual([0, 1]);
  });

  it('change what is given and keep the rest', async () => {
    const { channelId } = world;
    await staff.api.channels.update({ channelId, topic: 'Talk', slowModeMs: 5000, isReadOnly: true });
    await staff.api.channels.update({ channelId, isArchived: true });
    expect((await structure(plain)).channels).toMatchObject([
      { name: 'general', topic: 'Talk', slowModeMs: 5000, isReadOnly: true, isArchived: true },
    ]);
    await staff.api.channels.update({
      channelId,
      topic: '',
      slowModeMs: 0,
      isReadOnly: false,
      isArchived: false,
    });
    expect((await structure(plain)).channels).toMatchObject([
      { topic: '', slowModeMs: 0, isReadOnly: false, isArchived: false },
    ]);
  });

  it('tell newcomers what they may read', async () => {
    const { communityId, groupId, channelId } = world;
    const policyOf = async (id: ChannelId) =>
      (await structure(plain)).channels.find((c) => c.channelId === id)?.historyPolicy;
    expect(await policyOf(channelId)).toBe('since_join');
    const made = await staff.api.channels.create({
      communityId,
      groupId,
      name: 'open',
      historyPolicy: 'shared',
    });
    expect(made.historyPolicy).toBe('shared');
    expect(await policyOf(made.channelId)).toBe('shared');
    events.clear();
    await staff.api.channels.update({ channelId, historyPolicy: 'shared' });
    expect(events.of('channel.changed')).toMatchObject([{ event: { channel: { historyPolicy: 'shared' } } }]);
    await staff.api.channels.update({ channelId, topic: 'still' });
    expect(await policyOf(channelId)).toBe('shared');
    await staff.api.channels.update({ channelId, historyPolicy: 'since_join' });
    expect(await policyOf(channelId)).toBe('since_join');
    events.clear();
    await staff.api.channels.update({ channelId, historyPolicy: 'ephemeral' });
    expect(events.of('channel.changed')).toMatchObject([
      { event: { channel: { historyPolicy: 'ephemeral' } } },
    ]);
    await staff.api.channels.update({ channelId, topic: 'brief' });
    expect(await policyOf(channelId)).toBe('ephemeral');
    await staff.api.channels.update({ channelId, historyPolicy: 'shared' });
    expect(await policyOf(channelId)).toBe('shared');
    await staff.api.channels.update({ channelId, historyPolicy: 'ephemeral' });
    await staff.api.channels.update({ channelId, historyPolicy: 'since_join' });
    expect(await policyOf(channelId)).toBe('since_join');
    const brief = { communityId, groupId, name: 'brief', historyPolicy: 'ephemeral' } as const;
    expect((await staff.api.channels.create(brief)).historyPolicy).toBe('ephemeral');
  });

  it('are deleted with their log; sockets leave before it is told', async () => {
    const { communityId, channelId } = world;
    const accountId = plain.accountId;
    await db.prisma.channelEvent.create({
      data: {
        channelId,
        seq: 1,
        eventId: channelId,
        class: 'message',
        senderAccountId: accountId,
        senderDeviceId: channelId,
        epoch: 1,
        envelopeHash: new Uint8Array(32),
        createdAt: new Date(),
      },
    });
    await staff.api.channels.delete({ channelId });
    expect(events.calls.slice(0, 2)).toMatchObject([
      { call: 'dissolveChannel', args: [channelId] },
      { audience: { to: 'community', communityId }, event: { type: 'channel.deleted', channelId } },
    ]);
    expect(await db.prisma.channelEvent.count()).toBe(0);
    expect(await refusal(plain.api.channels.readers({ channelId }))).toEqual({ code: 'not_found' });
  });

  it('stop at their number, hidden ones counted', async () => {
    const { communityId, groupId } = world;
    const rows = Array.from({ length: limits.channelsPerCommunity - 1 }, (_, i) => ({
      id: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      communityId,
      groupId,
      kind: 'text',
      audience: 'restricted',
    }));
    await db.prisma.channel.createMany({ data: rows });
    expect(await refusal(staff.api.channels.create({ communityId, groupId, name: 'more' }))).toEqual({
      code: 'limit_reached',
      limit: 'channelsPerCommunity',
      max: limits.channelsPerCommunity,
    });
  });

  it('are changed by those with the bit; others are refused, strangers see nothing', async () => {
    const { communityId, groupId, channelId } = world;
    const stranger = await makeSomeone(deps);
    const calls = (someone: Someone) => [
      () => someone.api.channels.create({ communityId, groupId, name: 'x' }),
      () => someone.api.channels.update({ channelId, name: 'x' }),
      () => someone.api.channels.delete({ channelId }),
      () => someone.api.groups.create({ communityId, name: 'x' }),
      () => someone.api.groups.update({ groupId, name: 'x' }),
      () => someone.api.groups.delete({ groupId }),
    ];
    for (const call of calls(plain)) {
      expect(await refusal(call())).toEqual({ code: 'forbidden', reason: 'permission' });
    }
    for (const call of calls(stranger)) expect(await refusal(call())).toEqual({ code: 'not_found' });
    expect(events.calls).toEqual([]);
  });

  it('refuse a group of another community', async () => {
    const other = await makeWorld(deps, staff);
    const { communityId } = world;
    const call = staff.api.channels.create({ communityId, groupId: other.groupId, name: 'x' });
    expect(await refusal(call)).toEqual({ code: 'not_found' });
  });
});

describe('groups', () => {
  it('are managed by one who was given that place only', async () => {
    const { communityId, owner } = world;
    const { groupId } = await owner.api.groups.create({ communityId, name: 'Corner' });
    const { accountId } = plain;
    await owner.api.roles.setOverride({ communityId, groupId, accountId, allow: manageChannels, deny: 0 });
    const made = await plain.api.channels.create({ communityId, groupId, name: 'mine' });
    await plain.api.channels.update({ channelId: made.channelId, topic: 'Mine' });
    await plain.api.groups.update({ groupId, name: 'My corner' });
    const elsewhere = plain.api.channels.create({ communityId, groupId: world.groupId, name: 'x' });
    expect(await refusal(elsewhere)).toEqual({ code: 'forbidden', reason: 'permission' });
  });

  it('are deleted when empty, and the rest closes up', async () => {
    const { communityId, groupId } = world;
    const { groupId: second } = await staff.api.groups.create({ communityId, name: 'Second' });
    expect(await refusal(staff.api.groups.delete({ groupId }))).toEqual({
      code: 'conflict',
      what: 'group_not_empty',
    });
    await staff.api.groups.update({ groupId: second, position: 0 });
    await staff.api.groups.delete({ groupId: second });
    expect((await structure(plain)).groups).toEqual([{ groupId, name: 'General', position: 0 }]);
    expect(events.of('group.deleted')).toMatchObject([
      { audience: { to: 'community', communityId }, event: { groupId: second } },
    ]);
    const unknown = second;
    expect(await refusal(staff.api.groups.delete({ groupId: unknown }))).toEqual({ code: 'not_found' });
  });

  it('stay hidden, with all that is in them, from those who may not see them', async () => {
    const { communityId, owner, roles } = world;
    const { groupId } = await staff.api.groups.create({ communityId, name: 'Secret' });
    const at = { communityId, groupId };
    await owner.api.roles.setOverride({ ...at, accountId: owner.accountId, allow: view, deny: 0 });
    await owner.api.roles.setOverride({ ...at, roleId: roles.admin, allow: view, deny: 0 });
    await owner.api.roles.setOverride({ ...at, roleId: roles.everyone, allow: 0, deny: view });
    const { channelId } = await staff.api.channels.create({ ...at, name: 'plans' });
    const seen = JSON.stringify(await structure(plain));
    for (const secret of [groupId, channelId, 'Secret', 'plans']) expect(seen).not.toContain(secret);
    expect(await refusal(plain.api.groups.update({ groupId, name: 'x' }))).toEqual({ code: 'not_found' });
    expect(await refusal(plain.api.channels.update({ channelId, name: 'x' }))).toEqual({ code: 'not_found' });
    const readers = await staff.api.channels.readers({ channelId });
    expect([...readers.accountIds].sort()).toEqual([owner.accountId, staff.accountId].sort());
  });
});

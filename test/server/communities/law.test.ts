// Old client state + events = freshly loaded structure, for everybody who watches, after every service call.
import { beforeEach, describe, expect, it } from 'vitest';
import { freshWorld } from '#test/support/fresh.ts';
import type { RecordedEvents } from '#test/support/recorded-events.ts';
import type { Deps } from '#server/deps.ts';
import { permission } from '#shared/permissions.ts';
import { audienceReplay, type AudienceReplay } from '#test/support/audience-replay.ts';
import { makeMember, makeSomeone, type Someone, type World } from '#test/support/factories.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let deps: Deps;
let events: RecordedEvents;
let replay: AudienceReplay;
let world: World;
let staff: Someone;
let plain: Someone;
let guest: Someone;
const { view, send, pin } = permission;

const fresh = freshWorld();
beforeEach(async () => {
  ({ db, deps, events, world } = await fresh());
  staff = await makeMember(deps, world, { roles: [world.roles.admin] });
  plain = await makeMember(deps, world);
  guest = await makeSomeone(deps);
  events.clear();
  replay = audienceReplay(deps, events);
  for (const person of [world.owner, staff, plain, guest]) await replay.watch(person.accountId);
});

/** Makes #general's group private: the admin role may view, everyone may not. */
async function makePrivate(): Promise<void> {
  const { communityId, groupId, roles, owner } = world;
  await owner.api.roles.setOverride({ communityId, groupId, roleId: roles.admin, allow: view, deny: 0 });
  await replay.settle();
  const { accountId } = owner;
  await owner.api.roles.setOverride({ communityId, groupId, accountId, allow: view, deny: 0 });
  await replay.settle();
  await owner.api.roles.setOverride({ communityId, groupId, roleId: roles.everyone, allow: 0, deny: view });
  await replay.settle();
}

describe('old state + events = fresh state', () => {
  it('for people who come and go', async () => {
    const { communityId, owner } = world;
    const { code } = await owner.api.invites.create({ communityId });
    await guest.api.invites.accept({ code });
    await replay.settle();
    await guest.api.communities.leave({ communityId });
    await replay.settle();
    await guest.api.invites.accept({ code });
    await replay.settle();
    await staff.api.communities.kick({ communityId, accountId: guest.accountId });
    await replay.settle();
    await guest.api.invites.accept({ code });
    await staff.api.communities.ban({ communityId, accountId: guest.accountId });
    await replay.settle();
    await staff.api.communities.update({ communityId, name: 'Renamed', description: 'Words' });
    await replay.settle();
    await guest.api.communities.create({ name: 'Another' });
    await replay.settle();
    expect(replay.refetches).toBe(0);
  });

  it('for groups and channels', async () => {
    const { communityId, groupId } = world;
    const group = await staff.api.groups.create({ communityId, name: 'Second' });
    await replay.settle();
    const first = await staff.api.channels.create({ communityId, groupId, name: 'one' });
    await replay.settle();
    await staff.api.channels.create({ communityId, groupId, name: 'two', topic: 'Two' });
    await replay.settle();
    await staff.api.channels.update({ channelId: first.channelId, position: 0, name: 'eins' });
    await replay.settle();
    await staff.api.channels.update({ channelId: first.channelId, isArchived: true, isReadOnly: true });
    await replay.settle();
    await staff.api.channels.update({ channelId: first.channelId, historyPolicy: 'shared' });
    await replay.settle();
    await staff.api.groups.update({ groupId: group.groupId, position: 0, name: 'First' });
    await replay.settle();
    await staff.api.channels.delete({ channelId: first.channelId });
    await replay.settle();
    await staff.api.groups.delete({ groupId: group.groupId });
    await replay.settle();
    expect(replay.refetches).toBe(0);
  });

  it('for a group that becomes private and opens again', async () => {
    const { communityId, groupId, roles, owner } = world;
    await makePrivate();
    expect(replay.heard(plain.accountId).map((e) => e.type)).toContain('group.deleted');
    const hidden = await staff.api.channels.create({ communityId, groupId, name: 'hidden' });
    await replay.settle();
    await staff.api.channels.update({ channelId: hidden.channelId, topic: 'Secret plans' });
    await replay.settle();
    expect(JSON.stringify(replay.heard(plain.accountId))).not.toMatch(/hidden|Secret/);
    const { accountId } = plain;
    const { channelId } = hidden;
    await owner.api.roles.setOverride({ communityId, channelId, accountId, allow: view | send, deny: 0 });
    await replay.settle();
    expect(replay.heard(plain.accountId).at(-1)).toMatchObject({ type: 'override.changed' });
    await owner.api.roles.setOverride({ communityId, channelId, accountId, allow: 0, deny: 0 });
    await replay.settle();
    await owner.api.roles.setOverride({ communityId, groupId, roleId: roles.everyone, allow: 0, deny: 0 });
    await replay.settle();
    await owner.api.channels.delete({ channelId });
    await replay.settle();
    expect(replay.refetches).toBe(0);
  });

  it('for roles given and taken in a community with private places', async () => {
    const { communityId, owner, roles } = world;
    await makePrivate();
    // A private group with nothing in it yet is seen by its view bit alone.
    const { groupId } = await owner.api.groups.create({ communityId, name: 'Empty' });
    await owner.api.roles.setOverride({ communityId, groupId, roleId: roles.admin, allow: view, deny: 0 });
    const { accountId } = owner;
    await owner.api.roles.setOverride({ communityId, groupId, accountId, allow: view, deny: 0 });
    await owner.api.roles.setOverride({ communityId, groupId, roleId: roles.everyone, allow: 0, deny: view });
    await replay.settle();
    await owner.api.roles.assign({ roleId: roles.admin, accountId: plain.accountId });
    await replay.settle();
    await owner.api.roles.unassign({ roleId: roles.admin, accountId: plain.accountId });
    await replay.settle();
    expect(replay.refetches).toBe(0);
  });

  it('for changes inside a private group: seen by some, passed over by the others', async () => {
    const { communityId, groupId, owner } = world;
    await makePrivate();
    await staff.api.groups.update({ groupId, name: 'Hideout' });
    await replay.settle();
    const { channelId } = await staff.api.channels.create({ communityId, groupId, name: 'door' });
    const { accountId } = plain;
    await owner.api.roles.setOverride({ communityId, channelId, accountId, allow: view, deny: 0 });
    await replay.settle();
    // Plain saw the group for this channel only, and loses both.
    await staff.api.channels.delete({ channelId });
    await replay.settle();
    const heard = replay.heard(accountId).map((event) => event.type);
    expect(heard.slice(-3)).toEqual(['channel.deleted', 'group.deleted', 'community.updated']);
    expect(replay.refetches).toBe(0);
  });

  it('for roles made, changed, moved and deleted', async () => {
    const { communityId, owner, roles } = world;
    const role = await owner.api.roles.create({ communityId, name: 'Helper', bits: pin, colour: 0xff8800 });
    await replay.settle();
    await owner.api.roles.update({ roleId: role.roleId, position: 3, name: 'Lead', colour: null });
    await replay.settle();
    await owner.api.roles.assign({ roleId: role.roleId, accountId: plain.accountId });
    await replay.settle();
    await owner.api.roles.delete({ roleId: role.roleId });
    await replay.settle();
    expect(replay.refetches).toBe(0);
    await owner.api.roles.update({ roleId: roles.everyone, bits: send });
    await replay.settle();
    expect(replay.refetches).toBe(3);
  });

  it('for grants by name, which end with the membership, and denials, which stay', async () => {
    const { communityId, channelId, groupId, owner } = world;
    const { accountId } = plain;
    await owner.api.roles.setOverride({ communityId, channelId, accountId, allow: pin, deny: send });
    await owner.api.roles.setOverride({ communityId, groupId, accountId, allow: pin, deny: 0 });
    await replay.settle();
    await plain.api.communities.leave({ communityId });
    await replay.settle();
    const { overrides } = await owner.api.communities.get({ communityId });
    expect(overrides).toEqual([{ groupId: null, channelId, roleId: null, accountId, allow: 0, deny: send }]);
  });

  it('for direct messages and a deleted community', async () => {
    const { communityId, owner } = world;
    await plain.api.dms.open({ accountId: staff.accountId });
    await replay.settle();
    await owner.api.communities.delete({ communityId });
    await replay.settle();
    expect(replay.heard(plain.accountId).at(-1)).toEqual({
      type: 'community.left',
      communityId,
      reason: 'deleted',
    });
    expect(await db.prisma.channel.findMany({ select: { kind: true } })).toEqual([{ kind: 'dm' }]);
  });
});

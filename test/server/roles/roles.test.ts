import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Deps } from '#server/deps.ts';
import type { CommunityStructure } from '#shared/communities.ts';
import type { RoleId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { permission } from '#shared/permissions.ts';
import { refusal, testDeps } from '#test/support/deps.ts';
import { makeMember, makeSomeone, makeWorld, type Someone, type World } from '#test/support/factories.ts';
import type { RecordedEvents } from '#test/support/recorded-events.ts';
import { openTestDatabase, type TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let deps: Deps;
let events: RecordedEvents;
let world: World;
let staff: Someone;
let plain: Someone;
const { view, send, pin, ban, manageRoles, manageMessages } = permission;
const forbidden = (reason: string) => ({ code: 'forbidden', reason });

beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());
/** Staff: a role that manages roles, and holds little else. */
beforeEach(async () => {
  await db.truncate();
  ({ deps, events } = await testDeps(db));
  world = await makeWorld(deps);
  const { owner, communityId } = world;
  const bits = manageRoles | view | send | pin;
  const { roleId } = await owner.api.roles.create({ communityId, name: 'Staff', bits });
  await owner.api.roles.update({ roleId, position: 3 });
  staff = await makeMember(deps, world, { roles: [roleId] });
  plain = await makeMember(deps, world);
  events.clear();
});

const structure = (): Promise<CommunityStructure> =>
  world.owner.api.communities.get({ communityId: world.communityId });
const orderOf = async (): Promise<string[]> => (await structure()).roles.map((r) => r.name);

describe('roles.create, update and delete', () => {
  it('puts a new role right above everyone and tells everybody about each that moved', async () => {
    const { communityId } = world;
    const { version } = await structure();
    const role = await staff.api.roles.create({ communityId, name: 'Pinner', bits: pin, colour: 0x112233 });
    expect(role).toMatchObject({ position: 1, bits: pin, colour: 0x112233 });
    expect(await orderOf()).toEqual(['Staff', 'Admin', 'Moderator', 'Pinner', 'everyone']);
    const told = events.of('role.changed');
    expect(told.map((t) => [t.event.role.name, t.event.role.position]).sort()).toEqual([
      ['Admin', 3],
      ['Moderator', 2],
      ['Pinner', 1],
      ['Staff', 4],
    ]);
    for (const { audience, event } of told) {
      expect(audience).toEqual({ to: 'community', communityId });
      expect(event.version).toBe(version + 1);
    }
  });

  it('moves roles below the own one only, keeping positions dense', async () => {
    const { owner, roles, communityId } = world;
    const { roleId } = await staff.api.roles.create({ communityId, name: 'Pinner', bits: pin });
    expect(await refusal(staff.api.roles.update({ roleId, position: 4 }))).toEqual(forbidden('rank'));
    await staff.api.roles.update({ roleId, position: 3 });
    expect(await orderOf()).toEqual(['Staff', 'Pinner', 'Admin', 'Moderator', 'everyone']);
    await owner.api.roles.update({ roleId, position: limits.rolesPerCommunity });
    expect(await orderOf()).toEqual(['Pinner', 'Staff', 'Admin', 'Moderator', 'everyone']);
    expect(await refusal(staff.api.roles.update({ roleId, name: 'Mine' }))).toEqual(forbidden('rank'));
    await owner.api.roles.delete({ roleId: roles.admin });
    expect((await structure()).roles.map((r) => r.position)).toEqual([3, 2, 1, 0]);
  });

  it('lets nobody grant bits they lack, by making, changing or giving a role', async () => {
    const { communityId, roles } = world;
    const make = staff.api.roles.create({ communityId, name: 'Banner', bits: ban });
    expect(await refusal(make)).toEqual(forbidden('permission'));
    const change = staff.api.roles.update({ roleId: roles.everyone, bits: view | ban });
    expect(await refusal(change)).toEqual(forbidden('permission'));
    const give = staff.api.roles.assign({ roleId: roles.moderator, accountId: plain.accountId });
    expect(await refusal(give)).toEqual(forbidden('permission'));
    // Bits a role has already may stay when its name changes.
    await staff.api.roles.update({ roleId: roles.moderator, name: 'Keeper', bits: view | ban });
    expect(await orderOf()).toContain('Keeper');
  });

  it('keeps the everyone role where it is', async () => {
    const { owner, roles } = world;
    const roleId = roles.everyone;
    const what = { code: 'conflict', what: 'everyone_role' };
    expect(await refusal(owner.api.roles.update({ roleId, name: 'all' }))).toEqual(what);
    expect(await refusal(owner.api.roles.update({ roleId, position: 2 }))).toEqual(what);
    expect(await refusal(owner.api.roles.delete({ roleId }))).toEqual(what);
    expect(await refusal(owner.api.roles.assign({ roleId, accountId: plain.accountId }))).toEqual(what);
    await owner.api.roles.update({ roleId, bits: view | send | pin });
    expect(events.of('role.changed')).toMatchObject([
      { event: { role: { roleId, bits: view | send | pin } } },
    ]);
  });

  it('stops at the number of roles', async () => {
    const { communityId, owner } = world;
    const left = limits.rolesPerCommunity - 4;
    const rows = Array.from({ length: left }, (_, i) => ({
      id: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      communityId,
      name: `r${i}`,
      position: 4 + i,
      bits: 0,
    }));
    await db.prisma.role.createMany({ data: rows });
    const full = { code: 'limit_reached', limit: 'rolesPerCommunity', max: limits.rolesPerCommunity };
    expect(await refusal(owner.api.roles.create({ communityId, name: 'more', bits: 0 }))).toEqual(full);
  });

  it('is closed to strangers and to members without the bit', async () => {
    const { communityId, roles } = world;
    const stranger = await makeSomeone(deps);
    const make = { communityId, name: 'x', bits: 0 };
    expect(await refusal(plain.api.roles.create(make))).toEqual(forbidden('permission'));
    expect(await refusal(stranger.api.roles.create(make))).toEqual({ code: 'not_found' });
    expect(await refusal(stranger.api.roles.delete({ roleId: roles.admin }))).toEqual({ code: 'not_found' });
    const unknown = '00000000-0000-4000-8000-000000000000' as RoleId;
    expect(await refusal(staff.api.roles.delete({ roleId: unknown }))).toEqual({ code: 'not_found' });
  });
});

describe('roles.assign and unassign', () => {
  it('tells everybody, and nobody when nothing changed', async () => {
    const { communityId } = world;
    const { roleId } = await staff.api.roles.create({ communityId, name: 'Pinner', bits: pin });
    events.clear();
    const { accountId } = plain;
    await staff.api.roles.assign({ roleId, accountId });
    await staff.api.roles.assign({ roleId, accountId });
    expect(events.of('member.updated')).toMatchObject([
      { audience: { to: 'community', communityId }, event: { accountId, roleIds: [roleId], nickname: null } },
    ]);
    await staff.api.roles.unassign({ roleId, accountId });
    await staff.api.roles.unassign({ roleId, accountId });
    expect(events.of('member.updated').map((e) => e.event.roleIds)).toEqual([[roleId], []]);
    expect(events.calls).toHaveLength(2);
  });

  it('is for people one outranks, or oneself', async () => {
    const { communityId, owner } = world;
    const peer = await makeMember(deps, world, { roles: [(await structure()).roles[0]!.roleId] });
    const guard = await makeMember(deps, world, { instanceRole: 'admin' });
    const { roleId } = await staff.api.roles.create({ communityId, name: 'Pinner', bits: pin });
    const give = (someone: Someone) => staff.api.roles.assign({ roleId, accountId: someone.accountId });
    expect(await refusal(give(peer))).toEqual(forbidden('rank'));
    expect(await refusal(give(owner))).toEqual(forbidden('owner'));
    expect(await refusal(give(guard))).toEqual(forbidden('protected'));
    expect(await refusal(give(await makeSomeone(deps)))).toEqual({ code: 'not_found' });
    await give(staff);
    await give(plain);
  });
});

describe('roles.setOverride', () => {
  const at = () => ({ communityId: world.communityId, channelId: world.channelId });

  it('lets nobody decide about bits they lack, in either direction', async () => {
    const { roles } = world;
    const roleId = roles.moderator;
    for (const bits of [
      { allow: manageMessages, deny: 0 },
      { allow: 0, deny: manageMessages },
    ]) {
      expect(await refusal(staff.api.roles.setOverride({ ...at(), roleId, ...bits }))).toEqual(
        forbidden('permission'),
      );
    }
    await world.owner.api.roles.setOverride({ ...at(), roleId, allow: 0, deny: manageMessages });
    const undo = staff.api.roles.setOverride({ ...at(), roleId, allow: 0, deny: 0 });
    expect(await refusal(undo)).toEqual(forbidden('permission'));
    await staff.api.roles.setOverride({ ...at(), roleId, allow: pin, deny: manageMessages });
    expect((await structure()).overrides).toMatchObject([{ roleId, allow: pin, deny: manageMessages }]);
  });

  it('is for roles and people below oneself', async () => {
    const { owner } = world;
    const own = (await structure()).roles[0]!.roleId;
    const set = (subject: object) =>
      staff.api.roles.setOverride({ ...at(), ...subject, allow: pin, deny: 0 });
    expect(await refusal(set({ roleId: own }))).toEqual(forbidden('rank'));
    expect(await refusal(set({ accountId: owner.accountId }))).toEqual(forbidden('owner'));
    expect(await refusal(set({ accountId: (await makeSomeone(deps)).accountId }))).toEqual({
      code: 'not_found',
    });
    await set({ accountId: plain.accountId });
    await set({ accountId: staff.accountId });
  });

  it('lets nobody lock themselves out by a slip', async () => {
    const { owner, roles, channelId } = world;
    const close = { ...at(), roleId: roles.everyone, allow: 0, deny: view };
    expect(await refusal(staff.api.roles.setOverride(close))).toEqual({ code: 'conflict', what: 'own_view' });
    expect(await refusal(owner.api.roles.setOverride(close))).toEqual({ code: 'conflict', what: 'own_view' });
    expect((await structure()).overrides).toEqual([]);
    const rows = await db.prisma.channel.findMany({ select: { id: true, audience: true, epoch: true } });
    expect(rows).toEqual([{ id: channelId, audience: 'community', epoch: 1 }]);
  });

  it('lets an owner back into what staff closed to them', async () => {
    const { owner, roles, channelId } = world;
    await staff.api.roles.setOverride({ ...at(), accountId: staff.accountId, allow: view, deny: 0 });
    await staff.api.roles.setOverride({ ...at(), roleId: roles.everyone, allow: 0, deny: view });
    expect(await refusal(owner.api.channels.readers({ channelId }))).toEqual({ code: 'not_found' });
    expect((await structure()).channels).toEqual([]);
    // Letting others in does not need to see the place oneself.
    await owner.api.roles.setOverride({ ...at(), accountId: plain.accountId, allow: view, deny: 0 });
    expect((await plain.api.channels.readers({ channelId })).accountIds).not.toContain(owner.accountId);
    await owner.api.roles.setOverride({ ...at(), accountId: owner.accountId, allow: view, deny: 0 });
    expect((await owner.api.channels.readers({ channelId })).accountIds).toContain(owner.accountId);
  });

  it('is heard by those who see the place; the others learn only that a version passed', async () => {
    const { communityId, channelId, owner, roles } = world;
    await owner.api.roles.setOverride({ ...at(), accountId: owner.accountId, allow: view, deny: 0 });
    await owner.api.roles.setOverride({ ...at(), roleId: roles.everyone, allow: 0, deny: view });
    events.clear();
    await owner.api.roles.setOverride({ ...at(), roleId: roles.admin, allow: pin, deny: 0 });
    expect(events.calls).toMatchObject([
      { audience: { to: 'community', communityId }, event: { type: 'community.updated' } },
      {
        audience: { to: 'channel', channelId, communityId: null },
        event: { type: 'override.changed', override: { roleId: roles.admin, allow: pin, deny: 0 } },
      },
    ]);
  });

  it('refuses places and subjects of another community', async () => {
    const { communityId, channelId, roles, owner } = world;
    const other = await makeWorld(deps, owner);
    const set = (input: object) =>
      refusal(owner.api.roles.setOverride({ communityId, allow: pin, deny: 0, ...input }));
    const absent = { code: 'not_found' };
    expect(await set({ channelId: other.channelId, roleId: roles.admin })).toEqual(absent);
    expect(await set({ groupId: other.groupId, roleId: roles.admin })).toEqual(absent);
    expect(await set({ channelId, roleId: other.roles.admin })).toEqual(absent);
    expect(await db.prisma.override.count()).toBe(0);
  });
});

// Who reads what: the SQL against the shared policy, flips, slices, epochs and the limit on readers.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Deps } from '#server/deps.ts';
import { recompute, readersOf } from '#server/domains/audience/audience.service.ts';
import { diffReaders, listGroupViewers, sliceEnd } from '#server/domains/audience/audience.queries.ts';
import { transaction } from '#server/platform/transaction.ts';
import type { AccountId, ChannelId, RoleId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { permission, resolveBits, type OverrideSet } from '#shared/permissions.ts';
import { refusal } from '#test/support/deps.ts';
import { makeMember, makeSomeone, type Someone, type World } from '#test/support/factories.ts';
import { freshWorld } from '#test/support/fresh.ts';
import type { RecordedEvents } from '#test/support/recorded-events.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let deps: Deps;
let events: RecordedEvents;
let world: World;
const { view, send } = permission;

const fresh = freshWorld();
beforeEach(async () => {
  ({ db, deps, events, world } = await fresh());
});

const keysOf = (channelId: ChannelId) =>
  db.prisma.channel.findUniqueOrThrow({
    where: { id: channelId },
    select: { audience: true, epoch: true, devicesVersion: true },
  });

/** Members written straight into the tables: enough for set-based statements, without a service call each. */
async function addMembers(count: number): Promise<AccountId[]> {
  const ids: AccountId[] = [];
  for (let i = 0; i < count; i += 1) {
    ids.push(`00000000-0000-4000-8000-${String(i).padStart(12, '0')}` as AccountId);
  }
  await db.prisma.account.createMany({ data: ids.map((id) => ({ id, username: id, displayName: id })) });
  const joinedAt = new Date(deps.clock.now());
  const { communityId } = world;
  await db.prisma.member.createMany({ data: ids.map((accountId) => ({ communityId, accountId, joinedAt })) });
  await db.prisma.community.update({
    where: { id: communityId },
    data: { memberCount: { increment: count } },
  });
  return ids;
}

interface Shape {
  readonly everyone: number;
  readonly roleBits: readonly number[];
  /** Roles each member holds. */
  readonly held: readonly (readonly boolean[])[];
  /** [place 0 group / 1 channel, subject 0 everyone / 1…n roles / n+1… members, allow, deny] */
  readonly overrides: readonly (readonly [number, number, boolean, boolean])[];
}
const roleCount = 3;
const memberCount = 4;
const shape: fc.Arbitrary<Shape> = fc.record({
  everyone: fc.constantFrom(0, view, view | send),
  roleBits: fc.array(fc.constantFrom(0, view, send), { minLength: roleCount, maxLength: roleCount }),
  held: fc.array(fc.array(fc.boolean(), { minLength: roleCount, maxLength: roleCount }), {
    minLength: memberCount,
    maxLength: memberCount,
  }),
  overrides: fc.uniqueArray(
    fc.tuple(fc.nat(1), fc.nat(roleCount + memberCount), fc.boolean(), fc.boolean()),
    { maxLength: 8, selector: ([place, subject]) => `${place}/${subject}` },
  ),
});

/** What the policy says one member sees: [group, channel]. `index` −1 is the owner. */
function expectedView(s: Shape, index: number): [boolean, boolean] {
  const holds = s.held[index] ?? s.roleBits.map(() => false);
  const setAt = (place: number): OverrideSet => {
    const at = s.overrides.filter((o) => o[0] === place);
    const rule = ([, , allow, deny]: Shape['overrides'][number]) => ({
      allow: allow ? view : 0,
      deny: deny && !allow ? view : 0,
    });
    const everyone = at.find((o) => o[1] === 0);
    const member = at.find((o) => index >= 0 && o[1] === roleCount + 1 + index);
    const roles = at.filter((o) => o[1] >= 1 && o[1] <= roleCount && holds[o[1] - 1]);
    return {
      roles: roles.map(rule),
      ...(everyone && { everyone: rule(everyone) }),
      ...(member && { member: rule(member) }),
    };
  };
  const base = { isOwner: index < 0, everyone: s.everyone, roles: s.roleBits.filter((_, i) => holds[i]) };
  const sees = (levels: OverrideSet[]): boolean => (resolveBits({ ...base, levels }) & view) !== 0;
  return [sees([setAt(0)]), sees([setAt(0), setAt(1)])];
}

async function writeShape(s: Shape, roles: readonly RoleId[], members: readonly AccountId[]): Promise<void> {
  const { communityId, groupId, channelId } = world;
  await db.prisma.memberRole.deleteMany({});
  await db.prisma.override.deleteMany({});
  await db.prisma.role.update({ where: { id: world.roles.everyone }, data: { bits: s.everyone } });
  for (const [i, id] of roles.entries()) {
    await db.prisma.role.update({ where: { id }, data: { bits: s.roleBits[i]! } });
  }
  const held = members.flatMap((accountId, m) =>
    roles.filter((_, r) => s.held[m]![r]).map((roleId) => ({ communityId, accountId, roleId })),
  );
  await db.prisma.memberRole.createMany({ data: held });
  await db.prisma.override.createMany({
    data: s.overrides.map(([place, subject, allow, deny], i) => ({
      id: `10000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      groupId: place === 0 ? groupId : null,
      channelId: place === 1 ? channelId : null,
      roleId: [world.roles.everyone, ...roles][subject] ?? null,
      accountId: members[subject - roleCount - 1] ?? null,
      allow: allow ? view : 0,
      deny: deny && !allow ? view : 0,
    })),
  });
}

describe('the view bit in SQL', () => {
  it('agrees with resolveBits for everybody, in the channel and in the group', async () => {
    const { communityId, groupId, channelId, owner } = world;
    const members = await addMembers(memberCount);
    const helper = await owner.api.roles.create({ communityId, name: 'Helper', bits: 0 });
    const roles = [helper.roleId, world.roles.moderator, world.roles.admin];
    const check = async (s: Shape): Promise<void> => {
      await writeShape(s, roles, members);
      await transaction(db, (tx) => recompute(tx, deps, { channelId }));
      const people = [owner.accountId, ...members];
      const expected = people.map((_, i) => expectedView(s, i - 1));
      const readers = await readersOf(db, channelId);
      expect([...readers].sort()).toEqual(people.filter((_, i) => expected[i]![1]).sort());
      const viewers = await listGroupViewers(db, communityId, { groupIds: [groupId], accountId: null });
      const seers = people.filter((id, i) => id === owner.accountId || expected[i]![0] || expected[i]![1]);
      expect(viewers.map((v) => v.accountId).sort()).toEqual(seers.sort());
    };
    await fc.assert(fc.asyncProperty(shape, check), { numRuns: 60, seed: 20261124 });
  }, 120_000);
});

describe('recompute', () => {
  /** The owner and one role view #general's channel, everyone else does not. */
  async function close(): Promise<void> {
    const { communityId, channelId, roles, owner } = world;
    const at = { communityId, channelId };
    await owner.api.roles.setOverride({ ...at, accountId: owner.accountId, allow: view, deny: 0 });
    await owner.api.roles.setOverride({ ...at, roleId: roles.everyone, allow: 0, deny: view });
  }

  it('turns a channel restricted, keeping the time its readers could read from', async () => {
    const { communityId, channelId, owner } = world;
    const [gone] = await addMembers(1);
    const joinedAt = new Date(deps.clock.now() - 60_000);
    await db.prisma.member.updateMany({ where: { accountId: owner.accountId }, data: { joinedAt } });
    await db.prisma.channel.update({ where: { id: channelId }, data: { createdAt: joinedAt } });
    await close();
    expect(await keysOf(channelId)).toEqual({ audience: 'restricted', epoch: 2, devicesVersion: 2 });
    const rows = await db.prisma.channelReader.findMany({ where: { channelId } });
    expect(rows).toEqual([{ channelId, accountId: owner.accountId, sinceAt: joinedAt }]);
    expect(events.argsOf('changeReaders')).toEqual([
      [channelId, { joined: [owner.accountId], left: [gone] }],
    ]);
    const to = { to: 'account', accountId: gone };
    expect(events.of('channel.deleted')).toMatchObject([{ audience: to, event: { communityId, channelId } }]);
  });

  it('opens a channel again: rows go, newcomers start at its head', async () => {
    const { communityId, channelId, roles, owner } = world;
    const [newcomer] = await addMembers(1);
    await close();
    await db.prisma.channel.update({ where: { id: channelId }, data: { lastSeq: 9, lastOrdinal: 7 } });
    events.clear();
    const at = { communityId, channelId };
    await owner.api.roles.setOverride({ ...at, roleId: roles.everyone, allow: 0, deny: 0 });
    expect(await keysOf(channelId)).toEqual({ audience: 'community', epoch: 2, devicesVersion: 3 });
    expect(await db.prisma.channelReader.count()).toBe(0);
    expect(await readersOf(db, channelId)).toHaveLength(2);
    const cursors = await db.prisma.channelCursor.findMany({
      select: { accountId: true, readOrdinal: true },
    });
    expect(cursors).toEqual([{ accountId: newcomer, readOrdinal: 7 }]);
    expect(events.argsOf('dissolveChannel')).toEqual([[channelId]]);
  });

  it('changes sockets before anything is said about it', async () => {
    await addMembers(2);
    await close();
    const calls = events.calls.slice(events.calls.findIndex((c) => c.call === 'changeReaders'));
    const said = calls.map((c) => (c.call === 'publish' ? c.event.type : c.call));
    expect(said.slice(0, 2)).toEqual(['changeReaders', 'channel.rekeyed']);
    expect(said.filter((word) => word === 'channel.deleted')).toHaveLength(2);
  });

  it('changes nothing and says nothing when nothing changed', async () => {
    const { channelId } = world;
    const before = await keysOf(channelId);
    events.clear();
    expect(await transaction(db, (tx) => recompute(tx, deps, { channelId }))).toEqual([]);
    expect(await keysOf(channelId)).toEqual(before);
    expect(events.calls).toEqual([]);
  });

  it('walks members in slices that miss nobody', async () => {
    const { communityId, channelId, owner } = world;
    const members = await addMembers(7);
    await close();
    await db.prisma.override.deleteMany({});
    const joined: AccountId[] = [];
    let after: AccountId | null = null;
    do {
      const slice = { accountId: null, after, limit: 3 };
      const now = new Date();
      const found = await diffReaders(db, communityId, { channelIds: [channelId], slice, now });
      expect(found.length).toBeLessThanOrEqual(3);
      joined.push(...found.map((change) => change.accountId));
      after = await sliceEnd(db, communityId, slice);
    } while (after !== null);
    expect(joined.sort()).toEqual(members.sort());
    expect(await readersOf(db, channelId)).toHaveLength(members.length + 1);
    expect(await readersOf(db, channelId)).toContain(owner.accountId);
  });
});

describe('the limit on readers', () => {
  let late: Someone;
  beforeEach(async () => {
    late = await makeSomeone(deps);
    await addMembers(limits.readersPerChannel - 1);
  });
  const full = { code: 'limit_reached', limit: 'readersPerChannel', max: limits.readersPerChannel };

  it('is said when inviting and when joining, and leaves nothing behind', async () => {
    const { communityId, owner, channelId } = world;
    const code = 'A'.repeat(16);
    await db.prisma.invite.create({ data: { code, communityId, createdById: owner.accountId } });
    expect(await refusal(owner.api.invites.create({ communityId }))).toEqual(full);
    const before = await keysOf(channelId);
    events.clear();
    expect(await refusal(late.api.invites.accept({ code }))).toEqual(full);
    expect(await keysOf(channelId)).toEqual(before);
    expect(await db.prisma.invite.findUnique({ where: { code } })).toMatchObject({ uses: 0 });
    expect(await db.prisma.member.count()).toBe(limits.readersPerChannel);
    expect(events.calls).toEqual([]);
  });

  it('is said when an override or a role would let too many in, and when making a channel', async () => {
    const { communityId, groupId, channelId, owner, roles } = world;
    const at = { communityId, channelId };
    await owner.api.roles.setOverride({ ...at, accountId: owner.accountId, allow: view, deny: 0 });
    await owner.api.roles.setOverride({ ...at, roleId: roles.everyone, allow: 0, deny: view });
    const { code } = await owner.api.invites.create({ communityId });
    await late.api.invites.accept({ code });
    const open = owner.api.roles.setOverride({ ...at, roleId: roles.everyone, allow: 0, deny: 0 });
    expect(await refusal(open)).toEqual(full);
    expect(await refusal(owner.api.channels.create({ communityId, groupId, name: 'more' }))).toEqual(full);
    expect(await keysOf(channelId)).toMatchObject({ audience: 'restricted' });
    expect(await readersOf(db, channelId)).toEqual([owner.accountId]);
    expect(await db.prisma.channel.count()).toBe(1);
  });
});

describe('members with a role', () => {
  it('gain and lose a private channel with it, under a new epoch', async () => {
    const { communityId, channelId, owner, roles } = world;
    const person = await makeMember(deps, world);
    const at = { communityId, channelId };
    await owner.api.roles.setOverride({ ...at, accountId: owner.accountId, allow: view, deny: 0 });
    await owner.api.roles.setOverride({ ...at, roleId: roles.moderator, allow: view, deny: 0 });
    await owner.api.roles.setOverride({ ...at, roleId: roles.everyone, allow: 0, deny: view });
    const closed = await keysOf(channelId);
    const grant = { roleId: roles.moderator, accountId: person.accountId };
    await owner.api.roles.assign(grant);
    expect(await readersOf(db, channelId)).toContain(person.accountId);
    const opened = await keysOf(channelId);
    expect(opened).toEqual({ ...closed, devicesVersion: closed.devicesVersion + 1 });
    await owner.api.roles.unassign(grant);
    expect(await readersOf(db, channelId)).not.toContain(person.accountId);
    expect(await keysOf(channelId)).toMatchObject({ epoch: closed.epoch + 1 });
  });
});

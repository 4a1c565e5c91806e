import { beforeEach, describe, expect, it } from 'vitest';
import type { Deps } from '#server/deps.ts';
import { communitiesOf, communityStructure } from '#server/domains/communities/communities.service.ts';
import type { AccountId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { allPermissions, rolePresets } from '#shared/permissions.ts';
import { refusal } from '#test/support/deps.ts';
import { makeMember, makeSomeone, type Someone, type World } from '#test/support/factories.ts';
import { freshWorld } from '#test/support/fresh.ts';
import type { RecordedEvents } from '#test/support/recorded-events.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let deps: Deps;
let events: RecordedEvents;
let world: World;
let person: Someone;

const fresh = freshWorld();
beforeEach(async () => {
  ({ db, deps, events, world } = await fresh());
  person = await makeMember(deps, world);
  events.clear();
});

const versionOf = async (): Promise<number> =>
  (await db.prisma.community.findUniqueOrThrow({ where: { id: world.communityId } })).version;

describe('communities.create', () => {
  it('makes it whole: preset roles, General, #general, the creator as owner', async () => {
    const someone = await makeSomeone(deps);
    const made = await someone.api.communities.create({ name: '  Home  ' });
    expect(made).toMatchObject({ name: 'Home', ownerId: someone.accountId, memberCount: 1, version: 1 });
    expect(made.groups).toMatchObject([{ name: 'General', position: 0 }]);
    expect(made.channels).toMatchObject([{ name: 'general', kind: 'text', epoch: 1, isArchived: false }]);
    expect(made.roles.map((r) => [r.position, r.name, r.bits])).toEqual([
      [2, 'Admin', allPermissions],
      [1, 'Moderator', rolePresets.moderator.bits],
      [0, 'everyone', rolePresets.member.bits],
    ]);
    expect(made).toEqual(await communityStructure(db, someone.accountId, made.communityId));
    expect(await communitiesOf(db, someone.accountId)).toEqual([
      { communityId: made.communityId, version: 1 },
    ]);
    expect(events.calls).toEqual([
      { call: 'joinCommunity', args: [someone.accountId, made.communityId] },
      {
        call: 'publish',
        audience: { to: 'account', accountId: someone.accountId },
        event: { type: 'community.joined', community: made },
      },
    ]);
  });

  it('stops at the number of communities one may be in', async () => {
    const rows = Array.from({ length: limits.communitiesPerAccount - 1 }, (_, i) => ({
      id: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      name: `c${i}`,
      ownerId: person.accountId,
    }));
    await db.prisma.community.createMany({ data: rows });
    const joinedAt = new Date();
    const { accountId } = person;
    await db.prisma.member.createMany({
      data: rows.map(({ id }) => ({ communityId: id, accountId, joinedAt })),
    });
    expect(await refusal(person.api.communities.create({ name: 'One too many' }))).toEqual({
      code: 'limit_reached',
      limit: 'communitiesPerAccount',
      max: limits.communitiesPerAccount,
    });
  });
});

describe('communities.get and update', () => {
  it('shows members the community and others nothing', async () => {
    const { communityId } = world;
    const stranger = await makeSomeone(deps);
    expect((await person.api.communities.get({ communityId })).memberCount).toBe(2);
    expect(await refusal(stranger.api.communities.get({ communityId }))).toEqual({ code: 'not_found' });
  });

  it('changes name and words under a new version', async () => {
    const { communityId, owner } = world;
    const before = await versionOf();
    expect(await refusal(person.api.communities.update({ communityId, name: 'Mine' }))).toEqual({
      code: 'forbidden',
      reason: 'permission',
    });
    await owner.api.communities.update({ communityId, description: 'Words' });
    expect(await versionOf()).toBe(before + 1);
    expect(events.of('community.updated')).toEqual([
      {
        audience: { to: 'community', communityId },
        event: {
          type: 'community.updated',
          communityId,
          version: before + 1,
          name: 'World',
          description: 'Words',
          ownerId: owner.accountId,
        },
      },
    ]);
  });
});

describe('communities.members', () => {
  it('pages by time of joining, everybody once', async () => {
    const { communityId } = world;
    for (let i = 0; i < 4; i += 1) await makeMember(deps, world);
    const seen: AccountId[] = [];
    let after: { joinedAt: number; accountId: AccountId } | undefined;
    for (let pages = 0; pages < 10; pages += 1) {
      const page = await person.api.communities.members({ communityId, limit: 2, ...(after && { after }) });
      seen.push(...page.members.map((m) => m.profile.accountId));
      const last = page.members.at(-1)!;
      after = { joinedAt: last.joinedAt, accountId: last.profile.accountId };
      if (!page.hasMore) break;
    }
    expect(seen).toHaveLength(6);
    expect(new Set(seen).size).toBe(6);
  });
});

describe('leave, kick and ban', () => {
  it('let nobody but the owner stay for ever', async () => {
    const { communityId, owner } = world;
    expect(await refusal(owner.api.communities.leave({ communityId }))).toEqual({
      code: 'forbidden',
      reason: 'owner',
    });
    await person.api.communities.leave({ communityId });
    expect(await refusal(person.api.communities.leave({ communityId }))).toEqual({ code: 'not_found' });
  });

  it('a kick acts on sockets first, then on epochs, then is told', async () => {
    const { communityId, channelId, owner } = world;
    const before = await versionOf();
    const { accountId } = person;
    await owner.api.communities.kick({ communityId, accountId });
    const version = before + 1;
    const memberCount = 1;
    expect(events.calls).toEqual([
      { call: 'leaveCommunity', args: [accountId, communityId] },
      {
        call: 'publish',
        audience: { to: 'channel', channelId, communityId },
        event: { type: 'channel.rekeyed', channelId, epoch: 2, devicesVersion: 3 },
      },
      {
        call: 'publish',
        audience: { to: 'account', accountId },
        event: { type: 'community.left', communityId, reason: 'kicked' },
      },
      {
        call: 'publish',
        audience: { to: 'community', communityId },
        event: { type: 'member.left', communityId, version, accountId, reason: 'kicked', memberCount },
      },
    ]);
    expect(await refusal(person.api.communities.get({ communityId }))).toEqual({ code: 'not_found' });
  });

  it('raise the epoch of exactly the channels that person read', async () => {
    const { communityId, groupId, channelId, owner, roles } = world;
    const closed = await owner.api.channels.create({ communityId, groupId, name: 'closed' });
    const at = { communityId, channelId: closed.channelId };
    await owner.api.roles.setOverride({ ...at, accountId: owner.accountId, allow: 1, deny: 0 });
    await owner.api.roles.setOverride({ ...at, roleId: roles.everyone, allow: 0, deny: 1 });
    const { channelId: dm } = (await person.api.dms.open({ accountId: owner.accountId })).channel;
    const epochs = async (): Promise<Map<string, number>> =>
      new Map((await db.prisma.channel.findMany()).map((row) => [row.id, row.epoch]));
    const before = await epochs();
    await owner.api.communities.ban({ communityId, accountId: person.accountId });
    const after = await epochs();
    expect(after.get(channelId)).toBe(before.get(channelId)! + 1);
    expect(after.get(closed.channelId)).toBe(before.get(closed.channelId));
    expect(after.get(dm)).toBe(before.get(dm));
  });

  it('a kick ends the invites that person made, a leave does not', async () => {
    const { communityId, owner } = world;
    const { code } = await person.api.invites.create({ communityId });
    await person.api.communities.leave({ communityId });
    await person.api.invites.accept({ code });
    await owner.api.communities.kick({ communityId, accountId: person.accountId });
    expect(await refusal(person.api.invites.accept({ code }))).toEqual({ code: 'invite_invalid' });
  });

  it('a ban keeps people out, members or not, until it is lifted', async () => {
    const { communityId, owner } = world;
    const outsider = await makeSomeone(deps);
    const { code } = await owner.api.invites.create({ communityId });
    await owner.api.communities.ban({ communityId, accountId: outsider.accountId, reason: 'spam' });
    await owner.api.communities.ban({ communityId, accountId: outsider.accountId, reason: 'again' });
    await owner.api.communities.ban({ communityId, accountId: person.accountId });
    for (const { api } of [outsider, person]) {
      expect(await refusal(api.invites.accept({ code }))).toEqual({ code: 'forbidden', reason: 'banned' });
    }
    const bans = await owner.api.communities.bans({ communityId });
    expect(bans.map((b) => [b.profile.accountId, b.reason, b.bannedBy]).sort()).toEqual(
      [
        [outsider.accountId, 'spam', owner.accountId],
        [person.accountId, '', owner.accountId],
      ].sort(),
    );
    await owner.api.communities.unban({ communityId, accountId: outsider.accountId });
    expect((await outsider.api.invites.accept({ code })).communityId).toBe(communityId);
    expect(
      await refusal(owner.api.communities.unban({ communityId, accountId: outsider.accountId })),
    ).toEqual({
      code: 'not_found',
    });
  });
});

describe('communities.delete', () => {
  it('takes everything with it and tells every member, after sockets left', async () => {
    const { communityId, channelId, owner } = world;
    expect(await refusal(person.api.communities.delete({ communityId }))).toEqual({
      code: 'forbidden',
      reason: 'permission',
    });
    events.clear();
    await owner.api.communities.delete({ communityId });
    expect(events.calls.slice(0, 2)).toEqual([
      { call: 'dissolveCommunity', args: [communityId] },
      { call: 'dissolveChannel', args: [channelId] },
    ]);
    const told = events.of('community.left').map((e) => e.audience);
    expect(told).toHaveLength(2);
    expect(told).toContainEqual({ to: 'account', accountId: person.accountId });
    for (const count of [db.prisma.channel, db.prisma.group, db.prisma.role, db.prisma.member]) {
      expect(await (count as typeof db.prisma.group).count()).toBe(0);
    }
  });
});

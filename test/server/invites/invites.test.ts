import { beforeEach, describe, expect, it } from 'vitest';
import type { Deps } from '#server/deps.ts';
import { acceptInviteIn } from '#server/domains/invites/invites.service.ts';
import { transaction } from '#server/platform/transaction.ts';
import { limits } from '#shared/limits.ts';
import { caller, refusal } from '#test/support/deps.ts';
import { makeMember, makeSomeone, type Someone, type World } from '#test/support/factories.ts';
import type { ManualClock } from '#test/support/clock.ts';
import { freshWorld } from '#test/support/fresh.ts';
import type { RecordedEvents } from '#test/support/recorded-events.ts';
import type { TestDatabase } from '#test/support/test-db.ts';

let db: TestDatabase;
let deps: Deps;
let events: RecordedEvents;
let clock: ManualClock;
let world: World;
let guest: Someone;

const fresh = freshWorld();
beforeEach(async () => {
  ({ db, deps, events, clock, world } = await fresh());
  guest = await makeSomeone(deps, { name: 'guest' });
  events.clear();
});

const usesOf = async (code: string): Promise<number> =>
  (await db.prisma.invite.findUniqueOrThrow({ where: { code } })).uses;
const invalid = { code: 'invite_invalid' };

describe('invites.create, list and revoke', () => {
  it('makes codes of 96 bits that show what they open to anybody', async () => {
    const { communityId, owner } = world;
    const invite = await owner.api.invites.create({ communityId, maxUses: 3, expiresInMs: 3_600_000 });
    expect(invite.code).toMatch(/^[A-Za-z0-9_-]{16}$/);
    expect(invite).toMatchObject({ uses: 0, maxUses: 3, expiresAt: clock.now() + 3_600_000 });
    const { accountId } = owner;
    const [genesis, next] = [1, 2].map((byte) => new Uint8Array(40).fill(byte));
    await db.prisma.accountLogEntry.createMany({
      data: [genesis, next].map((bytes, seq) => ({ accountId, seq, bytes: bytes!, hash: bytes! })),
    });
    expect(await caller(deps, null).invites.preview({ code: invite.code })).toEqual({
      communityId,
      communityName: 'World',
      description: '',
      memberCount: 1,
      inviterName: 'owner',
      inviterId: accountId,
      inviterGenesis: Buffer.from(genesis!).toString('base64url'),
    });
    expect(events.calls).toEqual([]);
  });

  it('shows all to those who manage the community, own ones to others; both may revoke theirs', async () => {
    const { communityId, owner } = world;
    const person = await makeMember(deps, world);
    const other = await makeMember(deps, world);
    const byOwner = await owner.api.invites.create({ communityId });
    const byPerson = await person.api.invites.create({ communityId });
    const codes = async (someone: Someone): Promise<string[]> =>
      (await someone.api.invites.list({ communityId })).map((i) => i.code).sort();
    expect(await codes(owner)).toEqual([byOwner.code, byPerson.code].sort());
    expect(await codes(person)).toEqual([byPerson.code]);
    expect(await refusal(other.api.invites.revoke({ code: byPerson.code }))).toEqual({
      code: 'forbidden',
      reason: 'permission',
    });
    expect(await refusal(guest.api.invites.revoke({ code: byPerson.code }))).toEqual({ code: 'not_found' });
    await person.api.invites.revoke({ code: byPerson.code });
    await owner.api.invites.revoke({ code: byOwner.code });
    expect(await codes(owner)).toEqual([]);
    expect(await refusal(guest.api.invites.accept({ code: byOwner.code }))).toEqual(invalid);
  });

  it('stops at the number of invites that still work', async () => {
    const { communityId, owner } = world;
    const row = { communityId, createdById: owner.accountId };
    const codes = Array.from({ length: limits.invitesPerCommunity }, (_, i) => `code${i}`.padEnd(16, 'x'));
    await db.prisma.invite.createMany({ data: codes.map((code) => ({ ...row, code })) });
    const full = { code: 'limit_reached', limit: 'invitesPerCommunity', max: limits.invitesPerCommunity };
    expect(await refusal(owner.api.invites.create({ communityId }))).toEqual(full);
    await owner.api.invites.revoke({ code: codes[0]! });
    await owner.api.invites.create({ communityId });
  });
});

describe('invites.accept', () => {
  it('lets in, sockets first, then tells the newcomer, then everybody', async () => {
    const { communityId, channelId, owner } = world;
    const { code } = await owner.api.invites.create({ communityId });
    const structure = await guest.api.invites.accept({ code });
    expect(structure).toMatchObject({ communityId, memberCount: 2, own: { roleIds: [] } });
    const { accountId } = guest;
    expect(
      events.calls.map((c) => (c.call === 'publish' ? [c.event.type, c.audience] : [c.call, c.args])),
    ).toEqual([
      ['joinCommunity', [accountId, communityId]],
      ['channel.rekeyed', { to: 'channel', channelId, communityId }],
      ['community.joined', { to: 'account', accountId }],
      ['member.joined', { to: 'community', communityId }],
    ]);
    expect(events.of('channel.rekeyed')[0]!.event).toMatchObject({ epoch: 1, devicesVersion: 2 });
    expect(events.of('member.joined')[0]!.event).toMatchObject({
      version: structure.version,
      memberCount: 2,
      member: { profile: { accountId, displayName: 'guest' }, nickname: null, roleIds: [] },
    });
  });

  it('gives members their community back without counting a use', async () => {
    const { communityId, owner } = world;
    const { code } = await owner.api.invites.create({ communityId, maxUses: 1 });
    const first = await guest.api.invites.accept({ code });
    events.clear();
    expect(await guest.api.invites.accept({ code })).toEqual(first);
    expect(await usesOf(code)).toBe(1);
    expect(events.calls).toEqual([]);
  });

  it.each([
    ['unknown', async () => undefined],
    ['revoked', async (code: string) => world.owner.api.invites.revoke({ code })],
    ['expired', async () => clock.advance(3_600_001)],
    ['used up', async () => db.prisma.invite.updateMany({ data: { uses: 2 } })],
  ] as const)('refuses an %s code, and previews nothing', async (word, spoil) => {
    const { communityId, owner } = world;
    const invite = await owner.api.invites.create({ communityId, maxUses: 2, expiresInMs: 3_600_000 });
    const code = word === 'unknown' ? 'B'.repeat(16) : invite.code;
    await spoil(code);
    expect(await refusal(guest.api.invites.accept({ code }))).toEqual(invalid);
    expect(await refusal(caller(deps, null).invites.preview({ code }))).toEqual(invalid);
    expect(await db.prisma.member.count()).toBe(1);
  });

  it('lets exactly one of many through a one-use invite', async () => {
    const { communityId, owner } = world;
    const { code } = await owner.api.invites.create({ communityId, maxUses: 1 });
    const rivals = await Promise.all(Array.from({ length: 5 }, () => makeSomeone(deps)));
    const outcomes = await Promise.allSettled(rivals.map(({ api }) => api.invites.accept({ code })));
    expect(outcomes.filter((o) => o.status === 'fulfilled')).toHaveLength(1);
    expect(await usesOf(code)).toBe(1);
    const { memberCount } = await owner.api.communities.get({ communityId });
    expect(memberCount).toBe(2);
    expect(await db.prisma.member.count()).toBe(2);
  });

  it('counts one use and one member when the same person accepts twice at once', async () => {
    const { communityId, owner } = world;
    const { code } = await owner.api.invites.create({ communityId });
    await Promise.all(Array.from({ length: 3 }, () => guest.api.invites.accept({ code })));
    expect(await usesOf(code)).toBe(1);
    expect((await owner.api.communities.get({ communityId })).memberCount).toBe(2);
  });

  it('undoes the join when the transaction around it fails', async () => {
    const { communityId, owner } = world;
    const { code } = await owner.api.invites.create({ communityId });
    events.clear();
    const work = transaction(db, async (tx) => {
      await acceptInviteIn(tx, deps, { accountId: guest.accountId, code });
      throw new Error('registration failed');
    });
    await expect(work).rejects.toThrow('registration failed');
    expect(await usesOf(code)).toBe(0);
    expect(await db.prisma.member.count()).toBe(1);
    expect(events.calls).toEqual([]);
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import { refusal, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { makeIdentity } from '../../support/keys.ts';
import { registerPerson, type Person } from '../../support/people.ts';
import { placeCommunity, placeDm } from '../../support/places.ts';
import type { TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let bob: Person;

const fresh = freshPeople({ ada: { username: 'ada' }, bob: { username: 'bob' } });
beforeEach(async () => {
  ({ db, world, ada, bob } = await fresh());
  world.events.clear();
});

const profile = {
  username: 'bob',
  displayName: 'bob',
  bio: '',
  pronouns: '',
  isDeleted: false,
};

describe('users.profiles', () => {
  const see = (...others: { accountId: Person['accountId'] }[]) =>
    ada.api.users.profiles({ accountIds: others.map((o) => o.accountId) });

  it('shows oneself, people of a shared community and DM partners, nobody else', async () => {
    expect(await refusal(see(bob))).toEqual({ code: 'not_found' });
    expect(await refusal(see(makeIdentity()))).toEqual({ code: 'not_found' });
    expect((await see(ada, bob)).map((p) => p.username)).toEqual(['ada']);
    await placeDm(db, ada, bob);
    expect(await see(bob)).toEqual([{ accountId: bob.accountId, ...profile }]);
    const cyd = await registerPerson(world.deps, { username: 'cyd' });
    expect(await refusal(see(cyd))).toEqual({ code: 'not_found' });
    await placeCommunity(db, [cyd, ada]);
    expect((await see(cyd)).map((p) => p.username)).toEqual(['cyd']);
  });

  it('shows nothing of a deleted account but that it was deleted', async () => {
    await placeDm(db, ada, bob);
    const data = { deletedAt: new Date(), username: null, displayName: 'Bob', bio: 'secret' };
    await db.prisma.account.update({ where: { id: bob.accountId }, data });
    const gone = { ...profile, username: '', displayName: '', isDeleted: true };
    expect(await see(bob)).toEqual([{ accountId: bob.accountId, ...gone }]);
  });
});

describe('users.update', () => {
  it('changes what is given, raises the version, and tells everybody who sees it', async () => {
    const channelId = await placeDm(db, ada, bob);
    const { communityId } = await placeCommunity(db, [ada, bob]);
    const before = await bob.api.users.me();
    const after = await bob.api.users.update({ displayName: ' Bob B. ', bio: 'Hello' });
    expect(after).toEqual({ ...before, displayName: 'Bob B.', bio: 'Hello', version: before.version + 1 });
    expect(await bob.api.users.update({ bio: '' })).toMatchObject({ displayName: 'Bob B.', bio: '' });
    expect(world.events.of('account.updated')[0]).toEqual({
      audience: { to: 'account', accountId: bob.accountId },
      event: { type: 'account.updated', account: after },
    });
    const [first, second] = world.events.of('profile.updated');
    expect([first?.audience, second?.audience]).toEqual([
      { to: 'community', communityId },
      { to: 'channel', channelId, communityId: null },
    ]);
    expect(first?.event.profile).toEqual({
      accountId: bob.accountId,
      ...profile,
      displayName: 'Bob B.',
      bio: 'Hello',
    });
  });
});

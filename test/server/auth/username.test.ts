import { beforeEach, expect, it } from 'vitest';
import { toBase64Url } from '#crypto/index.ts';
import { caller, refusal, testRequest, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { makeHome, registerPerson, type Person } from '../../support/people.ts';
import { countRows } from '../../support/row-counts.ts';
import type { TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;

const fresh = freshPeople({ ada: { username: 'ada' } });
beforeEach(async () => {
  ({ db, world, ada } = await fresh());
});

const rename = (username: string, loginSecret = ada.loginSecret) =>
  ada.api.account.changeUsername({ loginSecret, username });

it('is what one logs in with from then on, heard of by everybody who sees the profile', async () => {
  const ben = await registerPerson(world.deps, { username: 'ben' });
  const { communityId } = await makeHome(ada, ben);
  const dm = await ada.api.dms.open({ accountId: ben.accountId });
  const { version } = await ada.api.users.me();
  world.events.clear();
  const account = await rename(' Ada.Lovelace ');
  expect(account).toMatchObject({ username: 'ada.lovelace', version: version + 1 });
  const heard = world.events.of('profile.updated');
  expect(heard.map(({ audience }) => audience)).toEqual([
    { to: 'community', communityId },
    { to: 'channel', channelId: dm.channel.channelId, communityId: null },
  ]);
  expect(heard[0]?.event.profile.username).toBe('ada.lovelace');
  expect(world.events.of('account.updated')[0]?.event.account.username).toBe('ada.lovelace');
  const anybody = caller(world.deps, null, testRequest());
  const { loginSecret } = ada;
  expect((await anybody.auth.login({ username: 'ada.lovelace', loginSecret })).accountId).toBe(ada.accountId);
  expect(await refusal(anybody.auth.login({ username: 'ada', loginSecret }))).toEqual({
    code: 'bad_credentials',
  });
  // The former name is free at once, and the new owner of the name is somebody else.
  const next = await registerPerson(world.deps, { username: 'ada' });
  expect(next.accountId).not.toBe(ada.accountId);
});

it('is refused without the password, and when it is taken or reserved', async () => {
  await registerPerson(world.deps, { username: 'ben' });
  const before = await countRows(db);
  expect(await refusal(rename('free', toBase64Url(new Uint8Array(32))))).toEqual({ code: 'bad_credentials' });
  expect(await refusal(rename('BEN'))).toEqual({ code: 'taken' });
  expect(await refusal(rename('admin'))).toEqual({ code: 'taken' });
  expect(await countRows(db)).toEqual(before);
});

it('of two who want one name exactly one gets it', async () => {
  const ben = await registerPerson(world.deps, { username: 'ben' });
  const both = await Promise.allSettled(
    [ada, ben].map((person) =>
      person.api.account.changeUsername({ loginSecret: person.loginSecret, username: 'wanted' }),
    ),
  );
  expect(both.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected']);
});

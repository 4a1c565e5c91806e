// Coming and going: leaving and coming back, a link that is taken back, a ban.
import { log, message, say } from './support/chat.ts';
import { expect, test } from './support/journey.ts';
import { register, setUpOwner } from './support/people.ts';

test('leave, come back by the link, be banned; a link taken back opens nothing', async ({
  server,
  visit,
}) => {
  const { page: a } = await visit();
  const { page: b } = await visit();
  const { inviteUrl } = await setUpOwner(a, server);
  await register(b, inviteUrl);
  const members = a.getByRole('complementary', { name: 'Members' });
  await say(b, 'Hello there');
  await expect(message(a, 'Hello there')).toBeVisible();

  await test.step('leaving takes the community away; what was written stays', async () => {
    await b.getByRole('button', { name: 'Menu of Workshop' }).click();
    await b.getByRole('menuitem', { name: 'Leave Workshop…' }).click();
    await b.getByRole('button', { name: 'Leave', exact: true }).click();
    await expect(b.getByRole('link', { name: /Workshop/ })).toHaveCount(0);
    await expect(members.getByRole('button', { name: /Ben/ })).toHaveCount(0);
    await expect(message(a, 'Hello there')).toBeVisible();
  });

  await test.step('the link lets them in again', async () => {
    await b.goto(inviteUrl);
    await b.getByRole('button', { name: 'Join Workshop' }).click();
    await b.waitForURL(/\/c\/[^/]+/);
    await say(a, 'Welcome back');
    await expect(message(b, 'Welcome back')).toBeVisible();
  });

  await test.step('a ban ends it at once, and the link is of no use to them', async () => {
    await members.getByRole('button', { name: /Ben/ }).click();
    await a.getByRole('button', { name: 'Ban Ben…' }).click();
    await a.getByRole('button', { name: 'Ban', exact: true }).click();
    await expect(a.getByText('Ben was banned')).toBeVisible();
    await expect(b.getByRole('heading', { name: 'You’re no longer in Workshop' })).toBeVisible();
    await expect(log(b)).toHaveCount(0);
    await b.goto(inviteUrl);
    await b.getByRole('button', { name: 'Join Workshop' }).click();
    await expect(b.getByRole('alert')).toBeVisible();
    await b.goto(server.url);
    await expect(b.getByRole('link', { name: /Workshop/ })).toHaveCount(0);
  });

  await test.step('a link taken back opens nothing for anybody', async () => {
    const { page: c } = await visit();
    await c.goto(inviteUrl);
    await expect(c.getByRole('link', { name: 'Create an account and join' })).toBeVisible();
    await a.getByRole('button', { name: 'Menu of Workshop' }).click();
    await a.getByRole('menuitem', { name: 'Invite people' }).click();
    await a.getByRole('button', { name: /^Revoke / }).click();
    await expect(a.getByRole('button', { name: /^Revoke / })).toHaveCount(0);
    await c.reload();
    await expect(c.getByRole('heading', { name: 'This invite doesn’t work' })).toBeVisible();
  });
});

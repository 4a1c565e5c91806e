import { ada, ben, fillLogin, register, setUpOwner } from './support/people.ts';
import { expect, test } from './support/journey.ts';

test('set-up, invite, registration', async ({ server, visit }) => {
  const owner = await visit();
  const { inviteUrl, communityUrl } = await setUpOwner(owner.page, server);
  const guest = await visit();
  await register(guest.page, inviteUrl, ben);
  expect(guest.page.url()).toContain(new URL(communityUrl).pathname.split('/')[2]);
});

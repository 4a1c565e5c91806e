// Every page on the way in and the settings, at both widths, in both themes.
import { expectAccessible } from './support/accessible.ts';
import { expect, test } from './support/journey.ts';
import { ada, fillAccount, fillLogin, retypeCode } from './support/people.ts';

test('the way in and the settings are accessible', async ({ server, visit }) => {
  test.setTimeout(240_000);
  const { page } = await visit();
  await page.goto(server.setupUrl);
  await page.getByRole('button', { name: 'Create account' }).click();
  await expectAccessible(page, 'set-up with faults');
  const code = await fillAccount(page, ada);
  await expectAccessible(page, 'recovery code');
  await page.getByRole('button', { name: 'I’ve written it down' }).click();
  await expectAccessible(page, 're-type');
  await page.getByRole('button', { name: 'Show the code again' }).click();
  await retypeCode(page, code);
  await expect(page.getByLabel('Instance name')).toBeVisible({ timeout: 60_000 });
  await expectAccessible(page, 'this server');
  await page.getByLabel('Instance name').fill('Linden Street');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Community name').fill('Workshop');
  await expectAccessible(page, 'first community');
  await page.getByRole('button', { name: 'Create community' }).click();
  const inviteUrl = await page.getByLabel('Invite link').inputValue();
  await expectAccessible(page, 'invite link');
  for (const section of ['profile', 'devices', 'appearance']) {
    await page.goto(`${server.url}/settings/${section}`);
    await expect(page.getByRole('main').getByRole('heading', { level: 1 })).toBeVisible();
    await expectAccessible(page, `settings, ${section}`);
  }

  const guest = await visit();
  await guest.page.goto(inviteUrl);
  await expect(guest.page.getByRole('heading', { name: 'Workshop' })).toBeVisible();
  await expectAccessible(guest.page, 'invite');
  await guest.page.getByRole('link', { name: 'Create an account and join' }).click();
  await expectAccessible(guest.page, 'register');
  await guest.page.goto(`${server.url}/login`);
  await fillLogin(guest.page, { username: 'ada', password: 'not the password' });
  await expect(guest.page.getByRole('alert')).toBeVisible({ timeout: 60_000 });
  await expectAccessible(guest.page, 'log in, refused');
  await guest.page.goto(`${server.url}/nowhere`);
  await expectAccessible(guest.page, 'not found');
});

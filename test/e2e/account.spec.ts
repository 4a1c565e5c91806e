// One's own account, as people change it: another password, back in by the recovery code, and its end as others see it.
import type { Page } from '@playwright/test';
import { ada, ben, fillLogin, logIn, logOut, register, retypeCode, setUpOwner } from './support/people.ts';
import { expect, test } from './support/journey.ts';

const SLOW_MS = 60_000;
const changed = 'harbour violin turnip twelve';
const lookUp = 'That username and recovery code don’t belong together';

async function fillRecovery(page: Page, code: string): Promise<void> {
  // The log-in page has a "Username" too, and stays until this page is loaded.
  await expect(page.getByRole('heading', { name: 'Get back in' })).toBeVisible();
  await page.getByLabel('Username').fill(ada.username);
  await page.getByLabel('Recovery code').fill(code);
  await page.getByLabel('New password', { exact: true }).fill(changed);
  await page.getByRole('button', { name: 'Continue' }).click();
}

test('another password: the former one is refused, the new one opens a second browser', async ({
  server,
  visit,
}) => {
  const desk = await visit();
  await setUpOwner(desk.page, server);
  await desk.page.goto(`${server.url}/settings/account`);
  await desk.page.getByRole('button', { name: 'Change password…' }).click();
  const dialog = desk.page.getByRole('dialog');
  await dialog.getByLabel('Current password').fill('not my password');
  await dialog.getByLabel('New password', { exact: true }).fill(changed);
  await dialog.getByRole('button', { name: 'Change password' }).click();
  await expect(dialog.getByText('That isn’t your password.')).toBeVisible({ timeout: SLOW_MS });
  await dialog.getByLabel('Current password').fill(ada.password);
  await dialog.getByRole('button', { name: 'Change password' }).click();
  await expect(desk.page.getByText('Password changed')).toBeVisible({ timeout: SLOW_MS });

  const laptop = await visit();
  await laptop.page.goto(`${server.url}/login`);
  await fillLogin(laptop.page, ada);
  await expect(laptop.page.getByRole('alert')).toBeVisible({ timeout: SLOW_MS });
  await logIn(laptop.page, server, { ...ada, password: changed });
  await expect(laptop.page.getByText('This browser is now one of your devices.')).toBeVisible();
});

test('forgot the password: the recovery code lets one in with a new one, and is used up', async ({
  server,
  visit,
}) => {
  const { page } = await visit();
  const { recoveryCode } = await setUpOwner(page, server);
  await logOut(page, server);

  // On a browser that never saw the account.
  const laptop = await visit();
  await laptop.page.goto(`${server.url}/login`);
  await laptop.page.getByRole('link', { name: 'Forgot your password?' }).click();
  await fillRecovery(laptop.page, recoveryCode.toLowerCase());
  const fresh = laptop.page.getByRole('textbox', { name: 'Recovery code', exact: true });
  await expect(fresh).toHaveValue(/^[0-9A-Z]{4}-/, { timeout: SLOW_MS });
  const freshCode = await fresh.inputValue();
  expect(freshCode).not.toBe(recoveryCode);
  await retypeCode(laptop.page, freshCode);
  await laptop.page.waitForURL(/\/c\//, { timeout: SLOW_MS });
  await expect(laptop.page.getByRole('textbox', { name: 'Message #general' })).toBeVisible();

  await fillLogin(page, { ...ada, password: changed });
  await page.waitForURL(/\/c\//, { timeout: SLOW_MS });
  const stranger = await visit();
  await stranger.page.goto(`${server.url}/recover`);
  await fillRecovery(stranger.page, recoveryCode);
  await expect(stranger.page.getByRole('alert')).toContainText(lookUp, { timeout: SLOW_MS });
});

test('deleted: the other sees it, what was said stays, and nobody logs in by that name', async ({
  server,
  visit,
}) => {
  const owner = await visit();
  const { inviteUrl } = await setUpOwner(owner.page, server);
  const guest = await visit();
  await register(guest.page, inviteUrl, ben);
  await owner.page.goto(`${server.url}/settings/account`);
  await owner.page.getByRole('button', { name: 'Delete account…' }).click();
  await expect(owner.page.getByText('You look after this server')).toBeVisible();
  await expect(owner.page.getByLabel('Current password')).toBeHidden();
  await owner.page.goto(inviteUrl);
  await owner.page.getByRole('button', { name: 'Join Workshop' }).click();
  const composer = guest.page.getByRole('textbox', { name: 'Message #general' });
  await composer.fill('I was here');
  await composer.press('Enter');
  await expect(owner.page.getByText('I was here')).toBeVisible({ timeout: SLOW_MS });
  const members = owner.page.getByRole('complementary', { name: 'Members' });
  await expect(members.getByText('Ben', { exact: true })).toBeVisible();

  await guest.page.goto(`${server.url}/settings/account`);
  await guest.page.getByRole('button', { name: 'Delete account…' }).click();
  const dialog = guest.page.getByRole('dialog');
  await dialog.getByLabel('Current password').fill(ben.password);
  await dialog.getByLabel(/^Type your username/).fill(ben.username);
  await dialog.getByRole('button', { name: 'Delete account' }).click();
  await guest.page.waitForURL(/\/login$/, { timeout: SLOW_MS });
  await expect(guest.page.getByText('Your account is deleted')).toBeVisible();

  await expect(members.getByText('Ben', { exact: true })).toBeHidden();
  await expect(owner.page.getByText('I was here')).toBeVisible();
  await expect(owner.page.getByText('Deleted account').first()).toBeVisible();
  await fillLogin(guest.page, ben);
  await expect(guest.page.getByRole('alert')).toContainText('don’t belong together', { timeout: SLOW_MS });
});

// Getting in and out, as people do it: set-up, invite, registration, log-in on a known and a new browser, log-out,
// revoking a session — and every way it can fail, in words.
import type { Page } from '@playwright/test';
import {
  ada,
  ben,
  fillAccount,
  fillLogin,
  logIn,
  logOut,
  register,
  retypeCode,
  setUpOwner,
} from './support/people.ts';
import { expect, test } from './support/journey.ts';
import type { TestServer } from './support/server.ts';

const communityOf = (url: string): string | undefined => /\/c\/([^/]+)/.exec(url)?.[1];

/** The devices on the page that `sessionsOf` opened. */
const devicesOf = (page: Page) => page.getByRole('region', { name: 'Your devices' }).getByRole('listitem');

/** The sessions the settings list, as rows. */
async function sessionsOf(page: Page, server: TestServer) {
  await page.goto(`${server.url}/settings/devices`);
  const rows = page.getByRole('region', { name: 'Where you’re logged in' }).getByRole('listitem');
  await expect(rows.first()).toBeVisible();
  return rows;
}

test('set-up, then an invite link carries a second person into the community', async ({ server, visit }) => {
  const owner = await visit();
  const { inviteUrl, communityUrl } = await setUpOwner(owner.page, server);
  await expect(owner.page.getByRole('textbox', { name: 'Message #general' })).toBeVisible();

  const guest = await visit();
  await guest.page.goto(inviteUrl);
  await expect(guest.page.getByRole('heading', { name: 'Workshop' })).toBeVisible();
  await expect(guest.page.getByText('Ada invited you to')).toBeVisible();
  await register(guest.page, inviteUrl, ben);
  expect(communityOf(guest.page.url())).toBe(communityOf(communityUrl));
  await expect(guest.page.getByRole('textbox', { name: 'Message #general' })).toBeVisible();
  await expect(owner.page.getByText('Ben', { exact: true }).first()).toBeVisible();

  await guest.page.reload();
  await expect(guest.page.getByRole('textbox', { name: 'Message #general' })).toBeVisible();
});

test('nothing is registered before the code is typed back, and a wrong group says so', async ({
  server,
  visit,
}) => {
  const { page } = await visit();
  await page.goto(server.setupUrl);
  const code = await fillAccount(page, ada);
  await page.getByRole('button', { name: 'I’ve written it down' }).click();
  const [first] = await page.getByRole('textbox', { name: /^Recovery code, group/ }).all();
  await first?.fill('ZZZZ');
  await expect(page.getByText(/Group \d doesn’t match yet/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Continue' })).toBeDisabled();

  // The browser goes away here: the server must still be without an owner.
  await page.goto(server.setupUrl);
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Welcome. Let’s make you the owner.' })).toBeVisible();
  const again = await fillAccount(page, ada);
  expect(again).not.toBe(code);
  await retypeCode(page, again);
  await expect(page.getByLabel('Instance name')).toBeVisible({ timeout: 60_000 });

  // Half-way through, a reload goes on where it was; a stranger sees that it is taken.
  await page.reload();
  await expect(page.getByLabel('Instance name')).toBeVisible();
  const stranger = await visit();
  await stranger.page.goto(server.setupUrl);
  await expect(stranger.page.getByRole('heading', { name: 'This server is already set up' })).toBeVisible();
});

test('log out and in again keeps the device; a wrong password has words', async ({ server, visit }) => {
  const { page } = await visit();
  await setUpOwner(page, server);
  await expect(await sessionsOf(page, server)).toHaveCount(1);
  await logOut(page, server);

  await fillLogin(page, { username: 'ada', password: 'not the password' });
  const wrong = page.getByRole('alert');
  await expect(wrong).toHaveText(/username and password don’t belong together/, { timeout: 60_000 });
  await fillLogin(page, { username: 'nobody-here', password: 'not the password' });
  await expect(page.getByRole('button', { name: 'Log in' })).toBeVisible({ timeout: 60_000 });
  await expect(wrong).toHaveText(/username and password don’t belong together/);

  await fillLogin(page, ada);
  await page.waitForURL(/\/c\//, { timeout: 60_000 });
  await expect(await sessionsOf(page, server)).toHaveCount(1);
  await expect(devicesOf(page)).toHaveCount(1);
});

test('a second browser becomes a second device; revoking it closes it within moments', async ({
  server,
  visit,
}) => {
  const desk = await visit();
  await setUpOwner(desk.page, server);
  const laptop = await visit();
  await logIn(laptop.page, server, ada);
  await expect(laptop.page.getByText('This browser is now one of your devices.')).toBeVisible();
  await expect(laptop.page.getByRole('textbox', { name: 'Message #general' })).toBeVisible();

  const rows = await sessionsOf(desk.page, server);
  await expect(rows).toHaveCount(2);
  await expect(rows.first()).toContainText('This browser');
  await rows.nth(1).getByRole('button', { name: 'Log out there' }).click();
  await desk.page.getByRole('dialog').getByRole('button', { name: 'Log out there' }).click();
  await expect(rows).toHaveCount(1);
  await laptop.page.waitForURL(/\/login$/, { timeout: 10_000 });
  await expect(laptop.page.getByText('You were logged out')).toBeVisible();
  // The session is over; the device stays one.
  await expect(devicesOf(desk.page)).toHaveCount(2);

  await fillLogin(laptop.page, ada);
  await laptop.page.waitForURL(/\/c\//, { timeout: 60_000 });
  await expect(await sessionsOf(desk.page, server)).toHaveCount(2);
  await expect(devicesOf(desk.page)).toHaveCount(2);
});

test('log out and remove this device erases its keys here and takes it off the list', async ({
  server,
  visit,
}) => {
  const desk = await visit();
  await setUpOwner(desk.page, server);
  const laptop = await visit();
  await logIn(laptop.page, server, ada);
  await laptop.page.goto(`${server.url}/settings/devices`);
  await laptop.page.getByRole('button', { name: 'Log out and remove this device' }).click();
  const dialog = laptop.page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Log out and remove this device' }).click();
  await laptop.page.waitForURL(/\/login$/);
  await expect(await sessionsOf(desk.page, server)).toHaveCount(1);
  await expect(devicesOf(desk.page)).toHaveCount(1);

  // Logging in again makes a new device: the old one is gone for good.
  await fillLogin(laptop.page, ada);
  await laptop.page.waitForURL(/\/c\//, { timeout: 60_000 });
  await expect(await sessionsOf(desk.page, server)).toHaveCount(2);
});

test('links lead on: to the page asked for before logging in, and through an invite with an account', async ({
  server,
  visit,
}) => {
  const { page } = await visit();
  const { inviteUrl, communityUrl } = await setUpOwner(page, server);
  await logOut(page, server);
  await page.goto(`${server.url}/settings/appearance`);
  await page.waitForURL(/\/login$/);
  await fillLogin(page, ada);
  await page.waitForURL(/\/settings\/appearance$/, { timeout: 60_000 });
  await page.getByRole('radio', { name: 'Dark' }).check();
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-mode', 'dark');

  await logOut(page, server);
  await page.goto(inviteUrl);
  await page.getByRole('link', { name: 'I already have an account here' }).click();
  await fillLogin(page, ada);
  await page.waitForURL(/\/c\//, { timeout: 60_000 });
  expect(communityOf(page.url())).toBe(communityOf(communityUrl));
  await page.goto(inviteUrl);
  await page.getByRole('button', { name: 'Join Workshop' }).click();
  await page.waitForURL(/\/c\//);
  await page.goto(`${server.url}/login`);
  await page.waitForURL(/\/c\//);
});

test('what a person says about themselves, and whether they are there, reaches the others', async ({
  server,
  visit,
}) => {
  const owner = await visit();
  const { inviteUrl } = await setUpOwner(owner.page, server);
  const guest = await visit();
  await register(guest.page, inviteUrl, ben);
  const members = owner.page.getByRole('complementary', { name: 'Members' });
  await expect(members.getByText('Ben', { exact: true })).toBeVisible();
  await expect(members.getByRole('heading', { name: 'Online 2' })).toBeVisible();

  await guest.page.goto(`${server.url}/settings/profile`);
  const save = guest.page.getByRole('button', { name: 'Save changes' });
  await expect(save).toBeDisabled();
  await guest.page.getByLabel('Display name').fill('Benedikt');
  await guest.page.getByLabel('Pronouns').fill('he/him');
  await save.click();
  await expect(guest.page.getByText('Saved')).toBeVisible();
  await expect(members.getByText('Benedikt', { exact: true })).toBeVisible();

  // Also when it happened while the other was away.
  await owner.context.setOffline(true);
  await guest.page.getByLabel('Display name').fill('Ben again');
  await save.click();
  await expect(save).toBeDisabled();
  await expect(members.getByText('Benedikt', { exact: true })).toBeVisible();
  await owner.context.setOffline(false);
  await expect(members.getByText('Ben again', { exact: true })).toBeVisible();

  await guest.page.getByLabel('How others see you').selectOption('Invisible');
  await expect(guest.page.getByText('Others see you as offline.')).toBeVisible();
  await expect(members.getByRole('heading', { name: 'Offline 1' })).toBeVisible();
  await guest.page.reload();
  await expect(guest.page.getByLabel('How others see you')).toHaveValue('invisible');
  await expect(guest.page.getByLabel('Pronouns')).toHaveValue('he/him');
});

test('what stands in the way is said in words', async ({ server, visit }) => {
  const owner = await visit();
  const { inviteUrl } = await setUpOwner(owner.page, server);
  const { page } = await visit();
  await page.goto(`${server.url}/register`);
  await expect(page.getByRole('heading', { name: 'You need an invite link' })).toBeVisible();
  await page.goto(`${server.url}/invite/AAAAAAAAAAAAAAAA`);
  await expect(page.getByRole('heading', { name: 'This invite doesn’t work' })).toBeVisible();
  await page.goto(`${server.url}/nowhere/at/all`);
  await expect(page.getByRole('heading', { name: 'There is nothing here' })).toBeVisible();

  await page.goto(inviteUrl);
  await page.getByRole('link', { name: 'Create an account and join' }).click();
  const create = page.getByRole('button', { name: 'Create account' });
  await create.click();
  await expect(page.getByText('At least 3 characters.')).toBeVisible();
  await page.getByLabel('Username').fill('Ada');
  await page.getByLabel('Display name').fill('Another Ada');
  await page.getByLabel('Password', { exact: true }).fill('password123');
  await create.click();
  await expect(page.getByText('Choose one that is longer or less well known.')).toBeVisible();
  await page.getByLabel('Password', { exact: true }).fill(ben.password);
  await create.click();
  await expect(page.getByText('That name is taken. Try another.')).toBeVisible();
});

test('a server that does not answer: a page with a way to try again', async ({ server, visit }) => {
  const { page } = await visit();
  await page.route('**/trpc/**', (route) => route.abort());
  await page.goto(server.url);
  await expect(page.getByRole('heading', { name: 'The server doesn’t answer' })).toBeVisible();
  await page.unroute('**/trpc/**');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.waitForURL(/\/setup$/);
});

test('plain http from another machine: why it cannot work, and three ways out', async ({
  server,
  playwright,
}) => {
  const browser = await playwright.chromium.launch({
    ...test.info().project.use.launchOptions,
    args: ['--no-sandbox', '--host-resolver-rules=MAP chat.example 127.0.0.1'],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://chat.example:${server.port}/login`);
    await expect(page.getByRole('heading', { name: 'This address isn’t secure' })).toBeVisible();
    await expect(page.getByRole('listitem')).toHaveCount(3);
  } finally {
    await browser.close();
  }
});

test('the page holds to its policy: no inline script or style, no other origin', async ({
  server,
  visit,
}) => {
  const { page } = await visit();
  const origins = new Set<string>();
  page.on('request', (request) => origins.add(new URL(request.url()).origin));
  await page.addInitScript(() => {
    const seen: string[] = [];
    Object.assign(globalThis, { violations: seen });
    addEventListener('securitypolicyviolation', (event) => seen.push(event.violatedDirective));
  });
  const answer = await page.goto(server.setupUrl);
  const policy = answer?.headers()['content-security-policy'] ?? '';
  expect(policy).toContain("script-src 'self';");
  expect(policy).toContain("style-src 'self';");
  expect(policy).toContain("require-trusted-types-for 'script'");
  await fillAccount(page, ada);
  const violations = await page.evaluate(
    () => (globalThis as unknown as { violations: string[] }).violations,
  );
  expect(violations).toEqual([]);
  expect([...origins]).toEqual([server.url]);
});

// Three people with two browsers each through everything that can happen to browsers: at the end every message is read by
// exactly those who should read it, on every device.
import type { Page } from '@playwright/test';
import { button, dialog, enter, removeOthers, SLOW_MS, tell } from './support/browsers.ts';
import { field, log } from './support/chat.ts';
import { expect, test, type Visitor } from './support/journey.ts';
import {
  ada,
  ben,
  fillLogin,
  logIn,
  register,
  retypeCode,
  setUpOwner,
  type Person,
} from './support/people.ts';
import type { TestServer } from './support/server.ts';

const cleo = { username: 'cleo', displayName: 'Cleo', password: 'ferry walnut copper eleven' };
const changed = 'harbour violin turnip twelve';

type Room = 'general' | 'open';

/** What each room says to whoever reads it: exactly these, each once, in this order. */
async function reads(page: Page, expected: Record<Room, readonly string[]>): Promise<void> {
  for (const [room, texts] of Object.entries(expected) as [Room, readonly string[]][]) {
    await enter(page, room);
    for (const text of texts)
      await expect(log(page).getByText(text, { exact: true })).toHaveCount(1, { timeout: SLOW_MS });
    const said = log(page).getByText(/^\w+ says \w+$/);
    await expect(said).toHaveText([...texts]);
  }
}

async function makeOpenRoom(page: Page): Promise<void> {
  await button(page, 'New channel').first().click();
  await page.getByLabel('Channel name').fill('open');
  await page.getByRole('radio', { name: 'Read what was written before' }).check();
  await page.getByRole('button', { name: 'Create channel' }).click();
  await expect(field(page, 'Message #open')).toBeVisible();
}

/** Clears what the browser keeps for the site, as its settings do, and logs in again: it comes back as another device. */
async function wipe({ page, context }: Visitor, server: TestServer, person: Person): Promise<void> {
  await page.goto('about:blank');
  await context.clearCookies();
  const session = await context.newCDPSession(page);
  await session.send('Storage.clearDataForOrigin', { origin: server.url, storageTypes: 'all' });
  await session.detach();
  await logIn(page, server, person);
  await expect(page.getByText('This browser is now one of your devices.')).toBeVisible();
}

/** `first` lets `second` in by the code as text. */
async function link(first: Page, second: Page, server: TestServer): Promise<void> {
  await second.goto(`${server.url}/login`);
  await second.getByRole('link', { name: 'Link it from another device' }).click();
  const text = second.getByLabel('The same code as text');
  await expect(text).toHaveValue(/\S/, { timeout: SLOW_MS });
  await first.goto(`${server.url}/settings/devices`);
  await button(first, 'Link a device').click();
  await dialog(first)
    .getByLabel('Or the code as text')
    .fill(await text.inputValue());
  await button(first, 'Check').click();
  await expect(second.getByRole('group', { name: 'Pictures' })).toBeVisible({ timeout: SLOW_MS });
  await button(first, 'They match, link it').click();
  await expect(dialog(first).getByText('It is logging in now')).toBeVisible({ timeout: SLOW_MS });
  await button(first, 'Done').click();
  await second.waitForURL(/\/(c|dm)(\/|$)/, { timeout: SLOW_MS });
}

async function changePassword(page: Page, server: TestServer): Promise<void> {
  await page.goto(`${server.url}/settings/account`);
  await button(page, 'Change password…').click();
  await dialog(page).getByLabel('Current password').fill(ada.password);
  await dialog(page).getByLabel('New password', { exact: true }).fill(changed);
  await dialog(page).getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByText('Password changed')).toBeVisible({ timeout: SLOW_MS });
}

async function recover(page: Page, server: TestServer, code: string): Promise<void> {
  await page.goto(`${server.url}/recover`);
  await page.getByLabel('Username').fill(cleo.username);
  // In lower case: the code shown afterwards is told from the one typed.
  await page.getByLabel('Recovery code').fill(code.toLowerCase());
  await page.getByLabel('New password', { exact: true }).fill(changed);
  await button(page, 'Continue').click();
  const fresh = page.getByRole('textbox', { name: 'Recovery code', exact: true });
  await expect(fresh).toHaveValue(/^[0-9A-Z]{4}-/, { timeout: SLOW_MS });
  await retypeCode(page, await fresh.inputValue());
  await page.waitForURL(/\/c\//, { timeout: SLOW_MS });
}

/** The linked browser is taken off the account and comes back by the password, as another device. */
async function removeLinked(
  desk: Page,
  laptop: Page,
  { server, communityUrl }: { server: TestServer; communityUrl: string },
): Promise<void> {
  await removeOthers(desk, server, 1);
  await dialog(desk).getByLabel('Current password').fill(changed);
  await dialog(desk).getByRole('button', { name: 'Make a new key' }).click();
  await expect(desk.getByText('Your backup has a new key')).toBeVisible({ timeout: SLOW_MS });
  await expect(laptop.getByText('You were logged out.')).toBeVisible({ timeout: SLOW_MS });
  await desk.goto(communityUrl);
  await tell(desk, 'open', 'Ada says seven');
  await laptop.goto(communityUrl);
  await laptop.waitForURL(/\/login$/);
  await fillLogin(laptop, { ...ada, password: changed });
  await laptop.waitForURL(/\/c\//, { timeout: SLOW_MS });
}

test('joined late, wiped, linked, removed, another password, recovered: everybody reads their own, everywhere', async ({
  server,
  visit,
}) => {
  test.setTimeout(600_000);
  const [desk, laptop, bens] = [await visit(), await visit(), await visit()];
  const [phone, cleos, tablet] = [await visit(), await visit(), await visit()];
  const { inviteUrl, communityUrl } = await setUpOwner(desk.page, server);
  await makeOpenRoom(desk.page);
  await register(bens.page, inviteUrl, ben);
  let code = '';

  await test.step('two talk; the third comes later', async () => {
    await tell(desk.page, 'general', 'Ada says one');
    await tell(bens.page, 'open', 'Ben says two');
    code = await register(cleos.page, inviteUrl, cleo);
    await tell(cleos.page, 'general', 'Cleo says three');
    await tell(cleos.page, 'open', 'Cleo says four');
  });

  await test.step('one links a second browser, one logs in on another, one clears what the browser keeps', async () => {
    await link(desk.page, laptop.page, server);
    await logIn(phone.page, server, ben);
    await wipe(bens, server, ben);
    await bens.page.goto(communityUrl);
    await tell(bens.page, 'general', 'Ben says five');
  });

  await test.step('another password; the recovery code on a new browser', async () => {
    await desk.page.goto(communityUrl);
    await changePassword(desk.page, server);
    await recover(tablet.page, server, code);
    // Whoever held the old password is out; the browser is still a device, and goes on as it was.
    await cleos.page.goto(`${server.url}/login`);
    await fillLogin(cleos.page, { ...cleo, password: changed });
    await cleos.page.waitForURL(/\/c\//, { timeout: SLOW_MS });
    await tell(tablet.page, 'general', 'Cleo says six');
  });

  await test.step('the linked one is removed: nothing new reaches it', async () => {
    await removeLinked(desk.page, laptop.page, { server, communityUrl });
  });

  const open = ['Ben says two', 'Cleo says four', 'Ada says seven'];
  const later = ['Cleo says three', 'Ben says five', 'Cleo says six'];
  await test.step('every message is read by exactly those who should, on every device', async () => {
    for (const { page } of [desk, laptop, bens, phone]) {
      await page.goto(communityUrl);
      await reads(page, { general: ['Ada says one', ...later], open });
    }
    for (const { page } of [cleos, tablet]) {
      await page.goto(communityUrl);
      await reads(page, { general: later, open });
    }
  });
});

// A second browser becomes one of Ada's devices without a password: once by the code as text, once by a picture of the
// QR code. It reads what was said before; removed from the first one, it is logged out and reads nothing new.
import type { Locator, Page } from '@playwright/test';
import { expectAccessible } from './support/accessible.ts';
import { field, say, sees } from './support/chat.ts';
import { expect, test } from './support/journey.ts';
import { HostileLine } from './support/line.ts';
import { ada, setUpOwner } from './support/people.ts';
import type { TestServer } from './support/server.ts';

const SLOW_MS = 60_000;
const dialog = (page: Page): Locator => page.getByRole('dialog');
const button = (within: Page | Locator, name: string | RegExp): Locator =>
  within.getByRole('button', { name, exact: true });
const pictures = (page: Page): Locator => page.getByRole('group', { name: 'Pictures' });
const devices = (page: Page): Locator =>
  page.getByRole('region', { name: 'Your devices' }).getByRole('listitem');

/** Opens the page that shows a code. */
async function showCode(page: Page, server: TestServer): Promise<Locator> {
  await page.goto(`${server.url}/login`);
  await page.getByRole('link', { name: 'Link it from another device' }).click();
  const code = page.getByRole('img', { name: 'QR code for your other device to scan' });
  await expect(code).toBeVisible({ timeout: SLOW_MS });
  return code;
}

async function openReader(page: Page, server: TestServer): Promise<void> {
  await page.goto(`${server.url}/settings/devices`);
  await button(page, 'Link a device').click();
}

/** Both show the same two pictures; the first one confirms, and the second is in. */
async function confirm(first: Page, second: Page, password?: string): Promise<void> {
  await expect(pictures(second)).toBeVisible({ timeout: SLOW_MS });
  await expect(pictures(first)).toBeVisible({ timeout: SLOW_MS });
  expect(await pictures(first).textContent()).toBe(await pictures(second).textContent());
  await button(first, 'They match, link it').click();
  if (password !== undefined) {
    // Nobody has proved to be Ada on a browser that was only linked.
    await first.getByLabel('Password', { exact: true }).fill(password);
    await button(first, 'Confirm').click();
  }
  await expect(dialog(first).getByText('It is logging in now')).toBeVisible({ timeout: SLOW_MS });
  await button(first, 'Done').click();
  await second.waitForURL(/\/(c|dm)(\/|$)/, { timeout: SLOW_MS });
}

async function readsOnPhone(page: Page, communityUrl: string): Promise<void> {
  await page.goto(communityUrl);
  await page.getByRole('link', { name: 'general' }).click();
  await sees(page, 'Before any of it', SLOW_MS);
}

/** The linked browser links the next from a picture, after pictures that differ stopped it once. */
async function linkByPicture(
  { laptop, phone }: Record<'laptop' | 'phone', Page>,
  server: TestServer,
): Promise<void> {
  const code = await showCode(phone, server);
  const buffer = await code.screenshot();
  await openReader(laptop, server);
  const give = (): Promise<void> =>
    dialog(laptop)
      .locator('input[type=file]')
      .setInputFiles({ name: 'code.png', mimeType: 'image/png', buffer });
  await give();
  await expect(pictures(laptop)).toBeVisible({ timeout: SLOW_MS });
  await button(laptop, 'They differ').click();
  await expect(dialog(laptop).getByText('The code is void.')).toBeVisible();
  await expect(phone.getByText('This code is used up or too old.')).toBeVisible({ timeout: SLOW_MS });
  await button(laptop, 'Done').click();

  await button(phone, 'Make a new code').click();
  await expect(code).toBeVisible({ timeout: SLOW_MS });
  const fresh = await code.screenshot();
  await button(laptop, 'Link a device').click();
  await dialog(laptop)
    .locator('input[type=file]')
    .setInputFiles({ name: 'code.png', mimeType: 'image/png', buffer: fresh });
  await confirm(laptop, phone, ada.password);
}

/** All three are in the list; the first removes the last. */
async function removeLast(
  { desk, phone }: Record<'desk' | 'phone', Page>,
  server: TestServer,
): Promise<void> {
  await desk.goto(`${server.url}/settings/devices`);
  await expect(devices(desk)).toHaveCount(3);
  await expect(devices(desk).filter({ hasText: 'First device' })).toHaveCount(1);
  await expect(devices(desk).filter({ hasText: 'Added by' })).toHaveCount(2);
  await expect(devices(desk).filter({ hasText: / on Linux/ })).toHaveCount(3);
  await expectAccessible(desk, 'devices');
  await button(devices(desk).nth(1), /^Remove/).click();
  await expect(dialog(desk).getByText('gets no more keys')).toBeVisible();
  await dialog(desk).getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(devices(desk)).toHaveCount(2, { timeout: SLOW_MS });
  await expect(phone.getByText('You were logged out.')).toBeVisible({ timeout: SLOW_MS });
}

/** Asked for after a removal, with no password and a wrong one; Escape is "Later", and it is asked again at the next start. */
async function newBackupKey(desk: Page, communityUrl: string): Promise<void> {
  await expect(dialog(desk).getByText('still knows the key of your backup')).toBeVisible({
    timeout: SLOW_MS,
  });
  await expectAccessible(desk, 'new backup key');
  const password = dialog(desk).getByLabel('Current password');
  await expect(password).toBeFocused();
  await password.press('Enter');
  await expect(dialog(desk).getByText('Enter your password.')).toBeVisible();
  await password.fill('not this one at all');
  await password.press('Enter');
  await expect(dialog(desk).getByText('That isn’t your password.')).toBeVisible({ timeout: SLOW_MS });
  await password.press('Escape');
  await expect(dialog(desk)).toHaveCount(0);
  // The button that opened it went with the removed device.
  await expect(desk.getByRole('main')).toBeFocused();
  await desk.goto(communityUrl);
  await desk.getByRole('button', { name: 'New key…' }).click({ timeout: SLOW_MS });
  await dialog(desk).getByLabel('Current password').fill(ada.password);
  await button(desk, 'Make a new key').click();
  await expect(desk.getByText('Your backup has a new key')).toBeVisible({ timeout: SLOW_MS });
  await expect(desk.getByRole('button', { name: 'New key…' })).toHaveCount(0);
}

/** What the other device sent of it arrived broken: the password gets the key too. */
async function takeBackupKey(laptop: Page, server: TestServer): Promise<void> {
  await laptop.goto(`${server.url}/settings/devices`);
  await button(laptop, 'Get the key…').click({ timeout: SLOW_MS });
  await expect(dialog(laptop).getByText('Another device of yours gave the backup a new key')).toBeVisible();
  await dialog(laptop).getByLabel('Current password').fill(ada.password);
  await button(laptop, 'Get the key').click();
  await expect(laptop.getByText('This device has the new key')).toBeVisible({ timeout: SLOW_MS });
  await expect(laptop.getByText('All keys backed up')).toBeVisible({ timeout: SLOW_MS });
  await expect(laptop.getByText('still knows the key')).toHaveCount(0);
}

test('link by text and by picture, read the history, remove one from the other', async ({
  server,
  visit,
}) => {
  test.slow();
  const { page: desk } = await visit();
  const { page: laptop } = await visit();
  const { page: phone } = await visit({ viewport: { width: 390, height: 844 } });
  const line = new HostileLine();
  await line.under(laptop);
  const { communityUrl } = await setUpOwner(desk, server);
  await say(desk, 'Before any of it');
  await sees(desk, 'Before any of it');

  await test.step('a code that is none, then the right one as text', async () => {
    await showCode(laptop, server);
    await expectAccessible(laptop, 'link-new');
    const text = await laptop.getByLabel('The same code as text').inputValue();
    await openReader(desk, server);
    await expectAccessible(desk, 'link-read');
    await dialog(desk).getByLabel('Or the code as text').fill('https://example.org/');
    await button(desk, 'Check').click();
    await expect(dialog(desk).getByText('That’s a different kind of code.')).toBeVisible();
    await dialog(desk).getByLabel('Or the code as text').fill(text);
    await button(desk, 'Check').click();
    await confirm(desk, laptop);
    await laptop.goto(communityUrl);
    await sees(laptop, 'Before any of it', SLOW_MS);
  });

  await test.step('the linked one links the next, from a picture; pictures that differ stop it first', async () => {
    await linkByPicture({ laptop, phone }, server);
    await readsOnPhone(phone, communityUrl);
  });

  await test.step('all three are in the list; the first removes the last', () =>
    removeLast({ desk, phone }, server));

  await test.step('a new key for the backup, put off once; the other device gets it too', async () => {
    line.isGarbling = true;
    await newBackupKey(desk, communityUrl);
    await takeBackupKey(laptop, server);
    line.isGarbling = false;
  });

  await test.step('what is said from then on reaches the others only', async () => {
    await desk.goto(communityUrl);
    await say(desk, 'Among ourselves');
    await laptop.goto(communityUrl);
    await sees(laptop, 'Among ourselves', SLOW_MS);
    await phone.goto(communityUrl);
    await phone.waitForURL(/\/login$/);
    await expect(field(phone)).toHaveCount(0);
  });
});

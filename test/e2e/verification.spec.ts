// Two people check each other: digits on one side, the QR code from a picture on the other. Then the server shows
// somebody else in Ben's place, and nothing goes there until Ada decides.
import type { Locator, Page } from '@playwright/test';
import { expectAccessible } from './support/accessible.ts';
import { field, message, say } from './support/chat.ts';
import { replaceIdentity } from './support/hostile.ts';
import { expect, test } from './support/journey.ts';
import { register, setUpOwner } from './support/people.ts';

const toBen = 'Message Ben';
const dialog = (page: Page): Locator => page.getByRole('dialog');
const button = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true });
const codeFor = (page: Page, name: string): Locator =>
  dialog(page).getByRole('img', { name: `QR code for ${name} to scan` });
const digitsOf = async (page: Page): Promise<string> =>
  (await dialog(page).locator('.digits span').allTextContents()).join(' ');

/** Opens the direct conversation on both sides. */
async function meet(a: Page, b: Page): Promise<void> {
  await a.getByRole('complementary', { name: 'Members' }).getByRole('button', { name: /Ben/ }).click();
  await button(a, 'Message').click();
  await say(a, 'Shall we compare?', toBen);
  await b.getByRole('link', { name: 'Direct messages' }).click();
  await b.getByRole('link', { name: /Ada/ }).click();
  await expect(message(b, 'Shall we compare?')).toBeVisible();
}

/** Reads Ada's code from a picture of her screen, after everything that is none. */
async function scan(b: Page, pictures: { own: Buffer; ada: Buffer }): Promise<void> {
  const picker = dialog(b).locator('input[type=file]');
  const give = (buffer: Buffer): Promise<void> =>
    picker.setInputFiles({ name: 'code.png', mimeType: 'image/png', buffer });
  await give(pictures.own);
  await expect(dialog(b).getByText('That’s your own code.')).toBeVisible();
  await give(await button(b, 'Choose a picture').screenshot());
  await expect(dialog(b).getByText('No code in this picture.')).toBeVisible();
  await dialog(b).getByLabel('Or Ada’s code as text').fill('hello');
  await button(b, 'Check').click();
  await expect(dialog(b).getByText('That’s a different kind of code.')).toBeVisible();
  await expectAccessible(b, 'reading');
  await give(pictures.ada);
  await expect(dialog(b).getByRole('heading', { name: 'Ada is verified' })).toBeVisible();
}

test('compare digits, scan a code from a picture, be stopped by another identity', async ({
  server,
  visit,
}) => {
  test.slow();
  const { page: a } = await visit();
  const { page: b } = await visit();
  const { inviteUrl } = await setUpOwner(a, server);
  await register(b, inviteUrl);
  await meet(a, b);

  await test.step('both see the same digits', async () => {
    await button(a, 'Not checked yet').click();
    await dialog(a).getByRole('button', { name: 'Check it’s really Ben' }).click();
    await expect(codeFor(a, 'Ben')).toBeVisible();
    await expectAccessible(a, 'comparing');
    expect(await digitsOf(a)).toMatch(/^(\d{5} ){11}\d{5}$/);
    // The link Ben followed named Ada.
    await button(b, 'Known from the invite').click();
    await dialog(b).getByRole('button', { name: 'Check it’s really Ada' }).click();
    await expect(codeFor(b, 'Ada')).toBeVisible();
    expect(await digitsOf(b)).toBe(await digitsOf(a));
  });

  await test.step('Ben reads the code, Ada compares the digits: each confirms their own side', async () => {
    const pictures = { own: await codeFor(b, 'Ada').screenshot(), ada: await codeFor(a, 'Ben').screenshot() };
    await button(b, 'Scan Ada’s code').click();
    await scan(b, pictures);
    await button(b, 'Done').click();
    await expect(button(b, 'Verified')).toBeVisible();
    await button(a, 'They match').click();
    await expect(dialog(a).getByRole('heading', { name: 'Ben is verified' })).toBeVisible();
    await button(a, 'Done').click();
    await a.reload();
    await expect(button(a, 'Verified')).toBeVisible();
  });

  await test.step('another identity in Ben’s place stops everything, until Ada decides in two steps', async () => {
    await replaceIdentity(server, 'ben');
    await a.reload();
    await expect(button(a, 'Changed')).toBeVisible();
    await expect(a.getByText('Ben has a new identity.').first()).toBeVisible();
    await expect(field(a, toBen)).toHaveCount(0);
    await button(a, 'Look at it').click();
    await button(a, 'Go on without checking').click();
    await button(a, 'Go on anyway').click();
    await expect(button(a, 'Not checked yet')).toBeVisible();
    await expect(field(a, toBen)).toBeVisible();
  });
});

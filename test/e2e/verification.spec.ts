// Two people check each other: digits on one side, the QR code from a picture on the other. Then the server shows
// somebody else in Ben's place, and nothing goes there until Ada decides.
import type { Page } from '@playwright/test';
import { expectAccessible } from './support/accessible.ts';
import { field, message, say } from './support/chat.ts';
import { replaceIdentity } from './support/hostile.ts';
import { expect, test } from './support/journey.ts';
import { register, setUpOwner } from './support/people.ts';

test('compare digits, scan a code from a picture, and be stopped when the identity changes', async ({
  server,
  visit,
}) => {
  test.slow();
  const { page: a } = await visit();
  const { page: b } = await visit();
  const { inviteUrl } = await setUpOwner(a, server);
  await register(b, inviteUrl);
  const toBen = 'Message Ben';
  const dialog = (page: Page) => page.getByRole('dialog');

  await test.step('a direct conversation, not checked yet', async () => {
    await a.getByRole('complementary', { name: 'Members' }).getByRole('button', { name: /Ben/ }).click();
    await a.getByRole('button', { name: 'Message', exact: true }).click();
    await say(a, 'Shall we compare?', toBen);
    await b.getByRole('link', { name: 'Direct messages' }).click();
    await b.getByRole('link', { name: /Ada/ }).click();
    await expect(message(b, 'Shall we compare?')).toBeVisible();
    await a.getByRole('button', { name: 'Not checked yet' }).click();
    await a.getByRole('button', { name: 'Check it’s really Ben' }).first().click();
  });

  const digitsOf = async (page: Page): Promise<string> =>
    (await dialog(page).locator('.digits span').allTextContents()).join(' ');
  const digits = await test.step('both see the same digits; Ada compares them', async () => {
    await expect(dialog(a).getByRole('heading', { name: 'Check that it’s really Ben' })).toBeVisible();
    await expect(dialog(a).getByRole('img', { name: 'QR code for Ben to scan' })).toBeVisible();
    await expectAccessible(a, 'comparing');
    const shown = await digitsOf(a);
    expect(shown).toMatch(/^(\d{5} ){11}\d{5}$/);
    return shown;
  });

  const picture = await dialog(a).getByRole('img', { name: 'QR code for Ben to scan' }).screenshot();

  await test.step('Ben scans the picture of Ada’s screen, after his own code and a picture of nothing', async () => {
    // The link Ben followed named Ada.
    await b.getByRole('button', { name: 'Known from the invite' }).click();
    await b.getByRole('button', { name: 'Check it’s really Ada' }).first().click();
    await expect.poll(() => digitsOf(b)).toBe(digits);
    const own = await dialog(b).getByRole('img', { name: 'QR code for Ada to scan' }).screenshot();
    await b.getByRole('button', { name: 'Scan Ada’s code' }).click();
    const picker = dialog(b).locator('input[type=file]');
    const give = (name: string, buffer: Buffer) =>
      picker.setInputFiles({ name, mimeType: 'image/png', buffer });
    await give('own.png', own);
    await expect(dialog(b).getByText('That’s your own code.')).toBeVisible();
    await give('nothing.png', await b.getByRole('button', { name: 'Choose a picture' }).screenshot());
    await expect(dialog(b).getByText('No code in this picture.')).toBeVisible();
    await dialog(b).getByLabel('Or Ada’s code as text').fill('hello');
    await dialog(b).getByRole('button', { name: 'Check', exact: true }).click();
    await expect(dialog(b).getByText('That’s a different kind of code.')).toBeVisible();
    await expectAccessible(b, 'reading');
    await give('ada.png', picture);
    await expect(dialog(b).getByRole('heading', { name: 'Ada is verified' })).toBeVisible();
    await b.getByRole('button', { name: 'Done' }).click();
    await expect(b.getByRole('button', { name: 'Verified' })).toBeVisible();
  });

  await test.step('each confirms their own side, and it stays', async () => {
    await a.getByRole('button', { name: 'They match' }).click();
    await expect(dialog(a).getByRole('heading', { name: 'Ben is verified' })).toBeVisible();
    await a.getByRole('button', { name: 'Done' }).click();
    await a.reload();
    await a.getByRole('button', { name: 'Verified' }).click();
    await expect(dialog(a).getByText('You verified Ben')).toBeVisible();
    await a.keyboard.press('Escape');
  });

  await test.step('another identity in Ben’s place stops everything', async () => {
    await replaceIdentity(server, 'ben');
    await a.reload();
    await expect(a.getByRole('button', { name: 'Changed' })).toBeVisible();
    await expect(a.getByText('Ben has a new identity.').first()).toBeVisible();
    await expect(field(a, toBen)).toHaveCount(0);
  });

  await test.step('going on unchecked takes two steps, and the shield is gone', async () => {
    await a.getByRole('button', { name: 'Look at it' }).first().click();
    await a.getByRole('button', { name: 'Go on without checking' }).click();
    await a.getByRole('button', { name: 'Go on anyway' }).click();
    await expect(a.getByRole('button', { name: 'Not checked yet' })).toBeVisible();
    await expect(field(a, toBen)).toBeVisible();
  });
});

// Two-step log-in and passkeys as people use them; the passkeys live in Chromium's virtual authenticator.
import type { Page } from '@playwright/test';
import { expectAccessible } from './support/accessible.ts';
import { expect, test } from './support/journey.ts';
import { ada, fillLogin, logOut, setUpOwner } from './support/people.ts';
import type { TestServer } from './support/server.ts';
import { appCode } from '../support/totp.ts';

const SLOW_MS = 60_000;

const openSecurity = (page: Page, server: TestServer) => page.goto(`${server.url}/settings/security`);

/** A code whose step nobody used yet: the next one, once its time has come near enough to count. */
async function nextCode(secret: string, used: string): Promise<string> {
  let code = used;
  await expect.poll(() => (code = appCode(secret, Date.now() + 30_000)), { timeout: 40_000 }).not.toBe(used);
  return code;
}

const fillCode = (page: Page, code: string) =>
  page.getByRole('textbox', { name: /digits|Code from/ }).fill(code);

test('two-step log-in: turned on with an app, asked for at log-in, a backup code works once, turned off', async ({
  server,
  visit,
}) => {
  const { page } = await visit();
  await setUpOwner(page, server);
  await openSecurity(page, server);
  await page.getByRole('button', { name: 'Turn on…' }).click();
  const key = page.getByRole('dialog').locator('code');
  const secret = (await key.innerText()).replaceAll(' ', '');
  await expect(page.getByRole('img', { name: 'QR code for your authenticator app' })).toBeVisible();
  await expectAccessible(page, 'the secret');
  await fillCode(page, '000000');
  await page.getByRole('button', { name: 'Turn on', exact: true }).click();
  await expect(page.getByText(/That didn’t work/)).toBeVisible();
  const first = appCode(secret, Date.now());
  await fillCode(page, first);
  await page.getByRole('button', { name: 'Turn on', exact: true }).click();
  const shown = page.getByRole('list', { name: 'Backup codes' }).getByRole('listitem');
  await expect(shown).toHaveCount(8);
  const codes = await shown.allInnerTexts();
  await page.getByRole('button', { name: 'I’ve kept them' }).click();
  await expect(page.getByText('8 codes left.', { exact: false })).toBeVisible();

  await logOut(page, server);
  await fillLogin(page, ada);
  await expect(page.getByRole('heading', { name: 'One more step' })).toBeVisible({ timeout: SLOW_MS });
  await expectAccessible(page, 'the second step');
  await fillCode(page, first);
  await expect(page.getByText(/9 tries left/)).toBeVisible();
  const second = await nextCode(secret, first);
  await fillCode(page, second);
  await page.waitForURL(/\/c\//, { timeout: SLOW_MS });

  // A new browser: the same code of the moment opens the session and the keys in one go.
  const laptop = await visit();
  await laptop.page.goto(`${server.url}/login`);
  await fillLogin(laptop.page, ada);
  await laptop.page.getByRole('button', { name: 'Use a backup code' }).click({ timeout: SLOW_MS });
  await laptop.page.getByLabel('Backup code').fill((codes[0] ?? '').toLowerCase().replace('-', ' '));
  await laptop.page.getByRole('button', { name: 'Continue' }).click();
  await expect(laptop.page.getByText('This browser is now one of your devices.')).toBeVisible({
    timeout: SLOW_MS,
  });
  await openSecurity(laptop.page, server);
  await expect(laptop.page.getByText('7 codes left.', { exact: false })).toBeVisible();
  // Turning it off asks for password and code in one go, though the session is fresh.
  await laptop.page.getByRole('button', { name: 'Turn off…' }).click();
  await laptop.page.getByRole('button', { name: 'Turn off', exact: true }).click();
  await laptop.page.getByLabel('Password', { exact: true }).fill(ada.password);
  await laptop.page.getByRole('button', { name: 'Confirm' }).click();
  await laptop.page.getByRole('button', { name: 'Use a backup code' }).click({ timeout: SLOW_MS });
  await laptop.page.getByLabel('Backup code').fill(codes[0] ?? '');
  await laptop.page.getByRole('button', { name: 'Confirm' }).click();
  await expect(laptop.page.getByText(/That didn’t work/)).toBeVisible();
  await laptop.page.getByLabel('Backup code').fill(codes[1] ?? '');
  await laptop.page.getByRole('button', { name: 'Confirm' }).click();
  await expect(laptop.page.getByRole('button', { name: 'Turn on…' })).toBeVisible();
});

/** Chromium's own authenticator with a screen lock, as a phone or laptop has one. */
async function plugIn(page: Page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  const credentials = async () =>
    (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials;
  const put = (credential: Awaited<ReturnType<typeof credentials>>[number]) =>
    cdp.send('WebAuthn.addCredential', { authenticatorId, credential });
  return { credentials, put };
}

test('passkeys: made, named, straight in where the keys are, with the password where they are not, removed', async ({
  server,
  visit,
}) => {
  const { page } = await visit();
  const phone = await plugIn(page);
  await setUpOwner(page, server);
  await openSecurity(page, server);
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await expect(page.getByText('Passkey added')).toBeVisible();
  expect(await phone.credentials()).toHaveLength(1);
  const list = page.getByRole('list', { name: 'Passkeys' });
  await list.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('Key ring');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(list).toContainText('Key ring');
  await expect(list).toContainText('not used yet');
  await expectAccessible(page, 'the passkeys');

  await logOut(page, server);
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await page.waitForURL(/\/c\//, { timeout: SLOW_MS });

  // The same passkey, synced to a browser that has no keys of the account.
  const laptop = await visit();
  const synced = await plugIn(laptop.page);
  for (const credential of await phone.credentials()) await synced.put(credential);
  await laptop.page.goto(`${server.url}/login`);
  await laptop.page.getByRole('button', { name: 'Use a passkey' }).click();
  await expect(laptop.page.getByRole('heading', { name: /keys aren’t in this browser yet/ })).toBeVisible();
  await expect(laptop.page.getByText('@ada', { exact: false })).toBeVisible();
  await expectAccessible(laptop.page, 'opening the keys');
  await laptop.page.getByLabel('Password', { exact: true }).fill('not the password');
  await laptop.page.getByRole('button', { name: 'Open my keys' }).click();
  await expect(laptop.page.getByRole('alert')).toBeVisible({ timeout: SLOW_MS });
  await laptop.page.getByLabel('Password', { exact: true }).fill(ada.password);
  await laptop.page.getByRole('button', { name: 'Open my keys' }).click();
  await laptop.page.waitForURL(/\/c\//, { timeout: SLOW_MS });
  await expect(laptop.page.getByText('This browser is now one of your devices.')).toBeVisible();

  await openSecurity(laptop.page, server);
  await laptop.page.getByRole('button', { name: 'Remove' }).click();
  await laptop.page.getByRole('button', { name: 'Remove passkey' }).click();
  await expect(laptop.page.getByText('None yet.')).toBeVisible();
  await logOut(page, server);
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await expect(page.getByRole('alert')).toBeVisible();
});

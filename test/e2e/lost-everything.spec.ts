// Ben lost password, recovery code and every device. Whoever runs the server gives him a link; he starts over.
import type { Page } from '@playwright/test';
import { expectAccessible } from './support/accessible.ts';
import { isSettled, message, say } from './support/chat.ts';
import { expect, test } from './support/journey.ts';
import { ben, fillLogin, register, retypeCode, setUpOwner } from './support/people.ts';

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const toBen = 'Message Ben';
const fresh = 'granite paddle willow forty';

/** It asks whose keys the account has now, and takes them when it is told. */
async function turnsUpAgain(old: Page): Promise<void> {
  await old.waitForURL(/\/login$/, { timeout: 60_000 });
  await fillLogin(old, { ...ben, password: fresh });
  const asked = old.getByRole('heading', { name: 'Your account started over elsewhere' });
  await expect(asked).toBeVisible({ timeout: 60_000 });
  await button(old, 'It wasn’t me').click();
  await fillLogin(old, { ...ben, password: fresh });
  await button(old, 'It was me, go on').click({ timeout: 60_000 });
  await old.getByRole('link', { name: 'Direct messages' }).click({ timeout: 60_000 });
  await old.getByRole('link', { name: /Ada/ }).click();
  await expect(message(old, 'Is it you?')).toBeVisible({ timeout: 60_000 });
  await expect(message(old, 'Before it all went')).toHaveCount(0);
}

test('lost everything: a link, a new password, new keys, and the others are told', async ({
  server,
  visit,
}) => {
  test.slow();
  const { page: a } = await visit();
  const { page: old, context: lost } = await visit();
  const { inviteUrl } = await setUpOwner(a, server);
  await register(old, inviteUrl);
  await a.getByRole('complementary', { name: 'Members' }).getByRole('button', { name: /Ben/ }).click();
  await button(a, 'Message').click();
  await say(a, 'Before it all went', toBen);
  await isSettled(a); // Sent to the keys that are about to be lost, not waiting for the next ones.
  await lost.setOffline(true);

  const code = /#(\S+)/.exec(await server.operate('user', 'reset-password', 'ben'))?.[1] ?? '';
  const { page: b } = await visit();
  await test.step('the link sets a password, which opens no keys; half of it does nothing', async () => {
    await b.goto(`${server.url}/reset#${code.slice(0, 20)}`);
    await expect(b.getByText('This link isn’t complete.')).toBeVisible();
    await b.goto('about:blank');
    await b.goto(`${server.url}/reset#${code}`);
    await expectAccessible(b, 'setting a password');
    await b.getByLabel('New password').fill(fresh);
    await button(b, 'Set password').click();
    await expect(b.getByRole('heading', { name: 'your keys stay closed' })).toBeVisible({ timeout: 60_000 });
    await expectAccessible(b, 'closed keys');
  });

  await test.step('starting over says what it means and wants the name', async () => {
    await button(b, 'I have neither').click();
    await expectAccessible(b, 'what is lost');
    await b.getByLabel('Type ben to go on').fill('bob');
    await button(b, 'Start over').click();
    await expect(b.getByText('That’s another name.')).toBeVisible();
    await b.getByLabel('Type ben to go on').fill(ben.username);
    await button(b, 'Start over').click();
    const shown = b.getByRole('textbox', { name: 'Recovery code', exact: true });
    await expect(shown).toHaveValue(/^[0-9A-Z]{4}(-[0-9A-Z]{2,4})+$/, { timeout: 60_000 });
    await retypeCode(b, await shown.inputValue());
    await expect(b.getByText('You’ve started over.')).toBeVisible({ timeout: 60_000 });
  });

  await test.step('Ada is told, lets the new keys in with one tap, and they talk on', async () => {
    await expect(a.getByText('Ben has a new identity.').first()).toBeVisible();
    await button(a, 'Look at it').click();
    await button(a, 'Accept Ben’s new identity').click();
    await b.getByRole('link', { name: 'Direct messages' }).click();
    await b.getByRole('link', { name: /Ada/ }).click();
    await say(a, 'Is it you?', toBen);
    await expect(message(b, 'Is it you?')).toBeVisible();
    await say(b, 'It is', 'Message Ada');
    await expect(message(a, 'It is')).toBeVisible();
    await expect(message(b, 'Before it all went')).toHaveCount(0);
    await expect(message(a, 'Before it all went')).toBeVisible();
  });

  await lost.setOffline(false);
  await test.step('a browser that turns up again', () => turnsUpAgain(old));
});

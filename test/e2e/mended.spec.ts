// What goes wrong with devices, as a person meets it: messages that do not open until "Repair" is pressed, and a browser
// profile that was copied.
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BrowserContext, Page } from '@playwright/test';
import { scratchFolder } from '#test/support/scratch.ts';
import { button, dialog, SLOW_MS } from './support/browsers.ts';
import { field, log, say, sees } from './support/chat.ts';
import { expect, test } from './support/journey.ts';
import { HostileLine } from './support/line.ts';
import { ben, logIn, register, setUpOwner } from './support/people.ts';

const MINUTE_MS = 61_000;
/** Six requests an hour; the seventh that would be due is for a person to decide. */
const MANY = 20;

test('messages that arrive broken: asked for again and again, then "Repair" opens them', async ({
  server,
  visit,
}) => {
  const { page: a } = await visit();
  // Tall, so that every row is there.
  const { page: b } = await visit({ viewport: { width: 1440, height: 2400 } });
  const line = new HostileLine();
  await line.under(a);
  await line.under(b);
  const { inviteUrl } = await setUpOwner(a, server);
  await register(b, inviteUrl);
  await a.getByRole('complementary', { name: 'Members' }).getByRole('button', { name: /Ben/ }).click();
  await button(a, 'Message').click();
  await say(a, 'Before', 'Message Ben');
  await b.getByRole('link', { name: 'Direct messages' }).click();
  await b.getByRole('link', { name: /Ada/ }).click();
  await sees(b, 'Before', SLOW_MS);

  const broken: string[] = [];
  await test.step('each is asked for by itself, until that is for a person to decide', async () => {
    line.isGarbling = true;
    while (!(await button(b, 'Repair').isVisible())) {
      broken.push(`Broken ${broken.length + 1}`);
      expect(broken.length).toBeLessThan(MANY);
      await say(a, broken.at(-1)!, 'Message Ben');
      await expect(log(b).getByText('This message can’t be opened here yet')).toHaveCount(broken.length, {
        timeout: SLOW_MS,
      });
      await line.later(MINUTE_MS);
    }
    await expect(b.getByText('The secure connection with Ada is stuck.')).toBeVisible();
    await expect(log(b).getByText('“Repair” above starts a fresh').first()).toBeVisible();
  });

  await test.step('the line is as it should be again: pressed, all of them open', async () => {
    line.isGarbling = false;
    await button(b, 'Repair').press('Enter');
    await expect(b.getByText('A fresh secure connection was started')).toBeVisible({ timeout: SLOW_MS });
    for (const text of broken) await sees(b, text, SLOW_MS);
    await expect(button(b, 'Repair')).toHaveCount(0);
    await say(b, 'All there now', 'Message Ada');
    await sees(a, 'All there now', SLOW_MS);
  });
});

test('a copied profile: both copies stop and say what to do, and a fresh device goes on', async ({
  server,
  visit,
  playwright,
}) => {
  const folder = scratchFolder('profiles');
  const opened: BrowserContext[] = [];
  const open = async (name: string): Promise<Page> => {
    const { executablePath, args } = test.info().project.use.launchOptions ?? {};
    const options = { executablePath, args, viewport: { width: 1440, height: 900 } };
    const context = await playwright.chromium.launchPersistentContext(join(folder, name), options);
    opened.push(context);
    return context.pages()[0]!;
  };
  const { page: a } = await visit();
  const { inviteUrl, communityUrl } = await setUpOwner(a, server);
  const before = await open('bens');
  await register(before, inviteUrl);
  await say(before, 'There is one of me');
  await sees(a, 'There is one of me', SLOW_MS);
  await before.context().close();
  await cp(join(folder, 'bens'), join(folder, 'copy'), { recursive: true });

  const original = await open('bens');
  const copy = await open('copy');
  await test.step('both are told what it means', async () => {
    for (const page of [original, copy]) await page.goto(communityUrl);
    for (const page of [original, copy])
      await expect(dialog(page).getByText('both have stopped')).toBeVisible({ timeout: SLOW_MS });
  });

  await test.step('nothing can be written on either, and it stays said', async () => {
    for (const page of [original, copy]) {
      await page.keyboard.press('Escape');
      await expect(dialog(page)).toHaveCount(0);
      await expect(page.getByText('This device exists twice, so nothing is sent from it.')).toBeVisible();
      await expect(field(page)).toHaveCount(0);
    }
  });

  await test.step('removed on one, it is logged out on both; logged in again, it goes on', async () => {
    await button(original, 'What to do').press('Enter');
    await button(original, 'Log out and remove this device').click();
    await original.waitForURL(/\/login$/, { timeout: SLOW_MS });
    await copy.waitForURL(/\/login$/, { timeout: SLOW_MS });
    await logIn(original, server, ben);
    await original.goto(communityUrl);
    await sees(original, 'There is one of me', SLOW_MS);
    await say(original, 'And only one again');
    await sees(a, 'And only one again', SLOW_MS);
  });
  for (const context of opened) await context.close();
  await rm(folder, { recursive: true, force: true });
});

// People with several browsers, as journeys about them need them: what each does, by what a person sees.
import { expect, type Locator, type Page } from '@playwright/test';
import { field, isSettled, log, say } from './chat.ts';
import type { TestServer } from './server.ts';

export const SLOW_MS = 90_000;

export const button = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true });
export const dialog = (page: Page): Locator => page.getByRole('dialog');

export async function enter(page: Page, room: string): Promise<void> {
  // Where something is unread its name says so after it.
  await page.getByRole('link', { name: new RegExp(`^${room}\\b`) }).click();
  await expect(field(page, `Message #${room}`)).toBeVisible({ timeout: SLOW_MS });
}

export async function tell(page: Page, room: string, text: string): Promise<void> {
  await enter(page, room);
  await say(page, text, `Message #${room}`);
  await expect(log(page).getByText(text, { exact: true })).toHaveCount(1, { timeout: SLOW_MS });
  await isSettled(page);
}

/** Removes every device of this person but the one in hand. */
export async function removeOthers(page: Page, server: TestServer, count: number): Promise<void> {
  await page.goto(`${server.url}/settings/devices`);
  const rows = page.getByRole('region', { name: 'Your devices' }).getByRole('listitem');
  await expect(rows).toHaveCount(count + 1);
  for (let left = count; left > 0; left--) {
    await rows
      .getByRole('button', { name: /^Remove/ })
      .first()
      .click();
    await dialog(page).getByRole('button', { name: 'Remove', exact: true }).click();
    await expect(rows).toHaveCount(left, { timeout: SLOW_MS });
  }
}

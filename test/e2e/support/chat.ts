// What a journey says and looks for in a conversation, by what a person sees.
import { expect, type Locator, type Page } from '@playwright/test';

export const log = (page: Page): Locator => page.getByRole('log', { name: 'Messages' });
export const field = (page: Page, name = 'Message #general'): Locator =>
  page.getByRole('textbox', { name, exact: true });
export const rail = (page: Page): Locator => page.getByRole('navigation', { name: 'Communities' });
export const message = (page: Page, text: string): Locator =>
  log(page).getByRole('article').filter({ hasText: text });

/** Writes into the open conversation; done when the composer let go of the text. */
export async function say(page: Page, text: string, to?: string): Promise<void> {
  await field(page, to).fill(text);
  await field(page, to).press('Enter');
  await expect(field(page, to)).toHaveValue('');
}

/** Exactly one message of these words is shown. */
export const sees = (page: Page, text: string, timeout = 15_000): Promise<void> =>
  expect(log(page).getByText(text, { exact: true })).toHaveCount(1, { timeout });

/** Points at a message and presses a button of its toolbar. */
export async function act(page: Page, text: string, button: string): Promise<void> {
  await message(page, text).hover();
  await message(page, text).getByRole('button', { name: button, exact: true }).click();
}

/** No row is on its way or refused any more. */
export const isSettled = async (page: Page): Promise<void> => {
  await expect(log(page).getByText('Sending…')).toHaveCount(0);
  await expect(log(page).getByText(/^Not sent/)).toHaveCount(0);
};

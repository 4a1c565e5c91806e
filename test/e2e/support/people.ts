// What people do on their way in, by what they see. Every helper leaves the page where the person would be.
import { expect, type Page } from '@playwright/test';
import type { TestServer } from './server.ts';

export interface Person {
  readonly username: string;
  readonly displayName: string;
  readonly password: string;
}

/** Distinct, unremarkable passwords; argon2 makes every use cost a second or two. */
export const ada: Person = {
  username: 'ada',
  displayName: 'Ada',
  password: 'lathe kettle orchard seven',
};
export const ben: Person = {
  username: 'ben',
  displayName: 'Ben',
  password: 'pebble harbour violin nine',
};

/** Key derivation on a busy machine. */
const SLOW_MS = 60_000;

/** The page a form is on, by its button: the one that is being left may have a field of the same name. */
const isThere = (page: Page, button: string): Promise<void> =>
  expect(page.getByRole('button', { name: button })).toBeVisible();

/** Names and password, up to the moment the recovery code is shown. Answers the code as shown. */
export async function fillAccount(page: Page, person: Person): Promise<string> {
  await isThere(page, 'Create account');
  await page.getByLabel('Username').fill(person.username);
  await page.getByLabel('Display name').fill(person.displayName);
  await page.getByLabel('Password', { exact: true }).fill(person.password);
  await page.getByRole('button', { name: 'Create account' }).click();
  const code = page.getByRole('textbox', { name: 'Recovery code', exact: true });
  await expect(code).toHaveValue(/^[0-9A-Z]{4}(-[0-9A-Z]{2,4})+$/, { timeout: SLOW_MS });
  return code.inputValue();
}

/** Types the four groups that are asked for and goes on. */
export async function retypeCode(page: Page, code: string): Promise<void> {
  await page.getByRole('button', { name: 'I’ve written it down' }).click();
  const groups = code.split('-');
  const fields = page.getByRole('textbox', { name: /^Recovery code, group \d+$/ });
  await expect(fields).toHaveCount(4);
  for (const field of await fields.all()) {
    const label = (await field.getAttribute('aria-label')) ?? '';
    await field.fill(groups[Number(/\d+$/.exec(label)?.[0]) - 1] ?? '');
  }
  await page.getByRole('button', { name: 'Continue' }).click();
}

export interface Instance {
  readonly inviteUrl: string;
  readonly communityUrl: string;
  /** The owner's recovery code, as shown. */
  readonly recoveryCode: string;
}

/**
 * First run of a fresh server: owner's account, name and door, first community, invite link. Ends in the new
 * community.
 */
export async function setUpOwner(
  page: Page,
  server: TestServer,
  options: { person?: Person; instanceName?: string; communityName?: string } = {},
): Promise<Instance> {
  const { person = ada, instanceName = 'Linden Street', communityName = 'Workshop' } = options;
  await page.goto(server.setupUrl);
  const recoveryCode = await fillAccount(page, person);
  await retypeCode(page, recoveryCode);
  await page.getByLabel('Instance name').fill(instanceName, { timeout: SLOW_MS });
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Community name').fill(communityName);
  await page.getByRole('button', { name: 'Create community' }).click();
  const inviteUrl = await page.getByLabel('Invite link').inputValue();
  await page.getByRole('link', { name: `Open ${communityName}` }).click();
  await page.waitForURL(/\/c\/[^/]+/);
  return { inviteUrl, communityUrl: page.url(), recoveryCode };
}

/** Follows an invite link without an account and makes one. Ends in the community. Answers the recovery code. */
export async function register(page: Page, inviteUrl: string, person: Person = ben): Promise<string> {
  await page.goto(inviteUrl);
  await page.getByRole('link', { name: 'Create an account and join' }).click();
  const code = await fillAccount(page, person);
  await retypeCode(page, code);
  await page.waitForURL(/\/c\/[^/]+/, { timeout: SLOW_MS });
  return code;
}

/** Fills the log-in form and sends it; the outcome is the journey's to check. */
export async function fillLogin(page: Page, person: Pick<Person, 'username' | 'password'>): Promise<void> {
  await isThere(page, 'Log in');
  await page.getByLabel('Username').fill(person.username);
  await page.getByLabel('Password', { exact: true }).fill(person.password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

/** Logs in from the log-in page and waits until the person is in. */
export async function logIn(page: Page, server: TestServer, person: Person): Promise<void> {
  await page.goto(`${server.url}/login`);
  await fillLogin(page, person);
  await page.waitForURL(/\/(c|dm)(\/|$)/, { timeout: SLOW_MS });
}

/** Logs out in the settings; the browser keeps its keys. Ends on the log-in page. */
export async function logOut(page: Page, server: TestServer): Promise<void> {
  await page.goto(`${server.url}/settings/devices`);
  await page.getByRole('button', { name: 'Log out', exact: true }).click();
  await page.waitForURL(/\/login$/);
}

// It still works after a crash, offline, in a second tab and on a second device: nothing lost, nothing doubled.
import { act, field, isSettled, log, message, say, sees } from './support/chat.ts';
import { expect, test } from './support/journey.ts';
import { ada, fillLogin, register, setUpOwner } from './support/people.ts';

/** Reconnecting waits up to 30 s between tries. */
const BACK_MS = 45_000;

test('a restart and a crash of the server lose nothing and double nothing', async ({ server, visit }) => {
  const one = await visit();
  const { inviteUrl } = await setUpOwner(one.page, server);
  const two = await visit();
  await register(two.page, inviteUrl);
  await say(one.page, 'before');
  await sees(two.page, 'before');

  await server.stop();
  await say(one.page, 'while the server is down');
  await server.resume();
  await sees(two.page, 'while the server is down', BACK_MS);

  await server.kill();
  await server.resume();
  await say(two.page, 'after the crash');
  await sees(one.page, 'after the crash', BACK_MS);

  await one.page.reload();
  for (const text of ['before', 'while the server is down', 'after the crash']) await sees(one.page, text);
});

test('what is written offline goes out once the network is back', async ({ server, visit }) => {
  const one = await visit();
  const { inviteUrl } = await setUpOwner(one.page, server);
  const two = await visit();
  await register(two.page, inviteUrl);
  await say(one.page, 'hello');
  await sees(two.page, 'hello');

  await one.context.setOffline(true);
  await say(one.page, 'written offline');
  await expect(log(one.page).getByText('Waiting for the connection…')).toBeVisible();
  await say(two.page, 'meanwhile');
  await one.context.setOffline(false);
  await sees(two.page, 'written offline', BACK_MS);
  await sees(one.page, 'meanwhile', BACK_MS);
  await expect(log(one.page).getByText('Waiting for the connection…')).toHaveCount(0);
});

test('two tabs share one device; the second takes over when the first closes', async ({ server, visit }) => {
  const one = await visit();
  const { inviteUrl } = await setUpOwner(one.page, server);
  const two = await visit();
  await register(two.page, inviteUrl);
  const tab = await one.context.newPage();
  await tab.goto(one.page.url());
  await Promise.all([say(one.page, 'from the first tab'), say(tab, 'from the second tab')]);
  for (const page of [one.page, tab, two.page]) {
    await sees(page, 'from the first tab');
    await sees(page, 'from the second tab');
  }
  await one.page.close();
  await say(tab, 'the first tab is gone');
  await sees(two.page, 'the first tab is gone');
  await say(two.page, 'heard you');
  await sees(tab, 'heard you');
});

test('a second browser with the password alone reads the whole history, with edits, reactions and direct messages', async ({
  server,
  visit,
}) => {
  const one = await visit();
  const { inviteUrl } = await setUpOwner(one.page, server);
  const two = await visit();
  await register(two.page, inviteUrl);
  await say(one.page, 'before the fone');
  await sees(two.page, 'before the fone');
  await field(one.page).press('ArrowUp');
  await say(one.page, 'before the phone');
  await act(two.page, 'before the phone', 'React with 👍');
  await expect(
    message(one.page, 'before the phone').getByRole('button', { name: /👍, 1 person: Ben/ }),
  ).toBeVisible();
  await one.page.getByRole('complementary', { name: 'Members' }).getByRole('button', { name: /Ben/ }).click();
  await one.page.getByRole('button', { name: 'Message', exact: true }).click();
  const direct = one.page.getByRole('textbox', { name: 'Message Ben' });
  await direct.fill('just between us');
  await direct.press('Enter');
  await sees(one.page, 'just between us');
  await isSettled(one.page);
  const directUrl = one.page.url();
  await one.page.goto(`${server.url}/settings/devices`);
  await expect(one.page.getByText('All keys backed up')).toBeVisible({ timeout: 30_000 });

  const phone = await visit({ viewport: { width: 390, height: 844 } });
  await phone.page.goto(`${server.url}/login`);
  await fillLogin(phone.page, ada);
  await phone.page.getByRole('link', { name: /general/ }).click({ timeout: 60_000 });
  const restored = message(phone.page, 'before the phone');
  await expect(restored).toContainText('(edited)', { timeout: 30_000 });
  await expect(restored.getByRole('button', { name: /👍, 1 person: Ben/ })).toBeVisible();
  await expect(log(phone.page).getByText('Messages from before this device was added')).toHaveCount(0);
  await say(two.page, 'hello both');
  await sees(phone.page, 'hello both');
  await say(phone.page, 'from the phone');
  await sees(two.page, 'from the phone');
  await phone.page.goto(directUrl);
  await sees(phone.page, 'just between us', 30_000);
});

// A browser that was away for long: what was said meanwhile waits for it.
import { enter, removeOthers, SLOW_MS, tell } from './support/browsers.ts';
import { log } from './support/chat.ts';
import { expect, test } from './support/journey.ts';
import { ada, ben, logIn, register, setUpOwner } from './support/people.ts';

const WEEK_MS = 7 * 24 * 3_600_000;

test('a week offline: what was said meanwhile, by whichever device, is read when it is back', async ({
  server,
  visit,
}) => {
  test.setTimeout(300_000);
  const [desk, laptop, bens, phone] = [await visit(), await visit(), await visit(), await visit()];
  const { inviteUrl, communityUrl } = await setUpOwner(desk.page, server);
  await register(bens.page, inviteUrl, ben);
  await logIn(laptop.page, server, ada);
  await logIn(phone.page, server, ben);
  await phone.page.goto(communityUrl);
  await tell(desk.page, 'general', 'Ada says one');
  await expect(log(phone.page).getByText('Ada says one', { exact: true })).toBeVisible({ timeout: SLOW_MS });

  await test.step('one goes offline; the others go on talking', async () => {
    await phone.context.setOffline(true);
    await tell(bens.page, 'general', 'Ben says two');
    await tell(laptop.page, 'general', 'Ada says three');
  });

  await test.step('a week later, by the clock of the server, which browsers go by, more is said and a device is removed', async () => {
    await server.sleep(WEEK_MS);
    for (const { page } of [desk, laptop, bens]) await page.goto(communityUrl);
    await tell(bens.page, 'general', 'Ben says four');
    await tell(laptop.page, 'general', 'Ada says five');
    await removeOthers(desk.page, server, 1);
    await desk.page.goto(communityUrl);
    await tell(desk.page, 'general', 'Ada says six');
  });

  await test.step('it is back and reads all of it, as the others do', async () => {
    await phone.context.setOffline(false);
    const general = [
      'Ada says one',
      'Ben says two',
      'Ada says three',
      'Ben says four',
      'Ada says five',
      'Ada says six',
    ];
    for (const text of general)
      await expect(log(phone.page).getByText(text, { exact: true })).toHaveCount(1, { timeout: SLOW_MS });
    for (const { page } of [desk, bens, phone]) {
      await page.goto(communityUrl);
      await enter(page, 'general');
      for (const text of general)
        await expect(log(page).getByText(text, { exact: true })).toHaveCount(1, { timeout: SLOW_MS });
    }
  });
});

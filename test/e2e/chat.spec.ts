// Two people in two browsers talk: live in a channel and directly, edit, react, reply, delete, reload, unread, kick.
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { act, field, isSettled, log, message, rail, say } from './support/chat.ts';
import { expect, test } from './support/journey.ts';
import { register, setUpOwner } from './support/people.ts';

async function expectAccessible(page: Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa']).analyze();
  const found = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${where}: ${id}: ${node.html}`));
  expect(found).toEqual([]);
}

/** An answer to what is new, in a window that has not the focus. */
const answersFromTheBackground = (a: Page, b: Page): Promise<void> =>
  test.step('a window in the background draws a line above what is new, and ends it with an answer', async () => {
    await a.evaluate(() => window.dispatchEvent(new Event('blur')));
    await say(b, 'With milk?');
    await expect(log(a).getByRole('separator', { name: /^New since/ })).toBeVisible();
    await say(a, 'No milk');
    await expect(message(b, 'No milk')).toBeVisible();
    await expect(log(a).getByRole('separator', { name: /^New since/ })).toHaveCount(0);
    await a.evaluate(() => window.dispatchEvent(new Event('focus')));
  });

/** How new messages reach the page: as compact frames or as JSON (docs/events.md, "Frames"). */
function countFrames(page: Page): { readonly compact: number; readonly json: number } {
  const heard = { compact: 0, json: 0 };
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => {
      if (typeof payload !== 'string') heard.compact += 1;
      else if (payload.includes('"event.appended"')) heard.json += 1;
    }),
  );
  return heard;
}

test('two people talk in a channel: live, typing, edited, reacted to', async ({ server, visit }) => {
  const { page: a } = await visit();
  const { page: b } = await visit();
  const heard = countFrames(b);
  const { inviteUrl } = await setUpOwner(a, server);
  await register(b, inviteUrl);

  await test.step('both ways, live', async () => {
    await say(a, 'Is the kettle on?');
    await expect(message(b, 'Is the kettle on?')).toBeVisible();
    await say(b, 'It **boils** already');
    await expect(message(a, 'It boils already')).toBeVisible();
    await isSettled(a);
    await isSettled(b);
    expect(heard.compact).toBeGreaterThan(0);
    expect(heard.json).toBe(0);
  });

  await test.step('typing is shown, and gone with the message', async () => {
    // It is told at most once in three seconds.
    await expect(async () => {
      await field(b).pressSequentially('Wait ');
      await expect(a.getByText('Ben is typing')).toBeVisible({ timeout: 1000 });
    }).toPass();
    await field(b).press('Enter');
    await expect(message(a, 'Wait')).toBeVisible();
    await expect(a.getByText('Ben is typing')).toHaveCount(0);
  });

  await test.step('an own message is edited with the up arrow', async () => {
    await field(a).press('ArrowUp');
    await expect(field(a)).toHaveValue('Is the kettle on?');
    // The caret is put at the end once, not at every letter.
    await field(a).press('Home');
    await field(a).pressSequentially('So: ');
    await expect(field(a)).toHaveValue('So: Is the kettle on?');
    await field(a).fill('Is the big kettle on?');
    await field(a).press('Enter');
    await expect(message(b, 'Is the big kettle on?')).toContainText('(edited)');
    await expect(message(b, 'Is the kettle on?')).toHaveCount(0);
  });

  await test.step('a reaction counts for both and comes off again', async () => {
    await act(b, 'Is the big kettle on?', 'React with 👍');
    const chip = message(a, 'Is the big kettle on?').getByRole('button', { name: /👍, 1 person: Ben/ });
    await expect(chip).toBeVisible();
    await chip.click();
    await expect(
      message(b, 'Is the big kettle on?').getByRole('button', { name: /👍, 2 people/ }),
    ).toBeVisible();
    await message(a, 'Is the big kettle on?').getByRole('button', { name: /👍/ }).first().click();
    await expect(
      message(b, 'Is the big kettle on?').getByRole('button', { name: /👍, 1 person/ }),
    ).toBeVisible();
  });

  await answersFromTheBackground(a, b);
});

test('answers, mentions and deletions hold for both, also after a reload; axe is content', async ({
  server,
  visit,
}) => {
  const { page: a } = await visit();
  const { page: b } = await visit();
  const { inviteUrl } = await setUpOwner(a, server);
  await register(b, inviteUrl);
  await say(a, 'Is the big kettle on?');
  await expect(message(b, 'Is the big kettle on?')).toBeVisible();
  await act(b, 'Is the big kettle on?', 'React with 👍');

  await test.step('a reply quotes what it answers', async () => {
    await act(b, 'Is the big kettle on?', 'Reply');
    await expect(b.getByText('Replying to Ada')).toBeVisible();
    await say(b, 'Yes, since ten');
    await expect(message(a, 'Yes, since ten')).toContainText('Is the big kettle on?');
  });

  await test.step('a mention is marked and counted', async () => {
    await say(b, 'Thanks @ada!');
    await expect(message(a, 'Thanks').locator('.mention.self')).toHaveText('@Ada');
  });

  await test.step('a deleted message is gone for both', async () => {
    await act(b, 'Yes, since ten', 'More');
    await b.getByRole('menuitem', { name: 'Delete…' }).click();
    await b.getByRole('button', { name: 'Delete message' }).click();
    for (const page of [a, b]) {
      await expect(message(page, 'Message deleted')).toBeVisible();
      await expect(log(page).getByText('Yes, since ten')).toHaveCount(0);
    }
  });

  await test.step('a reload keeps the history', async () => {
    await isSettled(b);
    await b.reload();
    await expect(message(b, 'Is the big kettle on?')).toBeVisible();
    await expect(message(b, 'Message deleted')).toHaveCount(1);
    await expect(
      message(b, 'Is the big kettle on?').getByRole('button', { name: /👍, 1 person/ }),
    ).toBeVisible();
    await expect(log(b).getByText('can’t be opened')).toHaveCount(0);
  });

  await test.step('axe finds nothing, wide and narrow', async () => {
    await expectAccessible(a, 'wide');
    await b.setViewportSize({ width: 390, height: 844 });
    await expect(field(b)).toBeVisible();
    await expectAccessible(b, 'narrow');
  });
});

test('two people write to each other directly, and what is unread is counted', async ({ server, visit }) => {
  const { page: a } = await visit();
  const { page: b } = await visit();
  const { inviteUrl } = await setUpOwner(a, server);
  await register(b, inviteUrl);

  await test.step('from the profile to the first message', async () => {
    await a.getByRole('complementary', { name: 'Members' }).getByRole('button', { name: /Ben/ }).click();
    await a.getByRole('button', { name: 'Message', exact: true }).click();
    await say(a, 'Just between us', 'Message Ben');
    await expect(b.getByRole('link', { name: 'Direct messages, 1 mention' })).toBeVisible();
  });

  await test.step('the other reads and answers', async () => {
    await b.getByRole('link', { name: /Direct messages/ }).click();
    await b.getByRole('link', { name: /Ada/ }).click();
    await expect(message(b, 'Just between us')).toBeVisible();
    await expect(b.getByRole('link', { name: 'Direct messages', exact: true })).toBeVisible();
    await say(b, 'Understood', 'Message Ada');
    await expect(message(a, 'Understood')).toBeVisible();
  });

  await test.step('a channel left behind shows what came meanwhile', async () => {
    await rail(b).getByRole('link', { name: 'Workshop' }).click();
    await expect(field(b)).toBeVisible();
    await b.getByRole('link', { name: /Direct messages/ }).click();
    await rail(a).getByRole('link', { name: 'Workshop' }).click();
    await say(a, 'Who has the spare key?');
    await say(a, '@ben, is it you?');
    const tile = rail(b).getByRole('link', { name: /^Workshop/ });
    await expect(tile).toHaveAccessibleName('Workshop, 1 mention');
    await tile.click();
    await expect(message(b, 'Who has the spare key?')).toBeVisible();
    await expect(b.getByRole('separator', { name: /^New since/ })).toBeVisible();
    await expect(rail(b).getByRole('link', { name: 'Workshop', exact: true })).toBeVisible();
  });
});

test('who is kicked sees nothing more, and is told', async ({ server, visit }) => {
  const { page: a } = await visit();
  const { page: b } = await visit();
  const { inviteUrl } = await setUpOwner(a, server);
  await register(b, inviteUrl);
  await say(a, 'Welcome');
  await expect(message(b, 'Welcome')).toBeVisible();

  await a.getByRole('complementary', { name: 'Members' }).getByRole('button', { name: /Ben/ }).click();
  await a.getByRole('button', { name: 'Kick Ben…' }).click();
  await a.getByRole('button', { name: 'Kick', exact: true }).click();
  await expect(a.getByText('Ben was kicked')).toBeVisible();

  await expect(b.getByRole('heading', { name: 'You’re no longer in Workshop' })).toBeVisible();
  await expect(log(b)).toHaveCount(0);
  await say(a, 'Now it is quiet');
  await isSettled(a);
  await expect(b.getByText('Now it is quiet')).toHaveCount(0);
  await b.reload();
  await expect(b.getByText('Welcome')).toHaveCount(0);
  await expect(b.getByRole('link', { name: /Workshop/ })).toHaveCount(0);
});

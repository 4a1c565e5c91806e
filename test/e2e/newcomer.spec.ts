// Joining late: in a channel that shares its history a newcomer reads it all, whoever of its writers is gone; elsewhere
// nothing from before, and the channel says so. Where messages are kept for a day everybody sees it, and they go.
import { field, isSettled, log, say, sees } from './support/chat.ts';
import { expect, test } from './support/journey.ts';
import { ada, ben, register, setUpOwner } from './support/people.ts';

const cleo = { username: 'cleo', displayName: 'Cleo', password: 'ferry walnut copper eleven' };

test('who joins later reads what was shared, also from somebody who left, and is told where nothing is', async ({
  server,
  visit,
}) => {
  const { page: a } = await visit();
  const { page: b, context: bensBrowser } = await visit();
  const { page: c } = await visit();
  const { inviteUrl } = await setUpOwner(a, server, { person: ada });
  await register(b, inviteUrl, ben);
  await say(a, 'Only for those here');

  await test.step('the owner makes a channel that shares its history', async () => {
    await a.getByRole('button', { name: 'New channel' }).first().click();
    await a.getByLabel('Channel name').fill('open');
    await a.getByRole('radio', { name: 'Read what was written before' }).check();
    await a.getByRole('button', { name: 'Create channel' }).click();
    await expect(field(a, 'Message #open')).toBeVisible();
    await expect(log(a).getByText('People who join later can read what was written before.')).toBeVisible();
  });

  await test.step('two people talk there; one leaves for good', async () => {
    await b.getByRole('link', { name: 'open' }).click();
    await say(b, 'Ben was here', 'Message #open');
    await sees(a, 'Ben was here');
    await say(a, 'So was Ada', 'Message #open');
    await sees(b, 'So was Ada');
    await isSettled(a);
    await isSettled(b);
    await b.getByRole('button', { name: 'Menu of Workshop' }).click();
    await b.getByRole('menuitem', { name: 'Leave Workshop…' }).click();
    await b.getByRole('button', { name: 'Leave', exact: true }).click();
    await expect(b.getByRole('link', { name: /Workshop/ })).toHaveCount(0);
    await bensBrowser.close();
  });

  await test.step('the newcomer reads both, and nothing of the other channel', async () => {
    await register(c, inviteUrl, cleo);
    await expect(log(c).getByText('what was written before stays with those who were here')).toBeVisible();
    await expect(log(c).getByText('Only for those here')).toHaveCount(0);
    await c.getByRole('link', { name: 'open' }).click();
    await sees(c, 'Ben was here', 60_000);
    await sees(c, 'So was Ada');
    await say(c, 'Now I know', 'Message #open');
    await sees(a, 'Now I know');
  });
});

test('a channel is set to keep messages for a day: all are told, and a day later they are gone', async ({
  server,
  visit,
}) => {
  const { page: a } = await visit();
  const { page: b } = await visit();
  await b.clock.install();
  const { inviteUrl } = await setUpOwner(a, server, { person: ada });
  await register(b, inviteUrl, ben);
  await say(a, 'This one stays');
  await sees(b, 'This one stays');
  await expect(b.getByRole('button', { name: 'Channel history' })).toHaveCount(0);

  await test.step('the owner chooses, and both are told from where on it holds', async () => {
    await a.getByRole('button', { name: 'Channel history' }).click();
    await a.getByRole('radio', { name: 'Nothing for longer than 24 hours' }).check();
    await a.getByRole('button', { name: 'Use from now on' }).click();
    for (const page of [a, b]) {
      await expect(log(page).getByText('From here on, messages are kept for 24 hours')).toBeVisible();
      await expect(page.getByText('Kept for 24 hours', { exact: true })).toBeVisible();
    }
  });

  await test.step('what is written goes a day later, what was there before stays', async () => {
    await say(a, 'Gone tomorrow');
    await sees(b, 'Gone tomorrow');
    await b.clock.fastForward('25:00:00');
    await expect(log(b).getByText('A message is gone')).toBeVisible();
    await expect(log(b).getByText('Gone tomorrow')).toHaveCount(0);
    await expect(log(b).getByText('This one stays')).toBeVisible();
    await b.reload();
    await expect(log(b).getByText('This one stays')).toBeVisible();
  });
});

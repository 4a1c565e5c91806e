// Somebody deletes the account: what they wrote still opens and verifies for those who read it, without a name, and
// what one takes along as a file holds it too.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Conversation } from '#client/features/conversation/conversation.svelte.ts';
import { DataExport } from '#client/features/settings/data-export.svelte.ts';
import type { Workspace } from '#client/sync/workspace.svelte.ts';
import type { ChannelId } from '#shared/ids.ts';
import { eventually, text, textsIn, Town, write } from '../support/town.ts';

const password = 'lathe kettle orchard seven';
let town: Town;
let ada: Workspace;
let ben: Workspace;
let general: ChannelId;
let dm: ChannelId;

beforeAll(async () => {
  town = await Town.start();
  ({ ada, channelId: general } = town);
  ben = await town.bring('ben');
  const opened = await ben.api.dms.open.mutate({ accountId: ada.me! });
  dm = opened.channel.channelId;
  for (const each of [ada, ben]) await eventually(() => expect(each.structure.dms.has(dm)).toBe(true));
}, 120_000);
afterAll(() => town.stop());

it('is read for the first time after the writer is gone: whole, verified, and by nobody', async () => {
  const target = await write(ben, general, text('first draft'));
  await write(ben, general, { type: 'edit', target, rev: 1, text: 'last words' });
  await write(ben, dm, text('between us'));
  await eventually(() => {
    expect(ada.structure.head(general).lastSeq).toBe(2);
    expect(ada.structure.head(dm).lastSeq).toBe(1);
  });
  const benId = ben.me!;
  const kdf = await ben.api.auth.kdf.query({ username: 'ben' });
  const { loginSecret } = await ben.crypto.deriveLogin({ password, kdf });
  // Its socket may be closed before the answer is through.
  await ben.api.account.delete.mutate({ loginSecret, username: 'ben' }).catch(() => undefined);

  await eventually(() => expect(ada.structure.dms.get(dm)?.channel.isArchived).toBe(true));
  for (const channelId of [general, dm]) await ada.log(channelId).open();
  await eventually(() => {
    expect(textsIn(ada, general)).toEqual(['last words']);
    expect(textsIn(ada, dm)).toEqual(['between us']);
  });
  const conversation = new Conversation(ada, dm);
  await eventually(() => expect(conversation.nameOf(benId)).toBe('Deleted account'));
  expect(conversation.name).toBe('Deleted account');
  expect(conversation.sendRefusal).toMatch(/^This account was deleted/);
  await eventually(() => expect(ada.identities.view(benId)?.alarm).toBeNull());
});

it('a file of one’s data holds what the server keeps and every message this browser opens', async () => {
  await write(ada, general, text('mine'));
  await eventually(() => expect(ada.structure.head(general).lastSeq).toBe(3));
  const pieces = await new DataExport(ada).collect('A note');
  const file = JSON.parse(pieces!.join('')) as {
    note: string;
    server: Record<string, Record<string, unknown>[]>;
    conversations: { channelId: string; with: string | null; events: Record<string, unknown>[] }[];
  };
  expect(file.note).toBe('A note');
  expect(file.server.account).toMatchObject([{ id: ada.me, username: 'ada' }]);
  expect(file.server.events).toHaveLength(1);
  const written = file.conversations.find((one) => one.channelId === general)?.events;
  expect(written).toMatchObject([
    { seq: 1, status: 'decrypted', name: 'Deleted account', content: { type: 'text', text: 'first draft' } },
    { seq: 2, status: 'decrypted', content: { type: 'edit', text: 'last words' } },
    { seq: 3, status: 'decrypted', from: ada.me, content: { type: 'text', text: 'mine' } },
  ]);
  const letters = file.conversations.find((one) => one.channelId === dm);
  expect(letters?.events).toMatchObject([{ content: { text: 'between us' } }]);
});

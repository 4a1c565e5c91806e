// What the server holds about one account comes out whole, page by page, and nothing of anybody else's.
import { beforeEach, expect, it } from 'vitest';
import { toBase64Url } from '#crypto/index.ts';
import { exportPartSchema, type ExportPart, type ExportRow } from '#shared/account.ts';
import { limits } from '#shared/limits.ts';
import { refusal, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { opaquePacket, Pen, sealDm } from '../../support/messages.ts';
import { makeHome, registerPerson, type Person } from '../../support/people.ts';
import type { TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let ben: Person;

const fresh = freshPeople({ ada: { username: 'ada', units: 2 }, ben: { username: 'ben', units: 2 } });
beforeEach(async () => {
  ({ db, world, ada, ben } = await fresh());
});

async function take(person: Person, part: ExportPart): Promise<ExportRow[]> {
  const rows: ExportRow[] = [];
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<Person['api']['account']['export']>> = await person.api.account.export({
      part,
      ...(after === null ? {} : { after }),
    });
    rows.push(...page.rows);
    after = page.next;
  } while (after !== null);
  return rows;
}
const takeAll = async (person: Person): Promise<Record<ExportPart, ExportRow[]>> =>
  Object.fromEntries(
    await Promise.all(exportPartSchema.options.map(async (part) => [part, await take(person, part)])),
  ) as Record<ExportPart, ExportRow[]>;

it('is what was done, by kind, and neither secrets nor what is sealed', async () => {
  const { communityId, channelId, code } = await makeHome(ada, ben);
  const pen = new Pen(ada, channelId);
  const sealed = [pen.text('one'), pen.text('two')];
  sealed.push(pen.react(sealed[0]!.eventId));
  for (const one of sealed) await ada.api.messages.send(one);
  await ben.api.messages.send(new Pen(ben, channelId).text('mine'));
  const dm = (await ada.api.dms.open({ accountId: ben.accountId })).channel.channelId;
  const target = { accountId: ben.accountId, deviceId: ben.deviceId };
  const packets = [{ ...target, bytes: opaquePacket(300) }];
  await ada.api.messages.send({ ...sealDm(ada, dm), packets, dmDevices: [target] });
  await ada.api.prekeys.claim({ targets: [target] });
  const other = await registerPerson(world.deps);
  await ada.api.communities.ban({ communityId, accountId: other.accountId, reason: 'spam' });

  const data = await takeAll(ada);
  expect(data.account).toMatchObject([{ id: ada.accountId, username: 'ada', instanceRole: 'owner' }]);
  expect(data.sessions).toMatchObject([{ id: ada.actor.sessionId, userAgent: 'vitest' }]);
  expect(data.devices).toMatchObject([{ id: ada.deviceId, label: 'Test browser', prekeysLeft: 2 }]);
  expect(data.log.map((row) => row.bytes)).toEqual(ada.log.map(toBase64Url));
  expect(data.communities).toMatchObject([{ communityId, name: 'Home', isOwner: true }]);
  expect(data.invites).toMatchObject([{ code, uses: 1 }]);
  expect(data.bans).toEqual([]);
  expect(data.bansByMe).toMatchObject([{ accountId: other.accountId, reason: 'spam' }]);
  expect(data.channels.map((row) => [row.channelId, row.with]).sort()).toEqual(
    [
      [channelId, null],
      [dm, ben.accountId],
    ].sort(),
  );
  expect(data.chains).toHaveLength(1);
  expect(data.keyClaims).toMatchObject([{ isByMe: true, deviceId: ben.deviceId }]);
  expect(data.mailbox).toMatchObject([{ deviceId: ben.deviceId, bytes: 300 }]);
  expect(data.events.map((row) => row.class).sort()).toEqual(['message', 'message', 'message', 'reaction']);

  const text = JSON.stringify(data);
  for (const secret of [toBase64Url(ada.vault), '$argon2', sealed[0]!.envelope]) {
    expect(text).not.toContain(secret);
  }
  const theirs = JSON.stringify(await takeAll(other));
  for (const id of [ada.accountId, ben.accountId, channelId, dm, 'Home']) expect(theirs).not.toContain(id);
});

it('comes in pages that together are all of it', async () => {
  const { communityId } = await ada.api.communities.create({ name: 'Home' });
  const count = limits.exportPage + 3;
  await db.prisma.invite.createMany({
    data: Array.from({ length: count }, (_, i) => ({
      code: `invite-${String(i).padStart(10, '0')}`,
      communityId,
      createdById: ada.accountId,
    })),
  });
  const codes = (await take(ada, 'invites')).map((row) => row.code);
  expect(new Set(codes).size).toBe(count);
});

it('goes through long logs in stretches, over every channel, also those left', async () => {
  const places: string[] = [];
  for (const name of ['One', 'Two']) {
    const { communityId, channels } = await ben.api.communities.create({ name });
    const { code } = await ben.api.invites.create({ communityId });
    await ada.api.invites.accept({ code });
    const { channelId } = channels[0]!;
    const pen = new Pen(ada, channelId);
    await ada.api.messages.send(pen.text('early'));
    // As if thousands of events of others lay between.
    await db.prisma.channel.update({ where: { id: channelId }, data: { lastSeq: limits.exportStretch * 2 } });
    await ada.api.messages.send(pen.text('late'));
    if (name === 'Two') await ada.api.communities.leave({ communityId });
    places.push(channelId);
  }
  const events = await take(ada, 'events');
  expect(events.map((row) => `${row.channelId}`).sort()).toEqual([...places, ...places].sort());
  expect(await refusal(ada.api.account.export({ part: 'events', after: 'nowhere:1' }))).toMatchObject({
    code: 'bad_input',
  });
});

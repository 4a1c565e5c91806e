// The end of an account that has done everything there is to do: what is erased, what stays, and what others see of it.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  findDevice,
  fromBase64Url,
  openAccountLog,
  parseEnvelopeHeader,
  toBase64Url,
  uuidToBytes,
  verifyChainCert,
} from '#crypto/index.ts';
import { dmsOf } from '#server/domains/channels/dms.service.ts';
import type { DeletionPlan } from '#shared/account.ts';
import type { ChannelId, CommunityId, GroupId, RoleId } from '#shared/ids.ts';
import { permission } from '#shared/permissions.ts';
import { audienceReplay, type AudienceReplay } from '../../support/audience-replay.ts';
import { backupAppend } from '../../support/backup.ts';
import { caller, refusal, testDeps, testRequest, type TestDeps } from '../../support/deps.ts';
import { opaquePacket, Pen, sealDm } from '../../support/messages.ts';
import { registerPerson, type Person } from '../../support/people.ts';
import { countRows } from '../../support/row-counts.ts';
import { openTestDatabase, type TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let ben: Person;
let cleo: Person;
let eve: Person;

const openWorld = async (): Promise<void> => {
  await db.truncate();
  world = await testDeps(db);
  ada = await registerPerson(world.deps, { username: 'ada' });
  ben = await registerPerson(world.deps, { username: 'ben', units: 2 });
  cleo = await registerPerson(world.deps, { username: 'cleo' });
  eve = await registerPerson(world.deps, { username: 'eve', units: 2 });
};
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

interface Place {
  readonly communityId: CommunityId;
  readonly channelId: ChannelId;
  readonly groupId: GroupId;
  readonly admin: RoleId;
}

async function makePlace(owner: Person, name: string, members: readonly Person[]): Promise<Place> {
  const { communityId, channels, roles } = await owner.api.communities.create({ name });
  const [channel] = channels;
  const admin = roles.find((role) => role.position === 2)?.roleId;
  if (!channel?.groupId || !admin) throw new Error('a community starts with a channel and roles');
  const { code } = await owner.api.invites.create({ communityId });
  for (const member of members) await member.api.invites.accept({ code });
  return { communityId, channelId: channel.channelId, groupId: channel.groupId, admin };
}

const remove = (person: Person, username: string) =>
  person.api.account.delete({ loginSecret: person.loginSecret, username });
const refOf = ({ accountId, deviceId }: Person) => ({ accountId, deviceId });
const epochOf = async (channelId: ChannelId): Promise<number> =>
  (await db.prisma.channel.findUniqueOrThrow({ where: { id: channelId } })).epoch;

/** Rows of each table in which one of these ids stands, whatever the column. */
async function mentions(ids: readonly string[]): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  const pattern = ids.flatMap((id) => [id, id.replaceAll('-', '')]).join('|');
  for (const name of Object.keys(await countRows(db))) {
    const sql = `SELECT count(*)::int4 AS n FROM "${name}" t WHERE t::text ~ $1::text`;
    const [row] = await db.query<{ n: number }>(`test.mentions.${name}`, sql, [pattern]);
    if (row && row.n > 0) found[name] = row.n;
  }
  return found;
}

interface Life {
  /** Ada's: Eve is an admin in it, with a channel she is let into by name. */
  readonly home: Place;
  readonly closed: ChannelId;
  /** Eve's, with Ben as its admin and Cleo in it. */
  readonly shop: Place;
  /** Eve's alone. */
  readonly attic: Place;
  /** Ada's: Eve was there, denied by name, and left. */
  readonly past: Place;
  /** Ada's: Eve is banned there. */
  readonly barred: Place;
  readonly dm: ChannelId;
  readonly events: readonly string[];
}

async function enterPlaces(): Promise<Omit<Life, 'dm' | 'events'>> {
  const [home, past, barred] = [
    await makePlace(ada, 'Home', [ben, eve]),
    await makePlace(ada, 'Past', [eve]),
    await makePlace(ada, 'Barred', [eve]),
  ];
  const shop = await makePlace(eve, 'Shop', [cleo, ben]);
  const attic = await makePlace(eve, 'Attic', []);
  await ada.api.roles.assign({ roleId: home.admin, accountId: eve.accountId });
  await eve.api.roles.assign({ roleId: shop.admin, accountId: ben.accountId });
  const { communityId, groupId } = home;
  const { channelId: closed } = await ada.api.channels.create({ communityId, groupId, name: 'closed' });
  const scope = { communityId, channelId: closed };
  for (const { accountId } of [ada, eve, ben])
    await ada.api.roles.setOverride({ ...scope, accountId, allow: permission.view, deny: permission.pin });
  const everyone = (await ada.api.communities.get({ communityId })).roles.find((r) => r.position === 0);
  const roleId = everyone?.roleId;
  if (!roleId) throw new Error('no everyone role');
  await ada.api.roles.setOverride({ ...scope, roleId, allow: 0, deny: permission.view });
  const pastScope = { communityId: past.communityId, channelId: past.channelId };
  const { accountId } = eve;
  await ada.api.roles.setOverride({ ...pastScope, accountId, allow: 0, deny: permission.send });
  await eve.api.communities.leave({ communityId: past.communityId });
  await ada.api.communities.ban({ communityId: barred.communityId, accountId, reason: 'noise' });
  const dan = await registerPerson(world.deps, { username: 'dan' });
  await eve.api.communities.ban({ communityId: shop.communityId, accountId: dan.accountId });
  return { home, closed, shop, attic, past, barred };
}

async function liveALife(): Promise<Life> {
  const places = await enterPlaces();
  const { home, closed, shop, attic } = places;
  await eve.api.invites.create({ communityId: home.communityId });
  await eve.api.invites.create({ communityId: attic.communityId });
  const pen = new Pen(eve, home.channelId, await epochOf(home.channelId));
  const said = pen.text('something');
  const gone = pen.text('regretted');
  const sealed = [said, gone, pen.edit(said.eventId), pen.react(said.eventId), pen.redact(gone.eventId)];
  sealed.push(new Pen(eve, closed, await epochOf(closed)).text('behind the door'));
  sealed.push(new Pen(eve, shop.channelId, await epochOf(shop.channelId)).text('welcome'));
  for (const one of sealed) await eve.api.messages.send(one);
  const answer = new Pen(ben, home.channelId, await epochOf(home.channelId)).text('answer', said.eventId);
  await ben.api.messages.send(answer);
  const dm = (await eve.api.dms.open({ accountId: ben.accountId })).channel.channelId;
  for (const [from, to] of [
    [eve, ben],
    [ben, eve],
  ] as const) {
    const packets = [{ ...refOf(to), bytes: opaquePacket() }];
    await from.api.messages.send({ ...sealDm(from, dm), packets, dmDevices: [refOf(to)] });
  }
  await eve.api.backup.append(backupAppend(eve, { count: 0, entries: 2 }));
  await eve.api.prekeys.claim({ targets: [refOf(ben)] });
  await ben.api.prekeys.claim({ targets: [refOf(eve)] });
  await eve.api.users.update({ displayName: 'Eve the Great', bio: 'All about me', pronouns: 'she/her' });
  const { loginSecret } = eve;
  await caller(world.deps, null, testRequest()).auth.login({ username: 'eve', loginSecret });
  return { ...places, dm, events: sealed.map((one) => one.eventId) };
}

async function watchOthers(): Promise<AudienceReplay> {
  world.events.clear();
  const replay = audienceReplay(world.deps, world.events);
  for (const person of [ada, ben, cleo]) await replay.watch(person.accountId);
  return replay;
}

describe('an account that has done everything', () => {
  let life: Life;
  let replay: AudienceReplay;
  let plan: DeletionPlan;
  let read: readonly ChannelId[];
  let epochs: readonly number[];

  beforeAll(async () => {
    await openWorld();
    life = await liveALife();
    const before = await mentions([eve.accountId, eve.deviceId]);
    expect(Object.keys(before)).toEqual(
      expect.arrayContaining([
        'Backup',
        'Ban',
        'Credential',
        'Invite',
        'Member',
        'MemberRole',
        'Override',
        'Session',
      ]),
    );
    plan = await eve.api.account.deletionPlan();
    read = [life.home.channelId, life.closed, life.shop.channelId, life.dm];
    epochs = await Promise.all(read.map(epochOf));
    replay = await watchOthers();
    await remove(eve, 'eve');
  });

  it('leaves the tombstone, its log and its messages, and nothing else in any table', async () => {
    expect(await mentions([eve.accountId, eve.deviceId])).toEqual({
      Account: 1,
      AccountLogEntry: eve.log.length,
      Ban: 1, // whom she banned stays banned
      ChainCert: 3,
      Channel: 1, // the key of the direct conversation
      ChannelEvent: life.events.length + 1,
      Device: 1,
      MailboxPacket: 1, // keys of what she wrote to Ben
    });
    const account = await db.prisma.account.findUniqueOrThrow({ where: { id: eve.accountId } });
    expect(account).toMatchObject({ username: null, displayName: '', bio: '', pronouns: '' });
    expect(account.deletedAt).not.toBeNull();
    const device = await db.prisma.device.findUniqueOrThrow({ where: { id: eve.deviceId } });
    expect([device.label, device.revokedAt !== null]).toEqual(['', true]);
    const [orphans] = await db.query<{ n: number }>(
      'test.orphans',
      `SELECT count(*)::int4 AS n FROM "Community" k WHERE NOT EXISTS (
         SELECT 1 FROM "Member" m WHERE m."communityId" = k.id AND m."accountId" = k."ownerId")`,
    );
    expect(orphans?.n).toBe(0);
  });

  it('handed communities to the next in rank; where nobody else was, they ended', async () => {
    const { shop, attic } = life;
    expect(plan.isOwnerNeeded).toBe(false);
    expect(plan.communities.map(({ name, successor }) => [name, successor?.displayName]).sort()).toEqual([
      ['Attic', undefined],
      ['Shop', 'ben'],
    ]);
    const structure = await ben.api.communities.get({ communityId: shop.communityId });
    expect([structure.ownerId, structure.memberCount]).toEqual([ben.accountId, 2]);
    expect(await db.prisma.community.findUnique({ where: { id: attic.communityId } })).toBeNull();
    expect(await db.prisma.channel.findUnique({ where: { id: attic.channelId } })).toBeNull();
  });

  it('raised the epoch of every channel it read, and was heard of by everybody who saw it', async () => {
    await replay.settle();
    const after = await Promise.all(read.map(epochOf));
    for (const [i, epoch] of after.entries()) expect(epoch).toBeGreaterThan(epochs[i] ?? 0);
    for (const person of [ada, ben, cleo]) {
      const heard = replay.heard(person.accountId);
      const profiles = heard.flatMap((event) => (event.type === 'profile.updated' ? [event.profile] : []));
      expect(profiles).toContainEqual(
        expect.objectContaining({ accountId: eve.accountId, isDeleted: true, displayName: '' }),
      );
    }
    const left = replay
      .heard(ben.accountId)
      .flatMap((event) => (event.type === 'member.left' ? [event] : []));
    expect(left.map((event) => event.communityId).sort()).toEqual(
      [life.home.communityId, life.shop.communityId].sort(),
    );
    expect(world.events.argsOf('closeAccount')).toEqual([[eve.accountId]]);
    expect(world.events.argsOf('closeSession')).toHaveLength(2);
  });

  it('is out at once: no session, no log-in, no recovery, no packet, no prekey; the name is free', async () => {
    const { home, dm } = life;
    expect(await refusal(eve.api.communities.create({ name: 'Ghost town' }))).toEqual({
      code: 'unauthenticated',
    });
    const anybody = caller(world.deps, null, testRequest());
    const { loginSecret, recoveryAuth } = eve;
    expect((await refusal(anybody.auth.login({ username: 'eve', loginSecret }))).code).toBe(
      'bad_credentials',
    );
    const recovering = anybody.auth.recoveryVault({ username: 'eve', recoveryAuth });
    expect((await refusal(recovering)).code).toBe('bad_credentials');
    const pen = new Pen(eve, home.channelId, await epochOf(home.channelId));
    expect((await refusal(eve.api.messages.send(pen.text('boo')))).code).toBe('not_found');
    const claimed = await ben.api.prekeys.claim({ targets: [refOf(eve)] });
    expect(claimed).toMatchObject([{ status: 'refused', reason: 'not_found' }]);
    const packets = [{ ...refOf(eve), bytes: opaquePacket() }];
    const late = ben.api.messages.send({ ...sealDm(ben, dm), packets, dmDevices: [refOf(eve)] });
    expect((await refusal(late)).code).toBe('forbidden');
    expect((await ben.api.dms.open({ accountId: eve.accountId })).channel.isArchived).toBe(true);
    expect((await anybody.auth.available({ username: 'eve' })).available).toBe(true);
    await registerPerson(world.deps, { username: 'eve' });
  });

  it('stays verifiable: log, certificates and every message it wrote, as a reader checks them', async () => {
    const { home, dm, events } = life;
    const [log] = await ben.api.devices.logs({ accounts: [{ accountId: eve.accountId, fromSeq: 0 }] });
    expect(log?.devices).toEqual([]);
    const state = openAccountLog((log?.entries ?? []).map(fromBase64Url));
    expect(state.aid).toEqual(eve.state.aid);
    const cert = findDevice(state, uuidToBytes(eve.deviceId))?.cert;
    if (!cert) throw new Error('the device is not in the log');
    const page = await ben.api.messages.gap({ channelId: home.channelId, fromSeq: 1, toSeq: 100 });
    const hers = page.events.filter((event) => event.senderAccountId === eve.accountId);
    expect(hers.map((event) => event.eventId)).toEqual(events.slice(0, 5));
    expect(Object.keys(page.chainCerts).length).toBeGreaterThan(0);
    const owner = {
      channelId: uuidToBytes(home.channelId),
      aid: state.aid,
      deviceId: cert.deviceId,
      devicePublicKey: cert.signingPub,
      maxEpoch: await epochOf(home.channelId),
    };
    for (const event of hers.filter((one) => one.envelope !== null)) {
      const { chain } = parseEnvelopeHeader(fromBase64Url(event.envelope ?? ''));
      const certificate = page.chainCerts[toBase64Url(chain?.chainId ?? new Uint8Array())] ?? '';
      expect(verifyChainCert(fromBase64Url(certificate), owner).chainId).toEqual(chain?.chainId);
    }

    // The direct conversation is still the one of these two, closed for writing.
    const [conversation] = await dmsOf(db, ben.accountId);
    expect(conversation?.channel).toMatchObject({ channelId: dm, isArchived: true });
    expect(conversation?.members.map((m) => [m.accountId, m.isDeleted]).sort()).toEqual(
      [
        [ben.accountId, false],
        [eve.accountId, true],
      ].sort(),
    );
    const letters = await ben.api.messages.gap({ channelId: dm, fromSeq: 1, toSeq: 100 });
    expect(letters.events).toHaveLength(2);
  });
});

it('is decided for every table there is', async () => {
  // A new table fails here: say what deleting an account does with it (deletion.queries.ts), what the export shows of
  // it (export.queries.ts), and name it.
  const ended = [
    ...[
      'Backup',
      'BackupEntry',
      'ChannelCursor',
      'ChannelReader',
      'Credential',
      'DeviceLease',
      'Invite',
      'LinkMailbox',
      'Member',
      'MemberRole',
      'OneTimeKey',
      'PasswordReset',
    ],
    ...['Override', 'PrekeyClaim', 'PrekeySet', 'Session', 'SpentRefresh', 'Totp', 'BackupCode', 'Passkey'],
  ];
  const kept = ['Account', 'AccountLogEntry', 'ChainCert', 'ChannelEvent', 'Device', 'FormerLogEntry'];
  const partly = ['Ban', 'Community', 'InstanceSetting', 'MailboxPacket'];
  // A spent ticket is a hash of random bytes.
  const notOfPeople = ['Channel', 'Group', 'JobRun', 'Role', 'SpentTicket'];
  const decided = [...ended, ...kept, ...partly, ...notOfPeople];
  expect(Object.keys(await countRows(db)).sort()).toEqual(decided.sort());
});

describe('what stands in the way', () => {
  beforeEach(openWorld);

  it('a wrong password, another name than one’s own, and being the only owner of an instance others are on', async () => {
    const before = await countRows(db);
    const wrong = { loginSecret: ada.loginSecret, username: 'eve' };
    expect((await refusal(eve.api.account.delete(wrong))).code).toBe('bad_credentials');
    expect(await refusal(remove(eve, 'evil'))).toEqual({ code: 'conflict', what: 'username' });
    expect((await ada.api.account.deletionPlan()).isOwnerNeeded).toBe(true);
    expect(await refusal(remove(ada, 'ada'))).toEqual({ code: 'forbidden', reason: 'owner' });
    expect(await countRows(db)).toEqual(before);
  });

  it('nothing, for the owner who is alone: the instance can be set up anew', async () => {
    for (const person of [ben, cleo, eve]) await remove(person, person.username);
    expect((await ada.api.account.deletionPlan()).isOwnerNeeded).toBe(false);
    await remove(ada, 'ada');
    const anybody = caller(world.deps, null, testRequest());
    expect((await anybody.instance.info()).setup).not.toBe('done');
    const next = await registerPerson(world.deps, { username: 'ada' });
    expect((await next.api.users.me()).instanceRole).toBe('owner');
  });
});

describe('at the same moment', () => {
  beforeEach(openWorld);

  it('a conversation, a community and a membership begun while the account goes leave nothing behind', async () => {
    const home = await makePlace(ada, 'Home', [ben, eve]);
    const { code } = await ada.api.invites.create({ communityId: home.communityId });
    await eve.api.communities.leave({ communityId: home.communityId });
    await Promise.allSettled([
      eve.api.invites.accept({ code }),
      remove(eve, 'eve'),
      eve.api.communities.create({ name: 'Late' }),
      ben.api.dms.open({ accountId: eve.accountId }),
      eve.api.invites.accept({ code }),
    ]);
    const account = await db.prisma.account.findUniqueOrThrow({ where: { id: eve.accountId } });
    if (account.deletedAt === null) await remove(eve, 'eve');
    const left = await mentions([eve.accountId, eve.deviceId]);
    expect(Object.keys(left).filter((table) => !['Channel', 'ChannelEvent'].includes(table))).toEqual([
      'Account',
      'AccountLogEntry',
      'Device',
    ]);
  });
});

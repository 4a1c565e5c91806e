// Who lost everything: a password by the operator's link, which opens no keys, and another identity under the same account.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createRotateRoot,
  ed25519KeyPair,
  systemRng,
  toBase64Url,
  uuidToBytes,
  vaultHeader,
} from '#crypto/index.ts';
import { offerPasswordReset } from '#server/domains/auth/password-reset.service.ts';
import { suspendPerson } from '#server/domains/users/staff.service.ts';
import { verifyDatabase } from '#server/operations/verify-database.ts';
import type { ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { backupAppend } from '../../support/backup.ts';
import { caller, refusal, testRequest, type Caller, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import {
  makeIdentity,
  makeSecondDevice,
  makeUpload,
  nextPassword,
  startingOver,
} from '../../support/keys.ts';
import { opaquePacket, Pen } from '../../support/messages.ts';
import { attach, makeHome, type Person } from '../../support/people.ts';
import { countRows } from '../../support/row-counts.ts';
import type { TestDatabase } from '../../support/test-db.ts';
import { appCode } from '../../support/totp.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let ben: Person;

const fresh = freshPeople({ ada: { username: 'ada' }, ben: { username: 'ben', units: 2 } });
beforeEach(async () => {
  ({ db, world, ada, ben } = await fresh());
});

const anybody = () => caller(world.deps, null, testRequest());
const refOf = ({ accountId, deviceId }: Person) => ({ accountId, deviceId });
const login = (person: Person, loginSecret = person.loginSecret) =>
  anybody().auth.login({ username: person.username, loginSecret });
const nothingChanges = async (run: () => Promise<unknown>): Promise<void> => {
  const before = await countRows(db);
  await run();
  expect(await countRows(db)).toEqual(before);
};
const passwordFor = (person: Person) => {
  const { kdf, newLoginSecret } = nextPassword(person, person.vault);
  return { kdf, newLoginSecret };
};

describe('a link to set a new password', () => {
  it('sets it once, ends every session, turns the second step off, and leaves the vault as it is', async () => {
    const { secret } = await ben.api.factors.beginTotp();
    await ben.api.factors.enableTotp({ code: appCode(secret, world.deps.clock.now()) });
    const code = await offerPasswordReset(world.deps, 'Ben');
    const input = { code, ...passwordFor(ben) };
    const grant = await anybody().auth.resetPassword(input);
    expect(grant).toMatchObject({ accountId: ben.accountId, username: 'ben', deviceId: null });
    expect(await refusal(login(ben))).toEqual({ code: 'bad_credentials' });
    expect((await login(ben, input.newLoginSecret)).accountId).toBe(ben.accountId);
    expect(await anybody().auth.kdf({ username: 'ben' })).toEqual(input.kdf);
    expect(world.events.argsOf('closeSession')).toEqual([[ben.actor.sessionId]]);
    const api = caller(world.deps, { ...grant, deviceId: null });
    const { vault } = await api.vault.get({ loginSecret: input.newLoginSecret });
    expect(vault).toBe(toBase64Url(ben.vault));
    // The recovery code still opens the vault, and sets a password of its own.
    const { recoveryAuth } = ben;
    expect((await anybody().auth.recoveryVault({ username: 'ben', recoveryAuth })).vault).toBe(vault);
    await nothingChanges(async () => {
      expect(await refusal(anybody().auth.resetPassword(input))).toEqual({ code: 'reset_invalid' });
    });
  });

  it('is void after a day, after the next one was made, and after the password changed otherwise', async () => {
    const use = (code: string) => anybody().auth.resetPassword({ code, ...passwordFor(ben) });
    const late = await offerPasswordReset(world.deps, 'ben');
    world.clock.advance(limits.passwordResetMs + 1);
    expect((await refusal(use(late))).code).toBe('reset_invalid');
    const [first] = [
      await offerPasswordReset(world.deps, 'ben'),
      await offerPasswordReset(world.deps, 'ben'),
    ];
    expect((await refusal(use(first))).code).toBe('reset_invalid');
    const third = await offerPasswordReset(world.deps, 'ben');
    await ben.api.auth.reauthenticate({ kind: 'password', loginSecret: ben.loginSecret });
    await ben.api.account.changePassword({ loginSecret: ben.loginSecret, ...nextPassword(ben, ben.vault) });
    expect((await refusal(use(third))).code).toBe('reset_invalid');
  });

  it('is nobody’s who is not there, and lets nobody suspended in', async () => {
    expect(await refusal(offerPasswordReset(world.deps, 'nobody'))).toEqual({ code: 'not_found' });
    const code = await offerPasswordReset(world.deps, 'ben');
    await suspendPerson(world.deps, 'ben', true);
    await nothingChanges(async () => {
      const call = anybody().auth.resetPassword({ code, ...passwordFor(ben) });
      expect(await refusal(call)).toMatchObject({ code: 'forbidden', reason: 'suspended' });
    });
  });
});

describe('account.resetIdentity', () => {
  let channelId: ChannelId;
  /** Ben on a browser without keys. */
  let bare: Caller;
  let session: Awaited<ReturnType<typeof login>>;
  const fresh = () => makeIdentity(world.deps.clock.now(), uuidToBytes(ben.accountId));
  const start = (identity = fresh()) => bare.account.resetIdentity(startingOver(identity, ben));

  beforeEach(async () => {
    ({ channelId } = await makeHome(ada, ben));
    session = await login(ben);
    bare = caller(world.deps, { ...session, deviceId: null });
  });

  it('A87 leaves exactly this: the account, its name, password, second step and memberships; all keys are others', async () => {
    await ben.api.messages.send(new Pen(ben, channelId).text('before'));
    await ben.api.backup.append(backupAppend(ben, { count: 0, entries: 1 }));
    const second = makeSecondDevice(ben);
    await ben.api.devices.append({ entry: toBase64Url(second.entry), label: 'Phone' });
    await ada.api.mailbox.send({ packets: [{ ...refOf(ben), bytes: opaquePacket() }] });
    const elsewhere = await login(ben);
    const account = await db.prisma.account.findUniqueOrThrow({ where: { id: ben.accountId } });
    const member = await db.prisma.member.findMany();
    const events = await db.prisma.channelEvent.findMany();
    const before = await db.prisma.credential.findUniqueOrThrow({ where: { accountId: ben.accountId } });
    const channel = await db.prisma.channel.findUniqueOrThrow({ where: { id: channelId } });
    const old = await ben.api.devices.logs({ accounts: [{ accountId: ben.accountId, fromSeq: 0 }] });
    world.events.clear();

    const identity = fresh();
    await start(identity);

    expect(await db.prisma.account.findUniqueOrThrow({ where: { id: ben.accountId } })).toEqual(account);
    expect(await db.prisma.member.findMany()).toEqual(member);
    expect(await db.prisma.channelEvent.findMany()).toEqual(events);
    const after = await db.prisma.credential.findUniqueOrThrow({ where: { accountId: ben.accountId } });
    expect({ ...after, vault: before.vault, recoveryHash: before.recoveryHash }).toEqual(before);
    expect(vaultHeader(Uint8Array.from(after.vault)).aid).toEqual(identity.state.aid);
    expect(after.recoveryHash).not.toBe(before.recoveryHash);

    const logs = await ada.api.devices.logs({ accounts: [{ accountId: ben.accountId, fromSeq: 0 }] });
    expect(logs[0]!.entries).toEqual(identity.log.map(toBase64Url));
    expect(logs[0]!.former).toEqual([old[0]!.entries]);
    const later = await ada.api.devices.logs({ accounts: [{ accountId: ben.accountId, fromSeq: 1 }] });
    expect(later[0]!.former).toBeUndefined();
    expect(logs[0]!.devices.map((device) => device.deviceId)).toEqual([identity.deviceId]);
    const former = await db.prisma.formerLogEntry.findMany({ orderBy: { seq: 'asc' } });
    expect(former.map((row) => toBase64Url(Uint8Array.from(row.bytes)))).toEqual(old[0]!.entries);
    const devices = await db.prisma.device.findMany({ where: { accountId: ben.accountId, revokedAt: null } });
    expect(devices.map((device) => device.id)).toEqual([identity.deviceId]);
    expect([await db.prisma.backup.count(), await db.prisma.backupEntry.count()]).toEqual([0, 0]);
    expect([await db.prisma.prekeySet.count(), await db.prisma.mailboxPacket.count()]).toEqual([0, 0]);
    const sessions = await db.prisma.session.findMany({
      where: { accountId: ben.accountId, revokedAt: null },
    });
    expect(sessions.map((row) => row.id)).toEqual([session.sessionId]);
    expect(world.events.argsOf('closeSession').flat().sort()).toEqual(
      [ben.actor.sessionId, elsewhere.sessionId].sort(),
    );

    const now = await db.prisma.channel.findUniqueOrThrow({ where: { id: channelId } });
    expect(now.epoch).toBe(channel.epoch + 1);
    expect(world.events.of('devices.changed').map(({ event }) => event)).toContainEqual({
      type: 'devices.changed',
      accountId: ben.accountId,
      headSeq: 1,
    });
    expect(world.events.of('channel.rekeyed').map(({ event }) => event.channelId)).toEqual([channelId]);
    expect((await verifyDatabase(db)).filter((check) => check.wrong !== 0)).toEqual([]);
  });

  it('A87 the new device works, the old one is none any more, and the new recovery code is the one that counts', async () => {
    const identity = fresh();
    await start(identity);
    const actor = await attach(world.deps, identity, session);
    const mine = caller(world.deps, actor);
    await mine.prekeys.publish(makeUpload(identity.device, { now: world.deps.clock.now() }).upload);
    await mine.backup.append(backupAppend(identity, { count: 0, entries: 1 }));
    await expect(attach(world.deps, ben, await login(ben))).rejects.toThrow();
    const recovery = (recoveryAuth: string) =>
      anybody().auth.recoveryVault({ username: 'ben', recoveryAuth });
    expect((await recovery(identity.recoveryAuth)).accountId).toBe(ben.accountId);
    expect((await refusal(recovery(ben.recoveryAuth))).code).toBe('bad_credentials');
  });

  it('keeps what the replaced log said in the owner’s export', async () => {
    await start();
    const { rows } = await bare.account.export({ part: 'log' });
    expect(rows.map((row) => row['replacedAt'] !== null)).toEqual([false, false, true, true]);
    expect(rows.slice(2).map((row) => row['bytes'])).toEqual(ben.log.map(toBase64Url));
  });

  it('is for a session without keys that proved who it is minutes ago, with password and name', async () => {
    const input = startingOver(fresh(), ben);
    await nothingChanges(async () => {
      expect(await refusal(ben.api.account.resetIdentity(input))).toEqual({
        code: 'conflict',
        what: 'session_device',
      });
      const named = bare.account.resetIdentity({ ...input, username: 'ada' });
      expect(await refusal(named)).toEqual({ code: 'conflict', what: 'username' });
      const wrong = bare.account.resetIdentity({ ...input, loginSecret: ada.loginSecret });
      expect(await refusal(wrong)).toEqual({ code: 'bad_credentials' });
      world.clock.advance(limits.freshMs + 1);
      expect((await refusal(bare.account.resetIdentity(input))).code).toBe('reauthentication_required');
    });
  });

  it('refuses keys of another account, of two identities, and of the identity there is', async () => {
    const [one, other] = [fresh(), fresh()];
    const stranger = makeIdentity();
    const good = startingOver(one, ben);
    await nothingChanges(async () => {
      for (const bad of [
        startingOver(stranger, ben),
        { ...good, vault: toBase64Url(other.vault) },
        { ...good, log: other.log.map(toBase64Url) },
        { ...startingOver(ben, ben), vault: nextPassword(ben, ben.vault).vault },
      ]) {
        expect((await refusal(bare.account.resetIdentity(bad))).code).toBe('bad_proof');
      }
    });
  });

  it('takes a repeat for the first time; of two at once one wins', async () => {
    const identity = fresh();
    await start(identity);
    await nothingChanges(() => start(identity));
    const both = await Promise.allSettled([start(), start()]);
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await verifyDatabase(db)).filter((check) => check.wrong !== 0)).toEqual([]);
  });

  it(`ends after ${limits.identityResets} times, and nothing changes then`, async () => {
    await db.query(
      'test.many-eras',
      `INSERT INTO "FormerLogEntry" SELECT $1::uuid, n, 0, '\\x00'::bytea, now(), now()
       FROM generate_series(1, $2::int4) AS n`,
      [ben.accountId, limits.identityResets],
    );
    await nothingChanges(async () => {
      expect(await refusal(start())).toMatchObject({ code: 'limit_reached', limit: 'identityResets' });
    });
  });

  it('is not had by a rotation of the root: the log refuses one, for the vault would not hold it', async () => {
    const entry = toBase64Url(createRotateRoot(ben.state, ed25519KeyPair(systemRng), ben.root.secretKey));
    await nothingChanges(async () => {
      expect(await refusal(ben.api.devices.append({ entry }))).toEqual({
        code: 'bad_proof',
        what: 'root_rotation',
      });
    });
  });
});

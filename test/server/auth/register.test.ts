import { toBase64Url } from '#crypto/index.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  caller,
  refusal,
  setupToken,
  testDeps,
  testEnv,
  testRequest,
  type TestDeps,
} from '../../support/deps.ts';
import { makeIdentity, registration, type Identity } from '../../support/keys.ts';
import { registerPerson } from '../../support/people.ts';
import { countRows } from '../../support/row-counts.ts';
import { openTestDatabase, type TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;

beforeAll(async () => {
  db = await openTestDatabase();
});
beforeEach(async () => {
  await db.truncate();
  world = await testDeps(db);
});
afterAll(() => db.close());

type Options = { extra?: object; request?: ReturnType<typeof testRequest> };
const register = (identity: Identity, name: string, { extra = {}, request = testRequest() }: Options = {}) =>
  caller(world.deps, null, request).auth.register({ ...registration(identity, name), ...extra });

describe('set-up', () => {
  it('makes the first account the owner of the instance, and only the first', async () => {
    const identity = makeIdentity();
    expect(await refusal(register(makeIdentity(), 'early'))).toEqual({ code: 'setup_required' });
    const grant = await register(identity, 'ada', { extra: { setup: {} } });
    expect(grant).toMatchObject({ accountId: identity.accountId, deviceId: null });
    expect(await refusal(register(makeIdentity(), 'bob', { extra: { setup: {} } }))).toEqual({
      code: 'setup_done',
    });
    const rows = await db.prisma.account.findMany({ select: { username: true, instanceRole: true } });
    expect(rows).toEqual([{ username: 'ada', instanceRole: 'owner' }]);
  });

  it('lets exactly one of several at once become the owner', async () => {
    const tries = ['ada', 'bob', 'cyd', 'dan'].map((name) =>
      register(makeIdentity(), name, { extra: { setup: {} } }),
    );
    const outcomes = await Promise.allSettled(tries);
    expect(outcomes.filter((o) => o.status === 'fulfilled')).toHaveLength(1);
    expect(await db.prisma.account.count()).toBe(1);
    expect(await db.prisma.accountLogEntry.count()).toBe(2);
  });

  it('asks for the printed token from anywhere but this machine', async () => {
    const far = testRequest({ isLoopback: false, address: '203.0.113.9' });
    expect((await caller(world.deps, null, far).instance.info()).setup).toBe('token');
    for (const setup of [{}, { token: 'wrong' }, { token: `${setupToken}x` }]) {
      expect(await refusal(register(makeIdentity(), 'eve', { extra: { setup }, request: far }))).toEqual({
        code: 'bad_setup_token',
      });
    }
    const foreignPage = testRequest({ origin: 'https://evil.example' });
    expect(
      await refusal(register(makeIdentity(), 'eve', { extra: { setup: {} }, request: foreignPage })),
    ).toEqual({
      code: 'bad_setup_token',
    });
    await register(makeIdentity(), 'ada', { extra: { setup: { token: setupToken } }, request: far });
    expect((await caller(world.deps, null, far).instance.info()).setup).toBe('done');
  });

  it('asks for the token on this machine too when the instance is public', async () => {
    world = await testDeps(db, { env: testEnv({ PUBLIC_URL: 'https://chat.example' }) });
    const near = testRequest({ origin: 'https://chat.example' });
    expect((await caller(world.deps, null, near).instance.info()).setup).toBe('token');
    expect(await refusal(register(makeIdentity(), 'ada', { extra: { setup: {} }, request: near }))).toEqual({
      code: 'bad_setup_token',
    });
  });
});

describe('registration by mode', () => {
  it('refuses without an invite, with a dead invite and when closed, and stores nothing of it', async () => {
    const owner = await registerPerson(world.deps);
    await owner.api.instance.configure({ name: 'Home', registration: 'invite' });
    const { InstanceSetting: _, ...before } = await countRows(db);
    expect(await refusal(register(makeIdentity(), 'bob'))).toEqual({ code: 'invite_required' });
    const inviteCode = 'A'.repeat(16);
    expect(await refusal(register(makeIdentity(), 'bob', { extra: { inviteCode } }))).toEqual({
      code: 'invite_invalid',
    });
    await owner.api.instance.configure({ name: 'Home', registration: 'closed' });
    expect(await refusal(register(makeIdentity(), 'bob', { extra: { inviteCode } }))).toEqual({
      code: 'registration_closed',
    });
    expect(await countRows(db)).toMatchObject(before);
    await owner.api.instance.configure({ name: 'Home', registration: 'open' });
    await register(makeIdentity(), 'bob');
  });
});

describe('registration by invite', () => {
  it('joins the community in the same transaction, and lets nobody in by a used-up invite', async () => {
    const owner = await registerPerson(world.deps);
    const { communityId } = await owner.api.communities.create({ name: 'Home' });
    await owner.api.instance.configure({ name: 'Home', registration: 'invite' });
    const { code: inviteCode } = await owner.api.invites.create({ communityId, maxUses: 1 });
    const bob = await registerPerson(world.deps, { inviteCode });
    expect((await bob.api.communities.get({ communityId })).memberCount).toBe(2);
    const before = await countRows(db);
    const refused = await refusal(register(makeIdentity(), 'cyd', { extra: { inviteCode } }));
    expect(refused).toEqual({ code: 'invite_invalid' });
    expect(await countRows(db)).toEqual(before);
  });
});

describe('names', () => {
  it('are unique without regard to case, and some are reserved', async () => {
    await registerPerson(world.deps, { username: 'ada' });
    expect(await refusal(register(makeIdentity(), ' ADA '))).toEqual({ code: 'taken' });
    expect(await refusal(register(makeIdentity(), 'admin'))).toEqual({ code: 'taken' });
    const api = caller(world.deps, null);
    expect(await api.auth.available({ username: 'Ada' })).toEqual({ available: false });
    expect(await api.auth.available({ username: 'admin' })).toEqual({ available: false });
    expect(await api.auth.available({ username: 'bob' })).toEqual({ available: true });
  });

  it('go to one of two registrations at once', async () => {
    await registerPerson(world.deps);
    const outcomes = await Promise.allSettled([
      register(makeIdentity(), 'bob'),
      register(makeIdentity(), 'bob'),
    ]);
    expect(outcomes.map((o) => o.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await db.prisma.credential.count()).toBe(2);
  });
});

describe('keys at registration', () => {
  it('must be a log of exactly this account and device, with its own vault', async () => {
    await registerPerson(world.deps);
    const before = await countRows(db);
    const [one, other] = [makeIdentity(), makeIdentity()];
    const tampered = one.log.map((entry) => Uint8Array.from(entry));
    const last = tampered[1];
    if (last) last[last.length - 1] = (last.at(-1) ?? 0) ^ 1;
    const bad: [object, string][] = [
      [{ log: other.log.map(toBase64Url) }, 'account_log'],
      [{ log: tampered.map(toBase64Url) }, 'account_log'],
      [{ log: one.log.map(toBase64Url).reverse() }, 'account_log'],
      [{ deviceId: other.deviceId }, 'account_log'],
      [{ accountId: other.accountId }, 'account_log'],
      [{ vault: toBase64Url(other.vault) }, 'vault'],
    ];
    for (const [extra, what] of bad) {
      expect(await refusal(register(one, 'bob', { extra }))).toEqual({ code: 'bad_proof', what });
    }
    expect(await countRows(db)).toEqual(before);
  });

  it('may not reuse an account id (A08: nor a device id of another account)', async () => {
    const ada = await registerPerson(world.deps);
    const before = await countRows(db);
    expect(await refusal(register(ada, 'bob'))).toEqual({ code: 'taken' });
    expect(await countRows(db)).toEqual(before);
  });
});

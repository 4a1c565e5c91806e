// Passkeys against an authenticator in software: adding, logging in, as the second factor, and every bent answer.
import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '#shared/limits.ts';
import { toBase64Url } from '#crypto/index.ts';
import { caller, refusal, testRequest, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { SoftPasskey, type Bent } from '../../support/passkey.ts';
import type { Person } from '../../support/people.ts';
import type { TestDatabase } from '../../support/test-db.ts';
import { appCode } from '../../support/totp.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let eve: Person;
let anybody: Person['api'];

const fresh = freshPeople({ ada: { username: 'ada' }, eve: { username: 'eve' } });
beforeEach(async () => {
  ({ db, world, ada, eve } = await fresh());
  anybody = caller(world.deps, null);
});

async function add(person: Person = ada, name = 'Phone'): Promise<SoftPasskey> {
  const passkey = new SoftPasskey();
  await person.api.passkeys.add({ name, attestation: passkey.make(await person.api.passkeys.begin()) });
  return passkey;
}

const assertionOf = async (passkey: SoftPasskey, bent: Bent = {}) =>
  passkey.use(await anybody.auth.passkeyChallenge(), bent);
const logIn = async (passkey: SoftPasskey, bent: Bent = {}) =>
  anybody.auth.passkeyLogin({ assertion: await assertionOf(passkey, bent) });

describe('adding a passkey', () => {
  it('offers a discoverable one with verification of the person, and none the account has', async () => {
    const passkey = await add();
    const options = await ada.api.passkeys.begin();
    expect(options).toMatchObject({
      rp: { id: 'localhost', name: 'Test' },
      user: { id: Buffer.from(ada.accountId.replaceAll('-', ''), 'hex').toString('base64url'), name: 'ada' },
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      attestation: 'none',
      excludeCredentials: [{ id: passkey.id }],
    });
  });

  it('is for the host of the page that asks, never for one that is not ours', async () => {
    const { actor } = ada;
    const from = (origin: string) => caller(world.deps, actor, testRequest({ origin })).passkeys.begin();
    expect((await from('https://evil.example')).rp.id).toBe('localhost');
    const env = {
      ...world.deps.env,
      publicUrl: 'https://chat.example',
      allowedOrigins: ['https://chat.example'],
    };
    const hosted = caller({ ...world.deps, env }, actor, testRequest({ origin: 'https://chat.example' }));
    expect((await hosted.passkeys.begin()).rp.id).toBe('chat.example');
  });

  it('lists, renames and removes one’s own only', async () => {
    await add();
    const { passkeys } = await ada.api.factors.status();
    expect(passkeys).toEqual([
      { passkeyId: expect.any(String), name: 'Phone', createdAt: world.clock.now(), lastUsedAt: null },
    ]);
    const { passkeyId = '' } = passkeys[0] ?? {};
    for (const refused of [
      () => eve.api.passkeys.rename({ passkeyId, name: 'Mine' }),
      () => eve.api.passkeys.remove({ passkeyId }),
    ]) {
      expect(await refusal(refused())).toEqual({ code: 'not_found' });
    }
    await ada.api.passkeys.rename({ passkeyId, name: '  Key ring ' });
    expect((await ada.api.factors.status()).passkeys[0]?.name).toBe('Key ring');
    await ada.api.passkeys.remove({ passkeyId });
    expect((await ada.api.factors.status()).passkeys).toEqual([]);
  });

  const bends: Record<string, Bent> = {
    'from another origin': { origin: 'https://evil.example' },
    'for another host': { rpId: 'evil.example' },
    'without verification of the person': { isVerified: false },
  };
  it.each(Object.entries(bends))('refuses one made %s', async (_name, bent) => {
    const attestation = new SoftPasskey().make(await ada.api.passkeys.begin(), bent);
    expect(await refusal(ada.api.passkeys.add({ name: 'Bad', attestation }))).toEqual({
      code: 'bad_proof',
      what: 'passkey',
    });
    expect(await db.prisma.passkey.count()).toBe(0);
  });

  it('takes a challenge once, from the account it was made for, for minutes', async () => {
    const options = await ada.api.passkeys.begin();
    const theft = new SoftPasskey().make(options);
    expect((await refusal(eve.api.passkeys.add({ name: 'x', attestation: theft }))).code).toBe('bad_proof');
    await ada.api.passkeys.add({ name: 'x', attestation: new SoftPasskey().make(options) });
    const again = new SoftPasskey().make(options);
    expect((await refusal(ada.api.passkeys.add({ name: 'x', attestation: again }))).code).toBe('bad_proof');
    const late = new SoftPasskey().make(await ada.api.passkeys.begin());
    world.clock.advance(limits.ticketMs);
    expect((await refusal(ada.api.passkeys.add({ name: 'x', attestation: late }))).code).toBe('bad_proof');
    const forLogin = await anybody.auth.passkeyChallenge();
    const mixed = new SoftPasskey().make({
      ...(await ada.api.passkeys.begin()),
      challenge: forLogin.challenge,
    });
    expect((await refusal(ada.api.passkeys.add({ name: 'x', attestation: mixed }))).code).toBe('bad_proof');
  });

  it('keeps one credential once, and ten in all', async () => {
    const passkey = await add();
    const twice = passkey.make(await eve.api.passkeys.begin());
    expect((await refusal(eve.api.passkeys.add({ name: 'x', attestation: twice }))).code).toBe('conflict');
    const early = await ada.api.passkeys.begin();
    for (let i = 1; i < limits.passkeysPerAccount; i += 1) await add();
    expect((await refusal(ada.api.passkeys.begin())).code).toBe('limit_reached');
    const attestation = new SoftPasskey().make(early);
    expect((await refusal(ada.api.passkeys.add({ name: 'x', attestation }))).code).toBe('limit_reached');
    expect(await db.prisma.passkey.count()).toBe(limits.passkeysPerAccount);
  });
});

describe('logging in by passkey', () => {
  it('opens a session, notes the use, and asks for no code', async () => {
    const passkey = await add();
    const { secret } = await ada.api.factors.beginTotp();
    await ada.api.factors.enableTotp({ code: appCode(secret, world.clock.now()) });
    world.clock.advance(1000);
    const grant = await logIn(passkey);
    expect(grant).toMatchObject({ accountId: ada.accountId, deviceId: null });
    expect((await ada.api.factors.status()).passkeys[0]?.lastUsedAt).toBe(world.clock.now());
    const { accountId, sessionId, factorTicket } = grant;
    const api = caller(world.deps, { accountId, sessionId, deviceId: null });
    const vault = await api.vault.get({
      loginSecret: ada.loginSecret,
      factor: { kind: 'ticket', ticket: factorTicket ?? '' },
    });
    expect(vault.vault).toBe(toBase64Url(ada.vault));
  });

  it.each(
    Object.entries({
      'from another origin': { origin: 'https://evil.example' },
      'for another host': { rpId: 'evil.example' },
      'without verification of the person': { isVerified: false },
      'with a counter that fell back': { signCount: 1 },
    }),
  )('refuses an assertion %s', async (_name, bent) => {
    const passkey = await add();
    await logIn(passkey, { signCount: 7 });
    const before = await db.prisma.session.count();
    expect(await refusal(logIn(passkey, bent))).toEqual({ code: 'bad_credentials' });
    expect(await db.prisma.session.count()).toBe(before);
    await logIn(passkey, { signCount: 8 });
  });

  it('takes an assertion once, whoever repeats it, and challenges of our own making only', async () => {
    const passkey = await add();
    const assertion = await assertionOf(passkey, { signCount: 0 });
    const both = await Promise.allSettled([1, 2].map(() => anybody.auth.passkeyLogin({ assertion })));
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const own = passkey.use({ challenge: toBase64Url(new Uint8Array(56)) }, { signCount: 0 });
    expect((await refusal(anybody.auth.passkeyLogin({ assertion: own }))).code).toBe('bad_credentials');
    const late = await assertionOf(passkey, { signCount: 0 });
    world.clock.advance(limits.ticketMs);
    expect((await refusal(anybody.auth.passkeyLogin({ assertion: late }))).code).toBe('bad_credentials');
    expect(await db.prisma.spentTicket.count()).toBeGreaterThan(0);
    world.clock.advance(1);
    await logIn(passkey, { signCount: 0 });
    expect(await db.prisma.spentTicket.count()).toBe(1);
  });

  it('refuses another’s signature under this passkey’s id, and a foreign user handle', async () => {
    const [mine, theirs] = [await add(ada), await add(eve)];
    const swapped = { ...(await assertionOf(theirs)), id: mine.id };
    expect((await refusal(anybody.auth.passkeyLogin({ assertion: swapped }))).code).toBe('bad_credentials');
    const assertion = await assertionOf(mine);
    const response = { ...assertion.response, userHandle: toBase64Url(new Uint8Array(16)) };
    const bent = { ...assertion, response };
    expect((await refusal(anybody.auth.passkeyLogin({ assertion: bent }))).code).toBe('bad_credentials');
  });

  it('ends with the passkey, and is closed to the suspended', async () => {
    const passkey = await add();
    await db.prisma.account.update({ where: { id: ada.accountId }, data: { suspendedAt: new Date() } });
    expect(await refusal(logIn(passkey))).toEqual({ code: 'forbidden', reason: 'suspended' });
    await db.prisma.account.update({ where: { id: ada.accountId }, data: { suspendedAt: null } });
    const { passkeys } = await ada.api.factors.status();
    await ada.api.passkeys.remove({ passkeyId: passkeys[0]?.passkeyId ?? '' });
    expect(await refusal(logIn(passkey))).toEqual({ code: 'bad_credentials' });
  });
});

describe('a passkey as proof', () => {
  it('is the second factor after the password, one’s own only', async () => {
    const [mine, theirs] = [await add(ada), await add(eve)];
    const { secret } = await ada.api.factors.beginTotp();
    await ada.api.factors.enableTotp({ code: appCode(secret, world.clock.now()) });
    const { username, loginSecret } = ada;
    const bare = anybody.auth.login({ username, loginSecret });
    expect(await refusal(bare)).toEqual({
      code: 'second_factor_required',
      methods: ['totp', 'backup', 'passkey'],
    });
    const withPasskey = async (passkey: SoftPasskey) =>
      anybody.auth.login({
        username,
        loginSecret,
        factor: { kind: 'passkey', assertion: await assertionOf(passkey) },
      });
    expect((await refusal(withPasskey(theirs))).code).toBe('bad_second_factor');
    expect((await withPasskey(mine)).accountId).toBe(ada.accountId);
  });

  it('makes a session fresh by itself, one’s own only', async () => {
    const [mine, theirs] = [await add(ada), await add(eve)];
    world.clock.advance(limits.freshMs);
    const prove = async (passkey: SoftPasskey) =>
      ada.api.auth.reauthenticate({ kind: 'passkey', assertion: await assertionOf(passkey) });
    expect(await refusal(prove(theirs))).toEqual({ code: 'bad_credentials' });
    expect((await refusal(ada.api.passkeys.begin())).code).toBe('reauthentication_required');
    await prove(mine);
    await ada.api.passkeys.begin();
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '#shared/limits.ts';
import { caller, refusal, testRequest, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import type { Person } from '../../support/people.ts';
import type { TestDatabase } from '../../support/test-db.ts';
import { toBase64Url } from '#crypto/index.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;

const fresh = freshPeople({ ada: { username: 'ada' } });
beforeEach(async () => {
  ({ db, world, ada } = await fresh());
});

const wrong = toBase64Url(new Uint8Array(32).fill(1));
const from = (address: string) => testRequest({ address });

const login = (
  loginSecret: string,
  options: { username?: string; address?: string; cookie?: string } = {},
) => {
  const cookies = new Map(options.cookie ? [['chatalot-refresh', options.cookie]] : []);
  const request = testRequest({ address: options.address ?? '198.51.100.7', cookies });
  const api = caller(world.deps, null, request);
  return api.auth.login({ username: options.username ?? 'ada', loginSecret });
};

const fail = async (times: number, options: { username?: string; address?: string } = {}) => {
  for (let i = 0; i < times; i += 1)
    expect((await refusal(login(wrong, options))).code).toBe('bad_credentials');
};

describe('auth.login', () => {
  it('opens another session beside the first, without a device', async () => {
    const grant = await login(ada.loginSecret);
    expect(grant).toMatchObject({ accountId: ada.accountId, deviceId: null });
    const sessions = await ada.api.sessions.list();
    expect(sessions.map((s) => s.isCurrent).sort()).toEqual([false, true]);
    expect(await world.deps.tokens.verify(grant.accessToken)).toMatchObject({ sessionId: grant.sessionId });
  });

  it('finds names in any case, and answers unknown names like wrong secrets', async () => {
    await login(ada.loginSecret, { username: 'ADA' });
    expect(await refusal(login(wrong))).toEqual(await refusal(login(wrong, { username: 'nobody' })));
  });

  it('refuses the suspended, but only to who knows the secret', async () => {
    await db.prisma.account.update({ where: { id: ada.accountId }, data: { suspendedAt: new Date() } });
    expect(await refusal(login(ada.loginSecret))).toEqual({ code: 'forbidden', reason: 'suspended' });
    expect(await refusal(login(wrong))).toEqual({ code: 'bad_credentials' });
  });
});

describe('lockout', () => {
  it('locks one address out of one name for 15 minutes after 10 failures, right secret or not', async () => {
    await fail(limits.lockoutTries);
    const locked = await refusal(login(ada.loginSecret));
    expect(locked).toEqual({ code: 'locked_out', retryAfterMs: limits.lockoutMs });
    await login(ada.loginSecret, { address: '203.0.113.50' });
    world.clock.advance(limits.lockoutMs - 1);
    expect((await refusal(login(ada.loginSecret))).code).toBe('locked_out');
    world.clock.advance(1);
    await login(ada.loginSecret);
  });

  it('counts IPv6 by its /64 and forgets failures after success', async () => {
    await fail(limits.lockoutTries, { address: '2001:db8::1' });
    expect((await refusal(login(wrong, { address: '2001:db8::2' }))).code).toBe('locked_out');
    expect((await refusal(login(wrong, { address: '2001:db8:0:1::1' }))).code).toBe('bad_credentials');
    await fail(limits.lockoutTries - 1);
    await login(ada.loginSecret);
    await fail(limits.lockoutTries - 1);
  });

  it('treats unknown names the same', async () => {
    await fail(limits.lockoutTries, { username: 'nobody' });
    expect((await refusal(login(wrong, { username: 'nobody' }))).code).toBe('locked_out');
  });

  it('holds tries of unknown browsers for 30 s after 100 failures an hour, never known ones', async () => {
    for (let i = 0; i < limits.slowLoginAfter; i += 1)
      await world.deps.lockout.fail('ada', `192.0.2.${i % 250}`);
    const grant = await login(ada.loginSecret, { address: '203.0.113.1' });
    expect(world.slept).toEqual([limits.slowLoginMs]);
    const set = from('203.0.113.1');
    await caller(world.deps, null, set).auth.login({ username: 'ada', loginSecret: ada.loginSecret });
    expect(world.slept).toHaveLength(2);
    await login(ada.loginSecret, {
      address: '203.0.113.1',
      cookie: set.cookiesSet.get('chatalot-refresh') ?? '',
    });
    expect(world.slept).toHaveLength(2);
    world.clock.advance(60 * 60 * 1000);
    await login(ada.loginSecret, { address: '203.0.113.1' });
    expect(world.slept).toHaveLength(2);
    expect(grant.accountId).toBe(ada.accountId);
  });
});

describe('vault.get', () => {
  it('hands out the vault against the secret only', async () => {
    const grant = await ada.api.vault.get({ loginSecret: ada.loginSecret });
    expect(grant).toEqual({ vault: toBase64Url(ada.vault), vaultVersion: 1, accountId: ada.accountId });
    expect(await refusal(ada.api.vault.get({ loginSecret: wrong }))).toEqual({ code: 'bad_credentials' });
  });

  it('cannot be used to guess: it shares the lockout', async () => {
    for (let i = 0; i < limits.lockoutTries; i += 1) await refusal(ada.api.vault.get({ loginSecret: wrong }));
    expect((await refusal(ada.api.vault.get({ loginSecret: ada.loginSecret }))).code).toBe('locked_out');
  });
});

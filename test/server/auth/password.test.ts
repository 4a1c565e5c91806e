// Another password, another recovery code, getting in by the code: everything that opens an account is swapped together.
import { beforeEach, describe, expect, it } from 'vitest';
import { fromBase64Url, toBase64Url } from '#crypto/index.ts';
import { limits } from '#shared/limits.ts';
import { caller, refusal, testRequest, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { makeIdentity, nextPassword } from '../../support/keys.ts';
import type { Person } from '../../support/people.ts';
import { countRows } from '../../support/row-counts.ts';
import type { TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;

const fresh = freshPeople({ ada: { username: 'ada' } });
beforeEach(async () => {
  ({ db, world, ada } = await fresh());
});

const secretOf = (fill: number): string => toBase64Url(new Uint8Array(32).fill(fill));
const anybody = (address = '198.51.100.7') => caller(world.deps, null, testRequest({ address }));
const login = (loginSecret: string) => anybody().auth.login({ username: 'ada', loginSecret });
const storedVault = async (loginSecret: string) => (await ada.api.vault.get({ loginSecret })).vault;
const change = () => ({ loginSecret: ada.loginSecret, ...nextPassword(ada, ada.vault) });
const recovery = () => ({
  username: 'ada',
  recoveryAuth: ada.recoveryAuth,
  newRecoveryAuth: secretOf(9),
  ...nextPassword(ada, ada.vault),
});
const nothingChanges = async (run: () => Promise<unknown>): Promise<void> => {
  const before = await countRows(db);
  await run();
  expect(await countRows(db)).toEqual(before);
};

describe('account.changePassword', () => {
  it('swaps secret, parameters and vault together and ends every other session', async () => {
    const other = await login(ada.loginSecret);
    const input = change();
    await ada.api.account.changePassword(input);
    expect(await refusal(login(ada.loginSecret))).toEqual({ code: 'bad_credentials' });
    expect((await login(input.newLoginSecret)).accountId).toBe(ada.accountId);
    expect(await storedVault(input.newLoginSecret)).toBe(input.vault);
    expect(await anybody().auth.kdf({ username: 'ada' })).toEqual(input.kdf);
    const sessions = await ada.api.sessions.list();
    expect(sessions.map((session) => session.sessionId)).not.toContain(other.sessionId);
    expect(sessions.map((session) => session.sessionId)).toContain(ada.actor.sessionId);
    expect(world.events.argsOf('closeSession')).toEqual([[other.sessionId]]);
  });

  it('asks for the current password, on the lockout of the log-in', async () => {
    await nothingChanges(async () => {
      const wrong = { ...change(), loginSecret: secretOf(1) };
      for (let i = 0; i < limits.lockoutTries; i += 1)
        expect((await refusal(ada.api.account.changePassword(wrong))).code).toBe('bad_credentials');
      expect((await refusal(ada.api.account.changePassword(change()))).code).toBe('locked_out');
    });
  });

  it('of two changes from one vault the second is a conflict, and so is one from an older vault', async () => {
    const [first, second] = [change(), change()];
    await ada.api.account.changePassword(first);
    const late = { ...second, loginSecret: first.newLoginSecret };
    await nothingChanges(async () => {
      expect(await refusal(ada.api.account.changePassword(late))).toEqual({
        code: 'conflict',
        what: 'vault',
      });
    });
    const [a, b] = await Promise.allSettled(
      [1, 2].map(() => {
        const next = nextPassword(ada, fromBase64Url(first.vault));
        return ada.api.account.changePassword({ loginSecret: first.newLoginSecret, ...next });
      }),
    );
    expect([a?.status, b?.status].sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('refuses the vault of somebody else and takes a repeat for the first time', async () => {
    const stranger = makeIdentity();
    const foreign = nextPassword(stranger, stranger.vault);
    await nothingChanges(async () => {
      const call = ada.api.account.changePassword({ loginSecret: ada.loginSecret, ...foreign });
      expect(await refusal(call)).toEqual({ code: 'bad_proof', what: 'vault' });
    });
    const input = change();
    await ada.api.account.changePassword(input);
    await nothingChanges(() => ada.api.account.changePassword(input));
    const forged = { ...input, newLoginSecret: secretOf(3) };
    expect((await refusal(ada.api.account.changePassword(forged))).code).toBe('bad_credentials');
  });
});

describe('account.changeRecovery', () => {
  it('swaps the code; the former one is refused, sessions stay', async () => {
    const other = await login(ada.loginSecret);
    const { vault } = nextPassword(ada, ada.vault);
    const input = { loginSecret: ada.loginSecret, newRecoveryAuth: secretOf(5), vault };
    await ada.api.account.changeRecovery(input);
    await ada.api.account.changeRecovery(input);
    const asked = { username: 'ada', recoveryAuth: ada.recoveryAuth };
    expect(await refusal(anybody().auth.recoveryVault(asked))).toEqual({ code: 'bad_credentials' });
    const fresh = { username: 'ada', recoveryAuth: secretOf(5) };
    expect(await anybody().auth.recoveryVault(fresh)).toEqual({ accountId: ada.accountId, vault });
    const sessions = await ada.api.sessions.list();
    expect(sessions.map((session) => session.sessionId)).toContain(other.sessionId);
  });
});

describe('recovery by code', () => {
  it('answers unknown names like wrong codes, and counts failures apart from the log-in', async () => {
    const ask = (username: string, recoveryAuth: string) =>
      anybody().auth.recoveryVault({ username, recoveryAuth });
    expect(await refusal(ask('ada', secretOf(1)))).toEqual(await refusal(ask('nobody', secretOf(1))));
    for (let i = 1; i < limits.lockoutTries; i += 1) {
      await refusal(ask('ada', secretOf(1)));
      await refusal(ask('nobody', secretOf(1)));
    }
    const locked = await refusal(ask('ada', ada.recoveryAuth));
    expect(locked).toEqual({ code: 'locked_out', retryAfterMs: limits.lockoutMs });
    expect(await refusal(ask('nobody', secretOf(1)))).toEqual(locked);
    expect((await login(ada.loginSecret)).accountId).toBe(ada.accountId);
    expect((await refusal(anybody().auth.recover(recovery()))).code).toBe('locked_out');
  });

  it('swaps all of it, ends all sessions, opens one here, and the code is used up', async () => {
    const input = recovery();
    const request = testRequest({ address: '203.0.113.9' });
    const grant = await caller(world.deps, null, request).auth.recover(input);
    expect(grant).toMatchObject({ accountId: ada.accountId, deviceId: null });
    expect(request.cookiesSet.get('chatalot-refresh')).toBeTruthy();
    expect(world.events.argsOf('closeSession')).toEqual([[ada.actor.sessionId]]);
    expect(await refusal(login(ada.loginSecret))).toEqual({ code: 'bad_credentials' });
    expect((await login(input.newLoginSecret)).accountId).toBe(ada.accountId);
    const again = { ...recovery(), vault: nextPassword(ada, fromBase64Url(input.vault)).vault };
    await nothingChanges(async () => {
      expect(await refusal(anybody().auth.recover(again))).toEqual({ code: 'bad_credentials' });
    });
    const fresh = { username: 'ada', recoveryAuth: input.newRecoveryAuth };
    expect((await anybody().auth.recoveryVault(fresh)).vault).toBe(input.vault);
  });

  it('repeated after a lost answer it opens another session and changes nothing else', async () => {
    const input = recovery();
    const first = await anybody().auth.recover(input);
    const before = await countRows(db);
    const second = await anybody().auth.recover(input);
    expect(second.sessionId).not.toBe(first.sessionId);
    const after = await countRows(db);
    expect({ ...after, Session: '' }).toEqual({ ...before, Session: '' });
    expect((await refusal(anybody().auth.recover({ ...input, newRecoveryAuth: secretOf(2) }))).code).toBe(
      'bad_credentials',
    );
  });

  it('refuses the suspended and a vault made from another revision, and then nothing was used up', async () => {
    await db.prisma.account.update({ where: { id: ada.accountId }, data: { suspendedAt: new Date() } });
    expect(await refusal(anybody().auth.recover(recovery()))).toEqual({
      code: 'forbidden',
      reason: 'suspended',
    });
    await db.prisma.account.update({ where: { id: ada.accountId }, data: { suspendedAt: null } });
    const ahead = nextPassword(ada, fromBase64Url(nextPassword(ada, ada.vault).vault));
    await nothingChanges(async () => {
      const call = anybody().auth.recover({ ...recovery(), ...ahead });
      expect(await refusal(call)).toEqual({ code: 'conflict', what: 'vault' });
    });
    expect((await anybody().auth.recover(recovery())).accountId).toBe(ada.accountId);
  });
});

// The second step of logging in: codes by time and backup codes, each good once, and what guessing them costs.
import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '#shared/limits.ts';
import type { Factor, FactorProof } from '#shared/second-factor.ts';
import { fromBase64Url, toBase64Url } from '#crypto/index.ts';
import { caller, refusal, testRequest, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import { nextPassword } from '../../support/keys.ts';
import type { Person } from '../../support/people.ts';
import type { TestDatabase } from '../../support/test-db.ts';
import { appCode } from '../../support/totp.ts';

const STEP = 30_000;
const wrong = toBase64Url(new Uint8Array(32).fill(1));

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let secret: string;
let backupCodes: readonly string[];

const fresh = freshPeople({ ada: { username: 'ada' } });
beforeEach(async () => {
  ({ db, world, ada } = await fresh());
});

const codeNow = (offset = 0): string => appCode(secret, world.clock.now() + offset * STEP);
const totp = (offset = 0): Factor => ({ kind: 'totp', code: codeNow(offset) });
const backup = (index: number): Factor => ({ kind: 'backup', code: backupCodes[index] ?? '' });
/** Six digits that are none of the three that count now. */
const wrongCode = (): string =>
  ['000000', '111111', '222222', '333333'].find(
    (code) => ![codeNow(-1), codeNow(), codeNow(1)].includes(code),
  ) ?? '';

async function enable(): Promise<void> {
  ({ secret } = await ada.api.factors.beginTotp());
  ({ backupCodes } = await ada.api.factors.enableTotp({ code: codeNow() }));
  world.clock.advance(2 * STEP);
}

const login = (factor?: Factor, options: { secret?: string; address?: string } = {}) => {
  const request = testRequest({ address: options.address ?? '198.51.100.7' });
  const api = caller(world.deps, null, request);
  const { username, loginSecret } = ada;
  return api.auth.login({
    username,
    loginSecret: options.secret ?? loginSecret,
    ...(factor ? { factor } : {}),
  });
};

describe('switching codes on', () => {
  it('needs a right code of the secret shown, and changes nothing about log-in before', async () => {
    const offer = await ada.api.factors.beginTotp();
    expect(offer.secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(offer.uri).toContain(`secret=${offer.secret}&issuer=Test`);
    secret = offer.secret;
    expect((await refusal(ada.api.factors.enableTotp({ code: wrongCode() }))).code).toBe('bad_second_factor');
    expect((await ada.api.factors.status()).totp).toBeNull();
    expect((await login()).factorTicket).toBeNull();
    const { backupCodes: shown } = await ada.api.factors.enableTotp({ code: codeNow() });
    expect(new Set(shown).size).toBe(limits.backupCodes);
    expect(await ada.api.factors.status()).toEqual({
      totp: { enabledAt: world.clock.now(), backupCodesLeft: limits.backupCodes },
      passkeys: [],
    });
    const { factors } = ada.api;
    for (const again of [() => factors.beginTotp(), () => factors.enableTotp({ code: codeNow(1) })]) {
      expect(await refusal(again())).toEqual({ code: 'conflict', what: 'second_factor' });
    }
  });

  it('is a conflict when no secret was shown', async () => {
    const early = ada.api.factors.enableTotp({ code: '123456' });
    expect((await refusal(early)).code).toBe('conflict');
  });

  it('leaves no secret and no backup code readable in the database', async () => {
    await enable();
    const rows = JSON.stringify([await db.prisma.totp.findMany(), await db.prisma.backupCode.findMany()]);
    expect(rows).not.toContain(secret);
    for (const code of backupCodes) expect(rows).not.toContain(code);
    const { sealedSecret } = await db.prisma.totp.findFirstOrThrow();
    expect(sealedSecret.length).toBe(1 + 12 + 20 + 16);
    expect(await db.prisma.backupCode.count()).toBe(limits.backupCodes);
  });
});

describe('logging in with codes on', () => {
  beforeEach(enable);

  it('asks for the second step after the right password only, and opens no session before both', async () => {
    const before = await db.prisma.session.count();
    expect(await refusal(login())).toEqual({ code: 'second_factor_required', methods: ['totp', 'backup'] });
    expect(await refusal(login(undefined, { secret: wrong }))).toEqual({ code: 'bad_credentials' });
    expect(await refusal(login(totp(), { secret: wrong }))).toEqual({ code: 'bad_credentials' });
    expect(await db.prisma.session.count()).toBe(before);
    expect((await login(totp())).accountId).toBe(ada.accountId);
    expect(await db.prisma.session.count()).toBe(before + 1);
  });

  it('takes a code once: not again, not an older one, not of two at the same time both', async () => {
    await login(totp());
    expect((await refusal(login(totp()))).code).toBe('bad_second_factor');
    expect((await refusal(login(totp(-1)))).code).toBe('bad_second_factor');
    await login(totp(1));
    world.clock.advance(3 * STEP);
    const both = await Promise.allSettled([login(totp()), login(totp())]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('does not burn a code on a wrong password', async () => {
    await refusal(login(totp(), { secret: wrong }));
    await login(totp());
  });

  it('takes each backup code once', async () => {
    await login(backup(0));
    expect((await refusal(login(backup(0)))).code).toBe('bad_second_factor');
    await login(backup(1));
    expect((await ada.api.factors.status()).totp?.backupCodesLeft).toBe(limits.backupCodes - 2);
  });

  it('says how many tries are left, locks the address, and forgets after success', async () => {
    const bad = { kind: 'totp', code: wrongCode() } as const;
    expect(await refusal(login(bad))).toEqual({ code: 'bad_second_factor', triesLeft: 9 });
    expect(await refusal(login(bad))).toEqual({ code: 'bad_second_factor', triesLeft: 8 });
    await login(totp());
    for (let left = limits.lockoutTries - 1; left >= 0; left -= 1) {
      const code = wrongCode();
      expect(await refusal(login({ kind: 'totp', code }))).toEqual({
        code: 'bad_second_factor',
        triesLeft: left,
      });
    }
    expect((await refusal(login(totp(1)))).code).toBe('locked_out');
  });

  it('the right password does not forgive wrong codes', async () => {
    for (let i = 0; i < limits.lockoutTries; i += 1) {
      await refusal(login({ kind: 'totp', code: wrongCode() }));
      if (i < limits.lockoutTries - 1) {
        expect((await refusal(login())).code).toBe('second_factor_required');
      }
    }
    expect((await refusal(login())).code).toBe('locked_out');
  });

  it('bounds guesses of codes from all addresses together, while the password stays open to its owner', async () => {
    for (let i = 0; i < limits.lockoutTries; i += 1) {
      const factor = { kind: 'totp', code: wrongCode() } as const;
      await refusal(login(factor, { address: `192.0.2.${i}` }));
    }
    const fresh = { address: '203.0.113.9' };
    expect((await refusal(login(totp(), fresh))).code).toBe('locked_out');
    expect((await refusal(login(backup(0), fresh))).code).toBe('locked_out');
    expect((await refusal(login(undefined, fresh))).code).toBe('second_factor_required');
    world.clock.advance(limits.lockoutMs);
    await login(totp(), fresh);
  });
});

describe('vault.get with codes on', () => {
  beforeEach(enable);
  const vault = (api: Person['api'], factor?: FactorProof) =>
    api.vault.get({ loginSecret: ada.loginSecret, ...(factor ? { factor } : {}) });

  it('needs the second factor in the same call', async () => {
    expect((await refusal(vault(ada.api))).code).toBe('second_factor_required');
    expect((await vault(ada.api, totp())).vault).toBe(toBase64Url(ada.vault));
    expect((await refusal(vault(ada.api, totp()))).code).toBe('bad_second_factor');
  });

  it('takes the ticket of this session’s log-in, once, for minutes', async () => {
    const grant = await login(totp());
    const { accountId, sessionId } = grant;
    const factor = { kind: 'ticket', ticket: grant.factorTicket ?? '' } as const;
    expect((await refusal(vault(ada.api, factor))).code).toBe('second_factor_required');
    const api = caller(world.deps, { accountId, sessionId, deviceId: null });
    const typo = api.vault.get({ loginSecret: wrong, factor });
    expect((await refusal(typo)).code).toBe('bad_credentials');
    await vault(api, factor);
    expect((await refusal(vault(api, factor))).code).toBe('second_factor_required');

    world.clock.advance(STEP);
    const late = await login(totp());
    world.clock.advance(limits.ticketMs);
    const again = caller(world.deps, { accountId, sessionId: late.sessionId, deviceId: null });
    const expired = { kind: 'ticket', ticket: late.factorTicket ?? '' } as const;
    expect((await refusal(vault(again, expired))).code).toBe('second_factor_required');
  });
});

describe('changing one’s codes', () => {
  beforeEach(enable);
  const vaultOf = (loginSecret: string, factor?: FactorProof) =>
    ada.api.vault.get({ loginSecret, ...(factor ? { factor } : {}) });

  it('new backup codes replace the old ones and need a code', async () => {
    expect(
      (await refusal(ada.api.factors.renewBackupCodes({ factor: { kind: 'totp', code: wrongCode() } }))).code,
    ).toBe('bad_second_factor');
    const old = backup(0);
    ({ backupCodes } = await ada.api.factors.renewBackupCodes({ factor: totp() }));
    expect((await refusal(login(old))).code).toBe('bad_second_factor');
    await login(backup(0));
  });

  it('switching off needs a code; then the password alone opens again', async () => {
    const bad = { factor: { kind: 'totp', code: wrongCode() } } as const;
    expect((await refusal(ada.api.factors.disableTotp(bad))).code).toBe('bad_second_factor');
    await ada.api.factors.disableTotp({ factor: backup(3) });
    expect((await ada.api.factors.status()).totp).toBeNull();
    expect([await db.prisma.totp.count(), await db.prisma.backupCode.count()]).toEqual([0, 0]);
    await login();
    expect((await refusal(ada.api.factors.disableTotp({ factor: backup(4) }))).code).toBe('conflict');
  });

  it('takes the ticket of a re-authentication instead of another code, once', async () => {
    const { loginSecret } = ada;
    const proof = { kind: 'password', loginSecret, factor: totp() } as const;
    const { factorTicket } = await ada.api.auth.reauthenticate(proof);
    const factor = { kind: 'ticket', ticket: factorTicket ?? '' } as const;
    await ada.api.factors.renewBackupCodes({ factor });
    expect((await refusal(ada.api.factors.disableTotp({ factor }))).code).toBe('second_factor_required');
    expect((await ada.api.factors.status()).totp).not.toBeNull();
  });

  it('the recovery code turns them off, backup codes too: it alone brings everything back', async () => {
    const { recoveryAuth, vault } = ada;
    const secrets = [4, 5].map((fill) => toBase64Url(new Uint8Array(32).fill(fill)));
    const [newLoginSecret = '', newRecoveryAuth = ''] = secrets;
    const made = { ...nextPassword(ada, vault), newLoginSecret, newRecoveryAuth };
    await caller(world.deps, null).auth.recover({ username: 'ada', recoveryAuth, ...made });
    expect((await login(undefined, { secret: newLoginSecret })).accountId).toBe(ada.accountId);
    expect([await db.prisma.totp.count(), await db.prisma.backupCode.count()]).toEqual([0, 0]);
  });

  it('are named in the export without their secrets, and go with the account', async () => {
    const [row] = (await ada.api.account.export({ part: 'account' })).rows;
    expect(row).toMatchObject({ backupCodesLeft: limits.backupCodes });
    expect(JSON.stringify(row)).not.toContain(secret);
    await ada.api.account.delete({ loginSecret: ada.loginSecret, username: 'ada' });
    expect([await db.prisma.totp.count(), await db.prisma.backupCode.count()]).toEqual([0, 0]);
  });

  it('a new password needs the vault, and the vault a second factor', async () => {
    const { loginSecret } = ada;
    expect((await refusal(vaultOf(loginSecret))).code).toBe('second_factor_required');
    const proof = { kind: 'password', loginSecret, factor: totp() } as const;
    const { factorTicket: ticket } = await ada.api.auth.reauthenticate(proof);
    const { vault } = await vaultOf(loginSecret, { kind: 'ticket', ticket: ticket ?? '' });
    const change = { loginSecret, ...nextPassword(ada, fromBase64Url(vault)) };
    world.clock.advance(limits.freshMs);
    const stale = ada.api.account.changePassword(change);
    expect(await refusal(stale)).toEqual({ code: 'reauthentication_required' });
    await ada.api.auth.reauthenticate({ ...proof, factor: totp() });
    await ada.api.account.changePassword(change);
    const opened = await login(backup(0), { secret: change.newLoginSecret });
    expect(opened.accountId).toBe(ada.accountId);
  });

  it('a server that lost its key refuses codes instead of waving people through', async () => {
    const { deps } = world;
    const other = {
      ...deps,
      secrets: { ...deps.secrets, totpKey: new Uint8Array(32).fill(9) },
      log: { ...deps.log, error: () => undefined },
    };
    const api = caller(other, null);
    const { username, loginSecret } = ada;
    for (const factor of [totp(), backup(0)]) {
      expect((await refusal(api.auth.login({ username, loginSecret, factor }))).code).toBe(
        'bad_second_factor',
      );
    }
  });
});

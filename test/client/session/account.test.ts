// One's own account over a real session, server and engine: another password, another code, getting in by the code —
// also when the answer is lost or the browser dies half-way.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Reauthentication } from '#client/features/session/reauthentication.svelte.ts';
import { RecoveryForm } from '#client/features/session/recovery.svelte.ts';
import { entryFailure, type Session } from '#client/features/session/session.svelte.ts';
import { NewCodeForm } from '#client/features/settings/new-code-form.svelte.ts';
import { PasswordForm } from '#client/features/settings/password-form.svelte.ts';
import { TestServer } from '#test/e2e/support/server.ts';
import { Browser } from '#test/client/support/browser.ts';

const first = 'lathe kettle orchard seven';
const second = 'harbour violin turnip twelve';
const setupToken = 'a-token-for-setting-up';
let server: TestServer;
const browsers: Browser[] = [];
let count = 0;
let addresses = 0;
let username: string;
let code: string;
let home: Session;

/** From an address of its own: the limits of log-in are tested elsewhere. */
function browser(): Browser {
  const made = new Browser(server.url, `198.51.100.${(addresses += 1)}`);
  browsers.push(made);
  return made;
}

const settled = async (session: Session): Promise<void> => {
  await vi.waitFor(() => expect(session.workspace?.structure.isLoaded).toBe(true), { timeout: 10_000 });
};
const codeOf = (error: unknown): string => entryFailure(error).code;

async function visitor(): Promise<{ at: Browser; session: Session }> {
  const at = browser();
  const session = at.tab();
  await session.start();
  return { at, session };
}

/** Logs in on a new browser; the failure's code when it does not work. */
async function logIn(password: string): Promise<string> {
  const { session } = await visitor();
  const outcome = await session.login({ username, password }).then(() => 'in', codeOf);
  if (outcome === 'in') await settled(session);
  return outcome;
}

async function recoverBy(typed: string, password: string) {
  const { at, session } = await visitor();
  const form = new RecoveryForm(session);
  Object.assign(form, { username, code: typed, password });
  await form.submit();
  return { at, session, form };
}

beforeAll(async () => {
  const env = { TRUST_PROXY: 'loopback', SETUP_TOKEN: setupToken };
  server = await TestServer.start({ fromSource: true, env });
  const { session } = await visitor();
  await session.prepare(first);
  await session.register({ username: 'ada', displayName: 'Ada', setup: { token: setupToken } });
  await settled(session);
  await session.workspace!.api.instance.configure.mutate({ name: 'Here', registration: 'open' });
}, 90_000);
beforeEach(async () => {
  username = `person${(count += 1)}`;
  const { session } = await visitor();
  code = await session.prepare(first);
  await session.register({ username, displayName: 'Somebody' });
  await settled(session);
  home = session;
});
afterEach(() => {
  for (const each of browsers.splice(0)) each.close();
});
afterAll(() => server.remove());

describe('another password', () => {
  it('takes the place of the former, here and on new browsers, and ends the other sessions', async () => {
    const { session: laptop } = await visitor();
    await laptop.login({ username, password: first });
    await settled(laptop);
    const form = new PasswordForm(home.workspace!, new Reauthentication());
    Object.assign(form, { current: 'not my password', next: second });
    expect(await form.submit()).toBe(false);
    expect(form.currentFault).toBe('account.wrongPassword');
    form.current = first;
    expect([await form.submit(), form.current, form.failure]).toEqual([true, '', null]);
    await expect.poll(() => laptop.status, { timeout: 5_000 }).toBe('signed-out');
    expect(home.status).toBe('signed-in');
    expect(await logIn(first)).toBe('bad_credentials');
    expect(await logIn(second)).toBe('in');
  });

  it('refuses what is weak or the same before anything is asked', async () => {
    const form = new PasswordForm(home.workspace!, new Reauthentication());
    Object.assign(form, { current: first, next: first });
    expect([await form.submit(), form.nextFault]).toEqual([false, 'account.samePassword']);
    form.next = 'password123';
    expect([await form.submit(), form.nextFault]).toEqual([false, 'session.passwordRefused']);
  });
});

describe('another recovery code', () => {
  it('counts once it is typed back; the former one is refused then', async () => {
    const form = new NewCodeForm(home.workspace!, new Reauthentication());
    form.current = first;
    await form.submit();
    expect(form.step).toBe('code');
    const fresh = form.shown.code;
    // Shown and not finished: the former one is still the one.
    expect((await recoverBy(code, second)).form.step).toBe('code');
    form.shown.askBack();
    await form.finish();
    expect(form.step).toBe('retype');
    form.shown.isRetyped = true;
    await form.finish();
    expect(form.step).toBe('done');
    expect((await recoverBy(code, second)).form.failure).toEqual({ code: 'bad_credentials' });
    expect((await recoverBy(fresh, second)).form.step).toBe('code');
    expect(await logIn(first)).toBe('in');
  });
});

describe('getting in by the code', () => {
  it('sets the password, makes this browser a device, hands out a fresh code and uses the old one up', async () => {
    const { form, session } = await recoverBy(code.toLowerCase(), second);
    expect(form.step).toBe('code');
    const fresh = form.shown.code;
    expect(fresh).not.toBe(code);
    form.shown.askBack();
    form.shown.isRetyped = true;
    await form.finish();
    expect([form.step, session.status]).toEqual(['done', 'signed-in']);
    await settled(session);
    const { api, me } = session.workspace!;
    const [log] = await api.devices.logs.query({ accounts: [{ accountId: me!, fromSeq: 0 }] });
    expect(log?.devices).toHaveLength(2);
    expect((await api.sessions.list.query()).map((one) => one.isCurrent)).toEqual([true]);
    expect(await logIn(first)).toBe('bad_credentials');
    expect(await logIn(second)).toBe('in');
    expect((await recoverBy(code, first)).form.failure).toEqual({ code: 'bad_credentials' });
    expect((await recoverBy(fresh, first)).form.step).toBe('code');
  });

  it('changes nothing when the browser dies before the last step', async () => {
    const { form } = await recoverBy(code, second);
    form.shown.askBack();
    form.shown.isRetyped = true;
    for (const each of browsers.splice(1)) each.close();
    expect(await logIn(second)).toBe('bad_credentials');
    expect(await logIn(first)).toBe('in');
    expect((await recoverBy(code, second)).form.step).toBe('code');
  });

  it('is whole when the answer to the last step is lost: the new password counts, and a second try gets in', async () => {
    const { at, form, session } = await recoverBy(code, second);
    form.shown.askBack();
    form.shown.isRetyped = true;
    at.intercept = async (url, pass) => {
      const answer = await pass();
      if (!url.includes('auth.recover')) return answer;
      throw new TypeError('the answer is lost');
    };
    await form.finish();
    expect([form.step, form.failure]).toEqual(['retype', { code: 'unreachable' }]);
    at.intercept = (_url, pass) => pass();
    await form.finish();
    expect([form.step, session.status]).toEqual(['done', 'signed-in']);
    expect(await logIn(second)).toBe('in');
    expect((await recoverBy(code, first)).form.failure).toEqual({ code: 'bad_credentials' });
  });

  it('tells a mistyped code before anything is asked, and a wrong one like an unknown name', async () => {
    const slip = await recoverBy(`${code.slice(0, 25)}${code[25] === '0' ? '1' : '0'}`, second);
    expect(slip.form.codeFault).toBe('recovery.codeMistyped');
    expect(slip.at.calls).not.toContain('auth.recoveryVault');
    const { form } = await recoverBy('', second);
    expect(form.codeFault).toBe('recovery.codeMissing');
  });

  it('A85 is refused a rolled-back vault by a browser that saw a newer one', async () => {
    const { at, session } = await visitor();
    await session.login({ username, password: first });
    await settled(session);
    const { workspace } = session;
    const kdf = await workspace!.api.auth.kdf.query({ username });
    const { loginSecret } = await workspace!.crypto.deriveLogin({ password: first, kdf });
    const { vault: old } = await workspace!.api.vault.get.mutate({ loginSecret });
    const changing = new PasswordForm(workspace!, new Reauthentication());
    Object.assign(changing, { current: first, next: second });
    expect(await changing.submit()).toBe(true);
    await session.logout();
    at.intercept = async (url, pass) => {
      const answer = await pass();
      if (!url.includes('auth.recoveryVault')) return answer;
      const body = (await answer.text()).replace(/"vault":"[^"]+"/, `"vault":"${old}"`);
      return new Response(body, { headers: { 'content-type': 'application/json' } });
    };
    const form = new RecoveryForm(session);
    Object.assign(form, { username, code, password: first });
    await form.submit();
    expect([form.step, form.failure]).toEqual(['ask', { code: 'old_vault' }]);
  });
});

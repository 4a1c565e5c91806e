// The forms on the way in, over a real session, server and engine: what they refuse before asking anybody, and what
// they keep when the server says no.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { InviteLink } from '#client/features/invite/invite.svelte.ts';
import { LoginForm } from '#client/features/session/login.svelte.ts';
import { RegistrationForm, usernameFault } from '#client/features/session/registration.svelte.ts';
import type { Session } from '#client/features/session/session.svelte.ts';
import { InstanceSetup } from '#client/features/session/setup.svelte.ts';
import { TestServer } from '#test/e2e/support/server.ts';
import { Browser } from '#test/client/support/browser.ts';

const password = 'lathe kettle orchard seven';
let server: TestServer;
let inviteCode: string;
const browsers: Browser[] = [];

async function visitor(): Promise<{ browser: Browser; session: Session }> {
  const browser = new Browser(server.url);
  browsers.push(browser);
  const session = browser.tab();
  await session.start();
  return { browser, session };
}

function fill(form: RegistrationForm, username: string): RegistrationForm {
  form.username = username;
  form.displayName = 'Somebody';
  form.password = password;
  return form;
}

/** Through code and re-type, up to registering. */
async function finish(form: RegistrationForm): Promise<void> {
  form.shown.askBack();
  form.shown.isRetyped = true;
  await form.finish();
}

beforeAll(async () => {
  server = await TestServer.start({ fromSource: true });
  const { session } = await visitor();
  const owner = fill(new RegistrationForm(session, { setup: {} }), 'ada');
  await owner.submitAccount();
  await finish(owner);
  expect(owner.step).toBe('done');
  const setup = new InstanceSetup(session);
  setup.instanceName = ' Linden Street ';
  await setup.submitServer();
  expect([setup.step, session.instance?.name]).toEqual(['community', 'Linden Street']);
  setup.communityName = 'Workshop';
  setup.description = 'Shared tools.';
  await setup.submitCommunity();
  expect(setup.step).toBe('invite');
  inviteCode = new URL(setup.inviteUrl).pathname.split('/').at(-1) ?? '';
}, 90_000);
afterEach(() => {
  for (const each of browsers.splice(0)) each.close();
});
afterAll(() => server.remove());

describe('usernames', () => {
  it.each([
    ['ab', 'session.usernameShort'],
    ['a'.repeat(33), 'session.usernameLong'],
    ['grace hopper', 'session.usernameCharacters'],
    ['zoë', 'session.usernameCharacters'],
    ['Grace.Hopper_1-2', null],
  ])('%s: %s', (name, fault) => expect(usernameFault(name)).toBe(fault));
});

describe('registering', () => {
  it('says nothing while somebody types for the first time, then names every fault and asks nobody', async () => {
    const { browser, session } = await visitor();
    const form = new RegistrationForm(session, {});
    form.username = 'a';
    form.password = 'password123';
    expect([form.usernameFault, form.displayNameFault, form.passwordFault]).toEqual([null, null, null]);
    const before = browser.calls.length;
    await form.submitAccount();
    expect(form.usernameFault).toBe('session.usernameShort');
    expect(form.displayNameFault).toBe('session.displayNameMissing');
    expect(form.passwordFault).toBe('session.passwordRefused');
    expect([form.step, browser.calls.length]).toEqual(['account', before]);
  });

  it('a taken name is said before any key is made', async () => {
    const { session } = await visitor();
    const form = fill(new RegistrationForm(session, { inviteCode }), 'ADA');
    await form.submitAccount();
    expect([form.step, form.usernameFault, form.shown.code]).toEqual([
      'account',
      'session.usernameTaken',
      '',
    ]);
    form.username = 'adam';
    expect(form.usernameFault).toBeNull();
  });

  it('sends nothing until the groups are typed back', async () => {
    const { browser, session } = await visitor();
    const form = fill(new RegistrationForm(session, { inviteCode }), 'early');
    await form.submitAccount();
    expect(form.step).toBe('code');
    await form.finish();
    form.shown.askBack();
    await form.finish();
    expect([form.step, session.status]).toEqual(['retype', 'signed-out']);
    expect(browser.calls).not.toContain('auth.register');
  });

  it('a name lost at the last moment keeps the keys and the code already written down', async () => {
    const [slow, quick] = [await visitor(), await visitor()];
    const late = fill(new RegistrationForm(slow.session, { inviteCode }), 'grace');
    await late.submitAccount();
    const code = late.shown.code;
    const first = fill(new RegistrationForm(quick.session, { inviteCode }), 'grace');
    await first.submitAccount();
    await finish(first);
    expect(first.step).toBe('done');

    await finish(late);
    expect([late.step, late.usernameFault]).toEqual(['account', 'session.usernameTaken']);
    late.username = 'grace2';
    await late.submitAccount();
    expect([late.step, late.shown.code]).toEqual(['retype', code]);
    await late.finish();
    expect([late.step, slow.session.status]).toEqual(['done', 'signed-in']);
  });

  it('another password means other keys: the code must be written down again', async () => {
    const { session } = await visitor();
    const form = fill(new RegistrationForm(session, { inviteCode }), 'changer');
    await form.submitAccount();
    const code = form.shown.code;
    form.shown.askBack();
    form.shown.isRetyped = true;
    form.back();
    form.password = 'pebble harbour violin nine';
    await form.submitAccount();
    expect([form.step, form.shown.isRetyped]).toEqual(['code', false]);
    expect(form.shown.code).not.toBe(code);
  });
});

describe('logging in', () => {
  it('asks for what is missing, and takes the name as people write it', async () => {
    const { browser, session } = await visitor();
    const form = new LoginForm(session);
    expect(await form.submit()).toBe(false);
    expect([form.usernameFault, form.passwordFault]).toEqual([
      'session.usernameMissing',
      'session.passwordMissing',
    ]);
    form.username = 'no such name!';
    form.password = password;
    expect(await form.submit()).toBe(false);
    expect(form.failure).toEqual({ code: 'bad_credentials' });
    expect(browser.calls).not.toContain('auth.kdf');
    form.username = ' Ada ';
    expect(await form.submit()).toBe(true);
    expect([session.status, form.password, form.failure]).toEqual(['signed-in', '', null]);
  });
});

describe('an invite link', () => {
  it('shows where it leads; the same words for a code of the wrong shape and one nobody made', async () => {
    const { browser, session } = await visitor();
    const link = new InviteLink(session, { code: inviteCode, fragment: '' });
    await link.load();
    expect(link.preview).toMatchObject({ communityName: 'Workshop', description: 'Shared tools.' });
    const malformed = new InviteLink(session, { code: 'x', fragment: '' });
    const before = browser.calls.length;
    await malformed.load();
    expect(browser.calls).toHaveLength(before);
    const unknown = new InviteLink(session, { code: 'A'.repeat(16), fragment: '' });
    await unknown.load();
    expect([malformed.failure, unknown.failure]).toEqual([
      { code: 'invite_invalid' },
      { code: 'invite_invalid' },
    ]);
  });

  it('that names its maker is refused when the server shows somebody else, and remembered when it fits', async () => {
    const { session: ada } = await visitor();
    await ada.login({ username: 'ada', password });
    const pin = await ada.workspace!.crypto.invitePin();
    const { session } = await visitor();
    const wrong = new InviteLink(session, { code: inviteCode, fragment: 'A'.repeat(43) });
    await wrong.load();
    expect(wrong.maker).toBe('another');
    await session.prepare(password);
    await session.register({ username: 'cleo', displayName: 'Cleo', inviteCode });
    expect(await wrong.accept()).toBeNull();
    const link = new InviteLink(session, { code: inviteCode, fragment: pin });
    // The next steps are fragments of the same address; the pin stays with the tab.
    for (const step of [link, new InviteLink(session, { code: inviteCode, fragment: 'register' })]) {
      await step.load();
      expect(step.maker).toBe('as_named');
    }
    await link.remember();
    const { crypto } = session.workspace!;
    const accountId = link.preview!.inviterId!;
    const [view] = await crypto.identities({ accountIds: [accountId] });
    expect(view?.verified?.how).toBe('invite');
    expect(new InviteLink(session, { code: inviteCode, fragment: 'register' }).maker).toBe('unnamed');
    expect(sessionStorage).toHaveLength(0);
  });

  it('cannot be followed without a session; with one it leads into the community, again and again', async () => {
    const { session } = await visitor();
    const link = new InviteLink(session, { code: inviteCode, fragment: '' });
    expect(await link.accept()).toBeNull();
    await session.login({ username: 'ada', password });
    await link.load();
    const communityId = await link.accept();
    expect(communityId).toBe(link.preview?.communityId);
    expect(await link.accept()).toBe(communityId);
  });
});

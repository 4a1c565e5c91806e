// The session against a real server with the real engine: in, out, again, on a second browser, and what stands in the
// way. Only the browser around it is a stand-in.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AccountId } from '#shared/ids.ts';
import { entryFailure, type Session } from '#client/features/session/session.svelte.ts';
import { TestServer } from '#test/e2e/support/server.ts';
import { Browser } from '#test/client/support/browser.ts';

const password = 'lathe kettle orchard seven';
let server: TestServer;
let home: Browser;
const browsers: Browser[] = [];

function browser(): Browser {
  const made = new Browser(server.url);
  browsers.push(made);
  return made;
}

const signedIn = async (session: Session): Promise<void> => {
  await vi.waitFor(() => expect(session.workspace?.structure.isLoaded).toBe(true), { timeout: 10_000 });
};
const me = (session: Session): AccountId | null => session.workspace?.me ?? null;
const ownDevice = (session: Session): Promise<string | null> | undefined =>
  session.workspace?.crypto.findDevice({ accountId: me(session)! });
const codeOf = (error: unknown): string => entryFailure(error).code;

beforeAll(async () => {
  server = await TestServer.start({ fromSource: true });
  home = new Browser(server.url);
  const session = home.tab();
  await session.start();
  expect(session.instance?.setup).toBe('open');
  await session.prepare(password);
  await session.register({ username: 'ada', displayName: 'Ada', setup: {} });
  await signedIn(session);
  expect(session.instance?.setup).toBe('done');
}, 90_000);
afterEach(() => {
  home.close();
  for (const each of browsers.splice(0)) each.close();
});
afterAll(() => server.remove());

describe('a session', () => {
  it('is taken up again after a reload, with the same device', async () => {
    const first = home.tab();
    await first.start();
    await signedIn(first);
    const device = await ownDevice(first);
    home.close();
    const second = home.tab();
    await second.start();
    expect(second.status).toBe('signed-in');
    await signedIn(second);
    expect(await ownDevice(second)).toBe(device);
  });

  it('ends with a log-out that keeps the device; logging in again adds none', async () => {
    const session = home.tab();
    await session.start();
    await signedIn(session);
    const device = await ownDevice(session);
    await session.logout();
    expect([session.status, session.workspace, session.wasEnded]).toEqual(['signed-out', null, false]);

    const next = home.tab();
    await next.start();
    expect(next.status).toBe('signed-out');
    const steps: string[] = [];
    await next.login({ username: 'ada', password, onStep: (step) => steps.push(step) });
    expect(steps).toEqual(['deriving', 'asking', 'opening']);
    await signedIn(next);
    expect(await ownDevice(next)).toBe(device);
    expect(home.calls).not.toContain('vault.get');
  });

  it('on a new browser certifies a second device from the vault, and removing it erases it here', async () => {
    const laptop = browser();
    const session = laptop.tab();
    await session.start();
    await session.login({ username: 'ada', password });
    await signedIn(session);
    const accountId = me(session)!;
    const devices = async (): Promise<number> => {
      const [log] = await session.workspace!.api.devices.logs.query({
        accounts: [{ accountId, fromSeq: 0 }],
      });
      return log?.devices.length ?? 0;
    };
    expect(await devices()).toBe(2);
    expect(await laptop.recordCount()).toBeGreaterThan(0);

    await session.logoutAndRemove();
    expect(session.status).toBe('signed-out');
    expect(await laptop.recordCount()).toBe(0);
    const again = laptop.tab();
    await again.start();
    expect(again.status).toBe('signed-out');
  });

  it('that is revoked elsewhere signs out by itself and says so', async () => {
    const laptop = browser();
    const session = laptop.tab();
    await session.start();
    await session.login({ username: 'ada', password });
    await signedIn(session);
    const { api } = session.workspace!;
    const current = (await api.sessions.list.query()).find((one) => one.isCurrent);
    await api.sessions.revoke.mutate({ sessionId: current!.sessionId }).catch(() => undefined);
    await expect.poll(() => session.status, { timeout: 5_000 }).toBe('signed-out');
    expect(session.wasEnded).toBe(true);
  });
});

describe('what stands in the way', () => {
  it('a wrong password and a name nobody has get the same answer', async () => {
    const session = browser().tab();
    await session.start();
    const wrong = await session.login({ username: 'ada', password: 'nope nope nope' }).catch(codeOf);
    const unknown = await session.login({ username: 'nobody', password }).catch(codeOf);
    expect([wrong, unknown]).toEqual(['bad_credentials', 'bad_credentials']);
    expect(session.status).toBe('signed-out');
  });

  it('a server that asks for weak key stretching gets nothing at all', async () => {
    const laptop = browser();
    const session = laptop.tab();
    await session.start();
    laptop.intercept = async (url, pass) => {
      const answer = await pass();
      if (!url.includes('auth.kdf')) return answer;
      const weak = (await answer.text()).replace(/"m":\d+/, '"m":1024');
      return new Response(weak, { headers: { 'content-type': 'application/json' } });
    };
    expect(await session.login({ username: 'ada', password }).catch(codeOf)).toBe('weak_kdf');
    expect(laptop.calls).toContain('auth.kdf');
    expect(laptop.calls).not.toContain('auth.login');
  });

  it('a server out of reach signs nobody out', async () => {
    home.intercept = () => Promise.reject(new TypeError('network'));
    const away = home.tab();
    await away.start();
    expect(away.status).toBe('unreachable');
    home.intercept = (_url, pass) => pass();
    await away.start();
    expect(away.status).toBe('signed-in');
  });

  it('log-out without an answer leaves the session as it is', async () => {
    const session = home.tab();
    await session.start();
    await signedIn(session);
    home.intercept = () => Promise.reject(new TypeError('network'));
    expect(await session.logout().catch(codeOf)).toBe('unreachable');
    expect(session.status).toBe('signed-in');
    home.intercept = (_url, pass) => pass();
  });

  it('registration needs an invite here, and keys made before', async () => {
    const session = browser().tab();
    await session.start();
    const person = { username: 'ben', displayName: 'Ben' };
    expect(await session.register(person).catch(codeOf)).toBe('keys');
    await session.prepare(password);
    expect(await session.register(person).catch(codeOf)).toBe('invite_required');
  });
});

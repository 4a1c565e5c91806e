// Signing in over real HTTP: cookies, headers, statuses, rate limits.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits, rateLimits } from '#shared/limits.ts';
import { manualClock } from '../../support/clock.ts';
import { clientRefusal, registerAccount, testClient, type Account } from '../../support/client.ts';
import { makeIdentity } from '../../support/keys.ts';
import { startTestServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let ada: Account;
const clock = manualClock(Date.now());

beforeAll(async () => {
  server = await startTestServer({ clock });
  ada = await registerAccount(server);
});
afterAll(() => server.close());

const post = (procedure: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/trpc/${procedure}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: server.origin, ...headers },
    body: JSON.stringify({ json: body }),
  });

const credentials = () => ({ username: ada.username, loginSecret: ada.loginSecret });

describe('the refresh cookie', () => {
  it('is out of reach of scripts and other sites, and its token is in no body', async () => {
    const response = await post('auth.login', credentials());
    const [cookie = ''] = response.headers.getSetCookie();
    const [pair = '', ...attributes] = cookie.split('; ');
    expect(attributes).toEqual([
      'Path=/',
      `Max-Age=${limits.refreshTokenMs / 1000}`,
      'HttpOnly',
      'SameSite=Strict',
    ]);
    expect(await response.text()).not.toContain(pair.split('=')[1]);
    expect(response.headers.get('cache-control')).toContain('no-store');
  });

  it('refreshes only with header and Origin, and survives a refusal', async () => {
    const client = testClient(server);
    client.grant = await client.http.auth.login.mutate(credentials());
    const cookie = [...client.jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const header = { 'x-chatalot-refresh': '1' };
    expect((await post('auth.refresh', null, { cookie })).status).toBe(401);
    expect(
      (await post('auth.refresh', null, { cookie, ...header, origin: 'https://evil.example' })).status,
    ).toBe(401);
    const before = new Map(client.jar);
    const grant = await client.http.auth.refresh.mutate();
    expect(grant.sessionId).toBe(client.grant.sessionId);
    expect(client.jar).not.toEqual(before);
    await client.http.auth.logout.mutate({});
    expect(client.jar.size).toBe(0);
  });
});

describe('the access token', () => {
  it('is good for 15 minutes and not after its session has ended', async () => {
    const client = testClient(server);
    client.grant = await client.http.auth.login.mutate(credentials());
    clock.advance(limits.accessTokenMs - 1000);
    expect((await client.http.users.me.query()).username).toBe(ada.username);
    clock.advance(2000);
    expect((await clientRefusal(client.http.users.me.query())).code).toBe('unauthenticated');
    client.grant = await client.http.auth.refresh.mutate();
    const { grant } = client;
    await client.http.auth.logout.mutate({});
    client.grant = grant;
    expect((await clientRefusal(client.http.users.me.query())).code).toBe('session_revoked');
  });

  it('cannot be made up or altered', async () => {
    const client = testClient(server);
    const grant = await client.http.auth.login.mutate(credentials());
    const [head = '', body = '', signature = ''] = grant.accessToken.split('.');
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
    const other = Buffer.from(JSON.stringify({ ...claims, sub: makeIdentity().accountId })).toString(
      'base64url',
    );
    for (const token of [
      `${none}.${body}.`,
      `${head}.${other}.${signature}`,
      `${head}.${body}.${signature.slice(2)}aa`,
    ]) {
      client.grant = { ...grant, accessToken: token };
      expect((await clientRefusal(client.http.users.me.query())).code).toBe('unauthenticated');
    }
  });
});

describe('errors', () => {
  it('carry a code and typed payload, never a stack or the input', async () => {
    const response = await post('auth.login', { username: 'UPPER canary!', loginSecret: 'canary-secret' });
    expect(response.status).toBe(400);
    const text = await response.text();
    expect(text).toContain('"bad_input"');
    expect(text).not.toContain('stack');
    expect(text).not.toContain('canary');
  });

  it('refuse bodies over the limit before reading them', async () => {
    const response = await post('auth.login', 'x'.repeat(limits.httpBodyBytes + 1));
    expect(response.status).toBe(413);
  });
});

describe('rate limits', () => {
  it('bound password tries per address and leave the rest alone', async () => {
    const limited = await startTestServer({ db: server.db, rates: rateLimits, clock });
    const client = testClient(limited);
    const { burst } = rateLimits.credentials;
    const name = (i: number) => ({ username: `nobody${i}`, loginSecret: ada.loginSecret });
    const tries = Array.from({ length: burst }, (_, i) =>
      clientRefusal(client.http.auth.login.mutate(name(i))),
    );
    expect(new Set((await Promise.all(tries)).map((r) => r.code))).toEqual(new Set(['bad_credentials']));
    const refused = await clientRefusal(client.http.auth.login.mutate(name(99)));
    expect(refused).toMatchObject({ code: 'rate_limited' });
    expect((await client.http.instance.info.query()).setup).toBe('done');
    clock.advance(1000 / rateLimits.credentials.perSecond);
    expect((await clientRefusal(client.http.auth.login.mutate(name(100)))).code).toBe('bad_credentials');
    await limited.close();
  });
});

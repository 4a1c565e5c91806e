import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '#shared/limits.ts';
import { caller, refusal, testDeps, testRequest, type TestDeps } from '../../support/deps.ts';
import { testEnv } from '../../support/deps.ts';
import { makeIdentity, registration } from '../../support/keys.ts';
import { openTestDatabase, type TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let token: string;
const cookie = 'chatalot-refresh';

beforeAll(async () => {
  db = await openTestDatabase();
});
beforeEach(async () => {
  await db.truncate();
  world = await testDeps(db);
  const request = testRequest();
  await caller(world.deps, null, request).auth.register({
    ...registration(makeIdentity(), 'ada'),
    setup: {},
  });
  token = request.cookiesSet.get(cookie) ?? '';
});
afterAll(() => db.close());

const own = { 'x-chatalot-refresh': '1' };

/** Refreshes with a token; answers the grant and the cookie that came back (undefined: untouched). */
async function refresh(withToken: string, overrides: Parameters<typeof testRequest>[0] = {}) {
  const request = testRequest({ headers: own, cookies: new Map([[cookie, withToken]]), ...overrides });
  const grant = await caller(world.deps, null, request).auth.refresh();
  return { grant, next: request.cookiesSet.get(cookie) ?? '' };
}

describe('auth.refresh', () => {
  it('rotates: a new token each time, the same session', async () => {
    const first = await refresh(token);
    const second = await refresh(first.next);
    expect(new Set([token, first.next, second.next]).size).toBe(3);
    expect(second.grant.sessionId).toBe(first.grant.sessionId);
    expect(await db.prisma.session.count()).toBe(1);
  });

  it('gives parallel tabs the same successor within 10 s', async () => {
    const answers = await Promise.all([refresh(token), refresh(token), refresh(token)]);
    expect(new Set(answers.map((a) => a.next)).size).toBe(1);
    world.clock.advance(limits.refreshGraceMs);
    expect((await refresh(token)).next).toBe(answers[0]?.next);
    await refresh(answers[0]?.next ?? '');
  });

  it('ends the family when a spent token comes back later', async () => {
    const { next, grant } = await refresh(token);
    world.clock.advance(limits.refreshGraceMs + 1);
    expect(await refusal(refresh(token))).toEqual({ code: 'session_revoked' });
    expect(await refusal(refresh(next))).toEqual({ code: 'session_revoked' });
    expect(world.events.argsOf('closeSession')).toEqual([[grant.sessionId]]);
  });

  it('notices reuse of any earlier token, not just the last', async () => {
    const { next } = await refresh(token);
    const { next: third } = await refresh(next);
    expect((await refusal(refresh(token))).code).toBe('session_revoked');
    expect((await refusal(refresh(third))).code).toBe('session_revoked');
  });

  it('ends after 30 days without use, and not before', async () => {
    world.clock.advance(limits.refreshTokenMs - 1);
    const { next } = await refresh(token);
    world.clock.advance(limits.refreshTokenMs);
    expect((await refusal(refresh(next))).code).toBe('session_revoked');
  });

  it('refuses tokens nobody was given and the suspended, and clears the cookie', async () => {
    const request = testRequest({ headers: own, cookies: new Map([[cookie, 'made-up']]) });
    expect((await refusal(caller(world.deps, null, request).auth.refresh())).code).toBe('unauthenticated');
    expect(request.cookiesSet.get(cookie)).toBe('');
    await db.prisma.account.updateMany({ data: { suspendedAt: new Date() } });
    expect((await refusal(refresh(token))).code).toBe('session_revoked');
  });

  it('answers only its own page: header and Origin', async () => {
    const foreign = [
      { headers: {} },
      { headers: own, origin: undefined },
      { headers: own, origin: 'https://evil.example' },
      { headers: own, origin: 'null' },
    ];
    for (const overrides of foreign) {
      expect((await refusal(refresh(token, overrides))).code).toBe('unauthenticated');
    }
    await refresh(token);
  });

  it('uses a __Host- cookie on https', async () => {
    world = await testDeps(db, { env: testEnv({ PUBLIC_URL: 'https://chat.example' }) });
    const cookies = new Map([['__Host-chatalot-refresh', token]]);
    const request = testRequest({ headers: own, cookies, origin: 'https://chat.example' });
    await caller(world.deps, null, request).auth.refresh();
    expect([...request.cookiesSet.keys()]).toEqual(['__Host-chatalot-refresh']);
  });
});

describe('auth.logout', () => {
  it('ends the session and its refresh token and clears the cookie', async () => {
    const { grant, next } = await refresh(token);
    const request = testRequest();
    const actor = { accountId: grant.accountId, sessionId: grant.sessionId, deviceId: null };
    await caller(world.deps, actor, request).auth.logout({});
    expect(request.cookiesSet.get(cookie)).toBe('');
    expect((await refusal(refresh(next))).code).toBe('session_revoked');
    expect(world.events.of('session.revoked').map((e) => e.event.sessionId)).toEqual([grant.sessionId]);
  });
});

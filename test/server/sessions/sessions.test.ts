import { beforeEach, describe, expect, it } from 'vitest';
import { createSession, rotateSession } from '#server/domains/sessions/sessions.service.ts';
import { transaction } from '#server/platform/transaction.ts';
import { limits } from '#shared/limits.ts';
import { caller, refusal, testRequest, type TestDeps } from '../../support/deps.ts';
import { freshPeople } from '../../support/fresh.ts';
import type { Person } from '../../support/people.ts';
import type { TestDatabase } from '../../support/test-db.ts';

let db: TestDatabase;
let world: TestDeps;
let ada: Person;
let bob: Person;

const fresh = freshPeople({ ada: {}, bob: {} });
beforeEach(async () => {
  ({ db, world, ada, bob } = await fresh());
  world.events.clear();
});

const logIn = (person: Person, userAgent = 'Other browser') => {
  const request = testRequest({ userAgent, address: '192.0.2.4' });
  const { username, loginSecret } = person;
  return caller(world.deps, null, request).auth.login({ username, loginSecret });
};

describe('sessions.list', () => {
  it('shows where each session is used from, marks the current one, and only one’s own', async () => {
    world.clock.advance(1000);
    const other = await logIn(ada);
    const list = await ada.api.sessions.list();
    expect(list).toEqual([
      {
        sessionId: other.sessionId,
        deviceId: null,
        deviceLabel: null,
        userAgent: 'Other browser',
        address: '192.0.2.4',
        createdAt: world.clock.now(),
        lastUsedAt: world.clock.now(),
        isCurrent: false,
      },
      expect.objectContaining({
        sessionId: ada.actor.sessionId,
        deviceId: ada.deviceId,
        deviceLabel: 'Test browser',
        isCurrent: true,
      }),
    ]);
  });

  it('leaves out what is revoked or over', async () => {
    const other = await logIn(ada);
    await ada.api.sessions.revoke({ sessionId: other.sessionId });
    expect(await ada.api.sessions.list()).toHaveLength(1);
    world.clock.advance(limits.refreshTokenMs);
    expect(await ada.api.sessions.list()).toEqual([]);
  });
});

describe('sessions.revoke', () => {
  it('ends the session: told, closed, its refresh token dead', async () => {
    const origin = { userAgent: 'x', address: '192.0.2.1' };
    const issued = await transaction(db, (tx) =>
      createSession(tx, world.deps, { accountId: ada.accountId, deviceId: null, origin }),
    );
    const { sessionId } = issued;
    await ada.api.sessions.revoke({ sessionId });
    expect(world.events.calls).toEqual([
      {
        call: 'publish',
        audience: { to: 'session', sessionId },
        event: { type: 'session.revoked', sessionId },
      },
      { call: 'closeSession', args: [sessionId] },
    ]);
    expect((await refusal(rotateSession(world.deps, issued.refreshToken))).code).toBe('session_revoked');
    expect((await refusal(ada.api.sessions.revoke({ sessionId }))).code).toBe('not_found');
  });

  it('cannot touch another person’s session', async () => {
    const { sessionId } = bob.actor;
    expect(await refusal(ada.api.sessions.revoke({ sessionId }))).toEqual({ code: 'not_found' });
    expect(await bob.api.sessions.list()).toHaveLength(1);
    expect(world.events.calls).toEqual([]);
  });
});

describe('logging out', () => {
  it('everywhere ends every session of the account and nobody else’s', async () => {
    const other = await logIn(ada);
    await ada.api.auth.logout({ everywhere: true });
    const closed = world.events.argsOf('closeSession').map(([id]) => id);
    expect(closed.sort()).toEqual([ada.actor.sessionId, other.sessionId].sort());
    expect(await ada.api.sessions.list()).toEqual([]);
    expect(await bob.api.sessions.list()).toHaveLength(1);
  });

  it('keeps the device', async () => {
    await ada.api.auth.logout({});
    const device = await db.prisma.device.findUniqueOrThrow({ where: { id: ada.deviceId } });
    expect(device.revokedAt).toBeNull();
  });
});

describe('the number of sessions', () => {
  it('is bounded: beyond 50 the longest unused one ends', async () => {
    const origin = { userAgent: 'x', address: '192.0.2.1' };
    for (let i = 0; i < limits.sessionsPerAccount; i += 1) {
      world.clock.advance(1);
      await transaction(db, (tx) =>
        createSession(tx, world.deps, { accountId: ada.accountId, deviceId: null, origin }),
      );
    }
    const list = await ada.api.sessions.list();
    expect(list).toHaveLength(limits.sessionsPerAccount);
    expect(list.some((s) => s.sessionId === ada.actor.sessionId)).toBe(false);
    expect(world.events.argsOf('closeSession')).toEqual([[ada.actor.sessionId]]);
  });
});

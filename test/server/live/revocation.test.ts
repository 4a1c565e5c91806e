// Revocation acts on open sockets: after the event that says so, a stream carries nothing more of what was lost, and the
// next message in each channel is under an epoch the removed cannot read.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChannelId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import { permission } from '#shared/permissions.ts';
import { RealPerson, text } from '../../client/support/real-person.ts';
import { startTestServer, type TestServer } from '../../support/server.ts';
import { after, makeHome, settle, type Home } from './home.ts';

/** Far below the minute after which sockets are checked anyway. */
const AT_ONCE_MS = limits.sessionRecheckMs / 6;

let server: TestServer;
let home: Home;
let cleo: RealPerson;

beforeEach(async () => {
  server = await startTestServer();
  home = await makeHome(server);
  cleo = await home.bring('cleo');
});
afterEach(() => server.close());

async function epochs(channelId: ChannelId): Promise<number[]> {
  const { events } = await home.ada.api.messages.gap.query({ channelId, fromSeq: 1, toSeq: 400 });
  return events.map((event) => event.epoch);
}

/** Everything of the community that makes sockets hear something. */
async function makeNoise(): Promise<void> {
  const { ada, communityId, groupId, general, closed } = home;
  for (const channelId of [general, closed]) {
    await ada.send(channelId, text('after'));
    await ada.api.presence.typing.mutate({ channelId });
    await ada.api.channels.update.mutate({ channelId, topic: `topic ${channelId}` });
  }
  await ada.api.channels.create.mutate({ communityId, groupId, name: 'new' });
  await ada.api.communities.update.mutate({ communityId, description: 'changed' });
  await ada.api.roles.create.mutate({ communityId, name: 'fresh', bits: 0 });
  await ada.api.presence.set.mutate({ presence: 'dnd' });
  await home.bring('dora');
  server.app.deps.presence.flush();
  await settle();
}

describe('leaving a community', () => {
  const ways: Record<string, () => Promise<unknown>> = {
    kicked: () => {
      const { communityId, ada } = home;
      return ada.api.communities.kick.mutate({ communityId, accountId: cleo.accountId });
    },
    banned: () => {
      const { communityId, ada } = home;
      return ada.api.communities.ban.mutate({ communityId, accountId: cleo.accountId });
    },
    left: () => cleo.api.communities.leave.mutate({ communityId: home.communityId }),
  };

  it.each(Object.keys(ways))('%s: nothing of it is heard after community.left', async (reason) => {
    const { ada, general, closed, communityId } = home;
    for (const channelId of [general, closed]) await ada.send(channelId, text('before'));
    await cleo.api.presence.focus.mutate({ channelId: general });
    await cleo.api.presence.watch.mutate({ accountIds: [ada.accountId] });
    const started = Date.now();
    await ways[reason]?.();
    await expect.poll(() => cleo.events.some((event) => event.type === 'community.left')).toBe(true);
    expect(Date.now() - started).toBeLessThan(AT_ONCE_MS);
    expect(cleo.events.find((event) => event.type === 'community.left')).toEqual({
      type: 'community.left',
      communityId,
      reason,
    });
    await makeNoise();
    expect(after(cleo.events, 'community.left')).toEqual([]);
  });

  it('a kick raises the epoch of every channel they read, and they cannot read what follows', async () => {
    const { ada, general, closed } = home;
    for (const channelId of [general, closed]) await ada.send(channelId, text('before'));
    const before = await cleo.read(general);
    expect(before.map((r) => r.status)).toEqual(['decrypted']);
    await ways['kicked']?.();
    for (const channelId of [general, closed]) await ada.send(channelId, text('after'));
    expect(await epochs(general)).toEqual([1, 2]);
    const [first = 0, second] = await epochs(closed);
    expect(second).toBe(first + 1);
    await expect(cleo.api.messages.gap.query({ channelId: general, fromSeq: 1, toSeq: 9 })).rejects.toThrow();
    // Even with the ciphertext in hand and every packet it was ever sent, the old keys open nothing new.
    const { events, chainCerts } = await ada.api.messages.gap.query({
      channelId: general,
      fromSeq: 1,
      toSeq: 9,
    });
    await cleo.collect();
    const opened = await cleo.engine.decrypt({
      channelId: general,
      kind: 'text',
      members: null,
      epoch: 2,
      events,
      chainCerts: Object.values(chainCerts),
      now: Date.now(),
    });
    expect(opened.map((r) => r.status)).toEqual(['decrypted', 'pending']);
  });

  it('a kick amid a stream of messages cuts the stream at the event that says so', async () => {
    const { ada, general } = home;
    const ben = await home.bring('ben');
    let isGoing = true;
    const chatter = Promise.all(
      [ada, ben].map(async (person) => {
        for (let n = 0; isGoing || n < 8; n++)
          await person.send(general, text(`line ${n}`)).catch(() => undefined);
      }),
    );
    const appended = (): number => cleo.events.filter((e) => e.type === 'event.appended').length;
    await expect.poll(appended, { timeout: 20_000 }).toBeGreaterThan(3);
    await ways['kicked']?.();
    await settle();
    isGoing = false;
    await chatter;
    await settle();
    expect(after(cleo.events, 'community.left')).toEqual([]);
    const heard = cleo.events.flatMap((e) => (e.type === 'event.appended' ? [e.event.epoch] : []));
    expect(new Set(heard)).toEqual(new Set([1]));
    const all = await epochs(general);
    expect(all).toEqual([...all].sort((a, b) => a - b));
    expect(all.at(-1)).toBe(2);
  });

  it('who asks to hear typing while being removed hears none', async () => {
    const { ada, general } = home;
    const focusing = Array.from({ length: 20 }, () =>
      cleo.api.presence.focus.mutate({ channelId: general }).catch(() => undefined),
    );
    await ways['kicked']?.();
    await Promise.all(focusing);
    await ada.api.presence.typing.mutate({ channelId: general });
    await settle();
    expect(cleo.events.filter((event) => event.type === 'typing.started')).toEqual([]);
  });

  it('a deleted community falls silent', async () => {
    const { ada, general, communityId } = home;
    await cleo.api.presence.focus.mutate({ channelId: general });
    await ada.api.communities.delete.mutate({ communityId });
    await expect.poll(() => cleo.events.some((event) => event.type === 'community.left')).toBe(true);
    await expect(ada.api.presence.typing.mutate({ channelId: general })).rejects.toThrow();
    await settle();
    expect(after(cleo.events, 'community.left')).toEqual([]);
  });
});

describe('losing a channel', () => {
  it('an override that hides it ends its events, its typing and its epoch', async () => {
    const { ada, communityId, general } = home;
    const { accountId } = cleo;
    await ada.send(general, text('before'));
    await cleo.api.presence.focus.mutate({ channelId: general });
    await ada.api.roles.setOverride.mutate({
      communityId,
      channelId: general,
      accountId,
      allow: 0,
      deny: permission.view,
    });
    await expect.poll(() => cleo.events.some((event) => event.type === 'channel.deleted')).toBe(true);
    await ada.send(general, text('after'));
    await ada.api.presence.typing.mutate({ channelId: general });
    await ada.api.channels.update.mutate({ channelId: general, topic: 'a topic of its own' });
    await settle();
    const later = JSON.stringify(after(cleo.events, 'channel.deleted'));
    expect(later).not.toContain(general);
    const [first = 0, second] = await epochs(general);
    expect(second).toBe(first + 1);
  });
});

describe('losing a session or a device', () => {
  const closes = async (end: () => Promise<unknown>): Promise<void> => {
    const started = Date.now();
    await end();
    expect(await cleo.closed).toBe(4401);
    expect(Date.now() - started).toBeLessThan(AT_ONCE_MS);
    const { length } = cleo.events;
    await home.ada.send(home.general, text('after'));
    await settle();
    expect(cleo.events).toHaveLength(length);
    await expect(cleo.http.users.me.query()).rejects.toThrow();
  };

  it('log-out closes its socket at once', () => closes(() => cleo.http.auth.logout.mutate({})));

  it('so does revoking its session', () =>
    closes(() =>
      cleo.api.sessions.revoke.mutate({ sessionId: cleo.grant.sessionId }).catch(() => undefined),
    ));

  it('and removing its device, which raises the epoch wherever it read', async () => {
    const { ada, general, closed } = home;
    for (const channelId of [general, closed]) await ada.send(channelId, text('before'));
    const entry = await cleo.engine.revokeOwnDevice();
    await closes(() => cleo.http.devices.append.mutate({ entry }));
    await ada.send(closed, text('after'));
    for (const channelId of [general, closed]) {
      const [first = 0, second] = await epochs(channelId);
      expect(second).toBe(first + 1);
    }
    const handed = ada.events.filter((event) => event.type === 'devices.changed');
    expect(handed.map((event) => event.accountId)).toContain(cleo.accountId);
  });
});

it('presence of people one no longer shares anything with stops, both ways', async () => {
  const { ada, communityId } = home;
  const { presence } = server.app.deps;
  await cleo.api.presence.watch.mutate({ accountIds: [ada.accountId] });
  await ada.api.presence.watch.mutate({ accountIds: [cleo.accountId] });
  presence.flush();
  await ada.api.communities.kick.mutate({ communityId, accountId: cleo.accountId });
  await settle();
  const heard = [cleo.events.length, ada.events.length] as const;
  await ada.api.presence.set.mutate({ presence: 'idle' });
  await cleo.api.presence.set.mutate({ presence: 'idle' });
  presence.flush();
  await settle(limits.presenceCoalesceMs + 200);
  const later = [...cleo.events.slice(heard[0]), ...ada.events.slice(heard[1])];
  expect(later.filter((event) => event.type === 'presence.changed')).toEqual([]);
});

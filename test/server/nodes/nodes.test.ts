// Two server processes as one instance, over a real Redis and a real PostgreSQL: what happens on one node is heard on
// the other, and a node that was cut off catches up. Without PostgreSQL or Redis there is nothing to test.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { systemRng, toBase64Url } from '#crypto/index.ts';
import type { LeaseResult } from '#shared/devices.ts';
import type { SessionId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { SendAck } from '#shared/messages.ts';
import { Ear, readiness, startCluster, type Cluster } from '../../support/cluster.ts';
import type { Pen, Sealed } from '../../support/messages.ts';
import { copyDatabase, dropDatabase, withDatabase } from '../../support/postgres.ts';
import type { Person } from '../../support/people.ts';
import { origin } from '../../support/deps.ts';
import { HistoryChecker } from '../../support/history.ts';
import { readLog, RecordingClient } from '../../support/recording-client.ts';
import { findRedis } from '../../support/redis-process.ts';
import { RawSocket, RefusedError } from '../../support/raw-socket.ts';
import { attachSignature } from '../../support/keys.ts';

const source = inject('testDatabase');
const isPossible = source.kind === 'postgres' && findRedis() !== undefined;
if (source.kind === 'postgres' && !isPossible)
  console.warn('No redis-server or valkey-server found: the tests of several nodes did not run.');
async function inDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function slotsOf(url: string, job: string): Promise<number> {
  const sql = 'SELECT count(*)::int AS slots FROM "JobRun" WHERE job = $1';
  const { rows } = await inDatabase(url, (client) => client.query<{ slots: number }>(sql, [job]));
  return rows[0]?.slots ?? 0;
}

const patient = { timeout: 30_000, interval: 25 };

describe.skipIf(!isPossible)('two nodes', { timeout: 150_000 }, () => {
  let cluster: Cluster;
  let database: string;
  const ears: Ear[] = [];

  beforeAll(async () => {
    if (source.kind !== 'postgres') return;
    database = await copyDatabase(source.url, source.template);
    const started = await startCluster({ databaseUrl: withDatabase(source.url, database), people: 6 });
    if (!started) throw new Error('Redis went away');
    cluster = started;
  }, 120_000);

  afterAll(async () => {
    for (const ear of ears) ear.socket.close();
    await cluster?.stop();
    if (source.kind === 'postgres') await dropDatabase(source.url, database);
  });

  const person = (i: number): Person => cluster.place.people[i] as Person;
  const channel = () => cluster.place.channelIds[0] ?? expect.fail('no channel');
  const open = async (node: 'a' | 'b', i: number): Promise<Ear> => {
    const ear = await Ear.open(cluster.place, cluster[node], person(i).actor);
    ears.push(ear);
    return ear;
  };
  const send = (ear: Ear, { envelope, packets, chainCert }: Sealed): Promise<SendAck> =>
    ear.socket.call('mutation', 'messages.send', { envelope, packets, ...(chainCert ? { chainCert } : {}) });
  /** A pen in the present epoch: membership changes raise it. */
  const penOf = async (ear: Ear, i: number): Promise<Pen> => {
    const { epoch } = await ear.socket.call<{ epoch: number }>('query', 'channels.readers', {
      channelId: channel(),
    });
    const pen = cluster.place.pen(person(i), channel());
    pen.rotate(epoch);
    return pen;
  };

  it('are both ready, with Redis', async () => {
    for (const node of [cluster.a, cluster.b])
      expect(await readiness(node)).toEqual({ http: 200, status: 'ok', redis: true });
  });

  it('hear each other’s messages, in order', async () => {
    const [ada, ben] = [await open('a', 0), await open('b', 1)];
    const pens = [await penOf(ada, 0), await penOf(ben, 1)] as const;
    // Where a node's part of a log begins it cannot know what comes before: the first one is told as it comes.
    const first = pens[0].text('first');
    const sent = [{ seq: (await send(ada, first)).seq, eventId: first.eventId as string }];
    await expect.poll(() => ben.heard, patient).toEqual([first.eventId]);
    const write = async (ear: Ear, pen: Pen): Promise<void> => {
      for (let i = 0; i < 8; i += 1) {
        const sealed = pen.text(`${i}`);
        sent.push({ seq: (await send(ear, sealed)).seq, eventId: sealed.eventId });
      }
    };
    await Promise.all([write(ada, pens[0]), write(ben, pens[1])]);
    const inOrder = sent.sort((one, other) => one.seq - other.seq).map(({ eventId }) => eventId);
    for (const ear of [ada, ben]) await expect.poll(() => ear.heard, patient).toEqual(inOrder);
  });

  it('show who types and who is there', async () => {
    const [ada, ben] = [await open('a', 0), await open('b', 1)];
    const { accountId } = person(2);
    await ben.socket.call('mutation', 'presence.focus', { channelId: channel() });
    const before = await ben.socket.call('mutation', 'presence.watch', { accountIds: [accountId] });
    expect(before).toEqual([{ accountId, presence: 'offline' }]);
    const cleo = await open('a', 2);
    const seen = () => ben.of('presence.changed').flatMap(({ entries }) => entries);
    await expect.poll(seen, patient).toContainEqual({ accountId, presence: 'online' });
    await cleo.socket.call('mutation', 'presence.set', { presence: 'dnd' });
    await expect.poll(seen, patient).toContainEqual({ accountId, presence: 'dnd' });
    // Asked anew, on the node where she is not.
    const now = await ben.socket.call('mutation', 'presence.watch', { accountIds: [accountId] });
    expect(now).toEqual([{ accountId, presence: 'dnd' }]);
    await ada.socket.call('mutation', 'presence.typing', { channelId: channel() });
    const typing = { type: 'typing.started', channelId: channel(), accountId: person(0).accountId };
    await expect.poll(() => ben.of('typing.started'), patient).toEqual([typing]);
  });

  it('a kick on one node silences the sockets on the other, and an invite opens them again', async () => {
    const [ada, ben, cleo] = [await open('a', 0), await open('b', 1), await open('b', 2)];
    const { communityId } = cluster.place;
    const kick = { communityId, accountId: person(2).accountId };
    await ada.socket.call('mutation', 'communities.kick', kick);
    const first = (await penOf(ada, 0)).text('without Cleo');
    await send(ada, first);
    await expect.poll(() => ben.heard, patient).toContain(first.eventId);
    expect(cleo.of('community.left')).toMatchObject([{ communityId, reason: 'kicked' }]);
    expect(cleo.heard).not.toContain(first.eventId);

    const { code } = await ada.socket.call<{ code: string }>('mutation', 'invites.create', { communityId });
    const again = await open('a', 2);
    await again.socket.call('mutation', 'invites.accept', { code });
    const second = (await penOf(ada, 0)).text('with her');
    await send(ada, second);
    await expect.poll(() => cleo.heard, patient).toEqual([second.eventId]);
  });

  it('a session revoked on one node is closed on the other', async () => {
    const [here, there] = [await open('a', 3), await open('b', 3)];
    const { sessionId } = person(3).actor;
    await here.socket.call('mutation', 'sessions.revoke', { sessionId }).catch((cause: unknown) => {
      // Its own socket may be closed before the answer.
      expect(cause).toBeInstanceOf(RefusedError);
    });
    await expect.poll(() => [here.closeCode, there.closeCode], patient).toEqual([4401, 4401]);
    expect(there.of('session.revoked')).toEqual([{ type: 'session.revoked', sessionId }]);
  });

  it('a session bound to its device on one node acts for it on the other', async () => {
    if (source.kind !== 'postgres') return;
    const { actor, device } = person(1);
    const sessionId = randomUUID() as SessionId;
    await inDatabase(withDatabase(source.url, database), (client) =>
      client.query(
        `INSERT INTO "Session" SELECT (jsonb_populate_record(s, jsonb_build_object('id', $1::text, 'deviceId', null,
           'refreshHash', '\\x' || replace($1::text, '-', '')))).* FROM "Session" s WHERE s.id = $2::uuid`,
        [sessionId, actor.sessionId],
      ),
    );
    const token = await cluster.place.token({ ...actor, sessionId });
    const [here, there] = [cluster.a, cluster.b].map(
      ({ port }) => new RawSocket({ port, token, onEvent: () => undefined, onClose: () => undefined }),
    ) as [RawSocket, RawSocket];
    await expect.poll(() => [here, there].every(({ socket }) => socket.readyState === 1), patient).toBe(true);
    const outcome = (): Promise<string> =>
      there.call('mutation', 'presence.typing', { channelId: channel() }).then(
        () => 'done',
        (cause: RefusedError) => cause.code,
      );
    expect(await outcome()).toBe('device_required');
    const { challenge } = await here.call<{ challenge: string }>('mutation', 'devices.challenge', undefined);
    const signature = attachSignature(device, sessionId, challenge);
    await here.call('mutation', 'devices.attach', { deviceId: actor.deviceId, signature });
    await expect.poll(outcome, { ...patient, interval: 500 }).toBe('done');
    here.close();
    there.close();
  });

  it('a copy of a device that shows itself on the other node is found there, and both hear of it', async () => {
    const [home, copy] = [await open('a', 2), await open('b', 2)];
    const epoch = (): string => toBase64Url(systemRng.bytes(limits.leaseEpochBytes));
    const claim = (ear: Ear, claimed: string, history: string[]): Promise<LeaseResult> =>
      ear.socket.call('mutation', 'devices.lease', { epoch: claimed, history });
    const [first, second, stray] = [epoch(), epoch(), epoch()];
    expect(await claim(home, first, [])).toEqual({ state: 'held' });
    expect(await claim(home, second, [first])).toEqual({ state: 'held' });
    const told = [first, second].map((held) => ({ type: 'device.leased', epoch: held }));
    await expect.poll(() => copy.of('device.leased'), patient).toEqual(told);
    expect(await claim(copy, stray, [first])).toEqual({ state: 'doubted' });
    expect(await claim(home, second, [first])).toEqual({ state: 'held' });
    await expect.poll(() => claim(copy, stray, [first]), patient).toEqual({ state: 'copied' });
    await expect.poll(() => home.of('device.copied'), patient).toHaveLength(1);
    expect(await claim(home, second, [first])).toEqual({ state: 'copied' });
  });

  it('a job that must run once runs once', async () => {
    if (source.kind !== 'postgres') return;
    const url = withDatabase(source.url, database);
    const children = [0, 1].map(() =>
      spawn(process.execPath, ['--import', 'tsx', 'test/support/job-node.child.ts', url], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    const texts = children.map(() => '');
    for (const [i, child] of children.entries())
      child.stdout.on('data', (chunk: Buffer) => (texts[i] += chunk.toString()));
    const runs = (): number => texts.join('').match(/^ran /gm)?.length ?? 0;
    try {
      await expect
        .poll(() => texts.every((text) => text.includes('started')), { timeout: 60_000 })
        .toBe(true);
      const before = runs();
      await expect.poll(runs, { timeout: 60_000 }).toBeGreaterThanOrEqual(before + 4);
    } finally {
      for (const child of children) child.kill('SIGSTOP');
    }
    const slots = await slotsOf(url, 'each-second');
    for (const child of children) child.kill('SIGKILL');
    // One run for each slot, whoever took it; of the last one the line may still be on its way.
    expect(slots).toBeGreaterThanOrEqual(4);
    expect(runs()).toBeLessThanOrEqual(slots);
  });

  it('share the limits of an address', async () => {
    const attempt = async (port: number): Promise<string> => {
      const body = JSON.stringify({ json: { username: 'nobody', loginSecret: 'A'.repeat(43) } });
      const answer = await fetch(`http://127.0.0.1:${port}/trpc/auth.login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin },
        body,
      });
      const text = await answer.text();
      return /"code":"([a-z_]+)"/.exec(text.slice(text.indexOf('"app"')))?.[1] ?? text;
    };
    const [{ port: a }, { port: b }] = [cluster.a, cluster.b];
    const outcomes = new Set<string>();
    for (let i = 0; i < 10; i += 1) outcomes.add(await attempt(a));
    expect([...outcomes]).toEqual(['bad_credentials']);
    expect(['rate_limited', 'locked_out']).toContain(await attempt(b));
  });

  it('a node cut off from Redis goes on alone, says so, and both catch up', async () => {
    const checker = new HistoryChecker();
    const { place, wire } = cluster;
    const channelId = place.channelIds[1] ?? expect.fail('no channel');
    const channelIds = [channelId];
    const client = (node: 'a' | 'b', i: number): RecordingClient =>
      new RecordingClient({
        name: `${node}${i}`,
        port: cluster[node].port,
        token: () => place.token(person(i).actor),
        channelIds,
        checker,
      });
    const [ada, ben] = [client('a', 0), client('b', 1)];
    await Promise.all([ada.ready(), ben.ready()]);
    const eve = await open('b', 5);
    const dora = await open('b', 4);
    wire.cut('reset');
    await expect
      .poll(() => readiness(cluster.b), patient)
      .toEqual({ http: 200, status: 'degraded', redis: 'down' });
    expect(await readiness(cluster.a)).toEqual({ http: 200, status: 'ok', redis: true });

    const { communityId } = place;
    await ada.call('mutation', 'communities.kick', { communityId, accountId: person(5).accountId });
    const revoked = await Ear.open(place, cluster.a, person(4).actor);
    await revoked.socket
      .call('mutation', 'sessions.revoke', { sessionId: person(4).actor.sessionId })
      .catch(() => undefined);
    const { epoch } = await ada.call<{ epoch: number }>('query', 'channels.readers', {
      channelId,
    });
    for (const [writer, i] of [
      [ada, 0],
      [ben, 1],
    ] as const) {
      const pen = place.pen(person(i), channelId);
      pen.rotate(epoch);
      for (let n = 0; n < 4; n += 1) await writer.send(channelId, pen.text(`alone ${n}`));
    }
    const log = await readLog(ada, channelId);
    const last = log.length;
    expect(ada.seen(channelId)).toBeLessThan(last);
    wire.mend(); // `npm run bench -- nodes` measures how long it takes.
    await expect.poll(() => [ada.seen(channelId), ben.seen(channelId)], patient).toEqual([last, last]);
    await expect.poll(() => dora.closeCode, patient).toBe(4401);
    await expect.poll(() => readiness(cluster.b), patient).toEqual({ http: 200, status: 'ok', redis: true });

    const pen = place.pen(person(0), channelId);
    pen.rotate(epoch);
    const after = pen.text('together again');
    await ada.send(channelId, after);
    await expect.poll(() => ben.seen(channelId), patient).toBe(last + 1);
    expect(eve.heard).not.toContain(after.eventId);
    checker.finish(channelId, await readLog(ben, channelId));
    expect(checker.findings).toEqual([]);
    ada.stop();
    ben.stop();
  });
});

// The contract with the stock tRPC client: events of the live hub arrive as ordinary subscription data, whichever
// way they go. It guards the encoder, which tRPC calls experimental.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { CLOSE_REVOKED, CLOSE_SLOW_READER } from '#server/platform/live-hub.ts';
import { startLiveServer, until, type LiveServer } from './live-server.ts';

let server: LiveServer;
beforeEach(async () => {
  server = await startLiveServer({ maxBufferedBytes: 64 * 1024 });
});
afterEach(() => server.close());

const types = (client: { received: { type: string }[] }) => client.received.map((event) => event.type);

type Way = 'bound' | 'plain' | 'compact';
const modeOf = (way: Way) => (way === 'plain' ? 'plain' : 'bound');

/**
 * Three ways in: as the client's first operation (shared frames), as a later one (plain tRPC), or as the first one of a
 * client that asks for compact frames, for which none of these events has one.
 */
async function open(way: Way, topics: readonly string[], name = '') {
  const client = server.client({ topics: ['early', ...topics], name, compact: way === 'compact' });
  if (way === 'plain') await client.api.echo.query(new Date(0));
  const subscription = client.subscribe();
  await until(() => client.received.length > 0);
  return { ...client, subscription };
}

describe.each(['bound', 'plain', 'compact'] as const)('a %s subscription', (way) => {
  it('begins with hello, then what was published meanwhile, then the rest in order', async () => {
    const client = await open(way, ['channel:1']);
    expect(server.hub.metrics[modeOf(way)]).toBe(1);
    const at = new Date('2026-01-02T03:04:05.678Z');
    for (let n = 0; n < 50; n++) server.hub.publish('channel:1', { type: 'probe', n, at, text: 'ü€😀"\\' });
    server.hub.publish('channel:2', { type: 'foreign' });
    await until(() => client.received.length >= 52);
    expect(types(client).slice(0, 3)).toEqual(['hello', 'early', 'probe']);
    expect(client.received.slice(2).map((event) => event.n)).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(client.received.at(-1)?.at).toEqual(at);
    expect(client.received.at(-1)?.text).toBe('ü€😀"\\');
    expect(client.errors).toEqual([]);
    await client.ws.close();
  });

  it('carries frames of every length class whole', async () => {
    const client = await open(way, ['t']);
    for (const length of [0, 1, 100, 126, 1_000, 65_535, 65_600]) {
      server.hub.publish('t', { type: 'long', text: 'x'.repeat(length) });
      await until(() => client.received.at(-1)?.text?.length === length);
    }
    await client.ws.close();
  });

  it('stops at unsubscribe, while the socket goes on', async () => {
    const client = await open(way, ['t']);
    client.subscription.unsubscribe();
    await until(() => server.hub.metrics.connections === 0);
    expect(server.hub.count('t')).toBe(0);
    server.hub.publish('t', { type: 'late' });
    const date = await client.api.echo.query(new Date(5));
    expect(date).toEqual(new Date(5));
    expect(types(client)).toEqual(['hello', 'early']);
    await client.ws.close();
  });

  it('can be opened and ended many times on one socket, leaving nothing behind', async () => {
    const client = await open(way, ['t']);
    client.subscription.unsubscribe();
    for (let n = 0; n < 12; n++) {
      const received = client.received.length;
      const again = client.subscribe();
      await until(() => client.received.length >= received + 2);
      again.unsubscribe();
      await until(() => server.hub.metrics.connections === 0);
    }
    expect(server.hub.metrics).toMatchObject({ bound: 0, plain: 0 });
    expect(server.sockets()[0]?.listenerCount('close')).toBeLessThan(8);
    await client.ws.close();
  });

  it('mixes with answers to calls on the same socket', async () => {
    const client = await open(way, ['t']);
    const calls = Array.from({ length: 30 }, async (_, n) => {
      server.hub.publish('t', { type: 'probe', n });
      return client.api.echo.query(new Date(n));
    });
    const answers = await Promise.all(calls);
    expect(answers.map((date) => date.getTime())).toEqual(Array.from({ length: 30 }, (_, n) => n));
    await until(() => client.received.length === 32);
    await client.ws.close();
  });

  it('hears nothing of a topic from the moment it leaves, and of a new one from the moment it joins', async () => {
    const client = await open(way, ['account:1', 'channel:1']);
    server.hub.publish('channel:1', { type: 'before' });
    server.hub.leave('account:1', 'channel:1');
    server.hub.publish('channel:1', { type: 'after' });
    server.hub.join('account:1', 'channel:2');
    server.hub.publish(['channel:2', 'account:1'], { type: 'once' });
    server.hub.publish('account:1', { type: 'last' });
    await until(() => types(client).includes('last'));
    expect(types(client)).toEqual(['hello', 'early', 'before', 'once', 'last']);
    await client.ws.close();
  });

  it('is closed with the code it is closed for, after what was published before', async () => {
    const client = await open(way, ['session:1']);
    server.hub.publish('session:1', { type: 'signed-out' });
    if (way === 'plain') await until(() => types(client).includes('signed-out'));
    server.hub.close('session:1', CLOSE_REVOKED, 'revoked');
    await until(() => client.closes.length > 0);
    expect(client.closes[0]).toBe(CLOSE_REVOKED);
    expect(types(client).slice(0, 3)).toEqual(['hello', 'early', 'signed-out']);
    await client.ws.close();
  });

  it('comes back by itself after the socket was lost', async () => {
    const client = await open(way, ['t']);
    server.opened[0]?.close(CLOSE_SLOW_READER, 'slow');
    await until(
      () => server.opened.length === 2 && types(client).filter((type) => type === 'hello').length === 2,
    );
    server.hub.publish('t', { type: 'again' });
    await until(() => types(client).includes('again'));
    expect(server.hub.metrics[modeOf(way)]).toBe(1);
    await client.ws.close();
  });
});

describe('who hears what', () => {
  it('leaves out the excluded, the filtered, and what a connection does not want', async () => {
    const ada = await open('bound', ['t'], 'ada');
    const bob = await open('bound', ['t'], 'bob');
    const [first] = server.opened;
    server.hub.publish('t', { type: 'not-ada' }, { exclude: first?.id ?? '' });
    server.hub.publish('t', { type: 'only-ada' }, { filter: (connection) => connection.data.name === 'ada' });
    server.hub.publish('t', { type: 'unwanted' });
    server.hub.publish('t', { type: 'end' });
    await until(() => types(ada).includes('end') && types(bob).includes('end'));
    expect(types(ada).filter((type) => type !== 'early')).toEqual(['hello', 'only-ada', 'end']);
    expect(types(bob).filter((type) => type !== 'early')).toEqual(['hello', 'not-ada', 'end']);
    await ada.ws.close();
    await bob.ws.close();
  });

  it('writes once per socket and turn, however many events there are', async () => {
    const client = await open('bound', ['t']);
    const before = server.hub.metrics.writes;
    for (let n = 0; n < 20; n++) server.hub.publish('t', { type: 'probe', n });
    await until(() => client.received.length >= 22);
    expect(server.hub.metrics.writes - before).toBe(1);
    await client.ws.close();
  });
});

describe('a slow reader', () => {
  it('is cut, may come back, and costs the others nothing', async () => {
    const fast = await open('bound', ['t']);
    const url = `${server.url}?topic=t`;
    const slow = new WebSocket(url);
    await new Promise((resolve) => slow.once('open', resolve));
    const input = { json: null, meta: { values: ['undefined'] } };
    slow.send(JSON.stringify({ id: 1, method: 'subscription', params: { path: 'events', input } }));
    await until(() => server.hub.metrics.bound === 2);
    slow.pause();
    const text = 'x'.repeat(32 * 1024);
    let sent = 0;
    while (server.hub.metrics.slowClosed === 0 && sent < 2_000) {
      server.hub.publish('t', { type: 'probe', text });
      sent += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(server.hub.metrics.slowClosed).toBe(1);
    expect(server.hub.count('t')).toBe(1);
    const closed = new Promise<number>((resolve) => slow.once('close', resolve));
    slow.resume();
    expect(await closed).toBe(CLOSE_SLOW_READER);
    await until(() => fast.received.length >= sent + 2);
    await fast.ws.close();
  });
});

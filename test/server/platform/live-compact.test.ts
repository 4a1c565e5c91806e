// Compact frames over real sockets: who asks for them hears the same as who does not, in the same order, in fewer bytes.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { SharedEvent } from '#server/platform/live-frames.ts';
import { CLOSE_SLOW_READER } from '#server/platform/live-hub.ts';
import type { LiveEvent } from '#shared/events.ts';
import { encodeLiveFrame } from '#shared/live-frame.ts';
import { appendedEvents, type Appended } from '../../support/appended.ts';
import { startLiveServer, until, type LiveServer } from './live-server.ts';

const maxBufferedBytes = 64 * 1024;
let server: LiveServer;
beforeEach(async () => {
  server = await startLiveServer({ maxBufferedBytes });
});
afterEach(() => server.close());

async function open(options: { compact: boolean; isFirst?: boolean }) {
  const client = server.client({ topics: ['t'], compact: options.compact });
  if (options.isFirst === false) await client.api.echo.query(new Date(0));
  client.subscribe();
  await until(() => client.received.length > 0);
  return client;
}

/** An event with an envelope of `bytes` bytes. */
function appended(bytes: number): Appended {
  const [event] = fc.sample(appendedEvents, { seed: 7, numRuns: 1 });
  if (!event) throw new Error('no sample');
  return { ...event, event: { ...event.event, envelope: Buffer.alloc(bytes, 1).toString('base64url') } };
}

describe('the two forms', () => {
  it('bring equal events, compact ones in binary frames and the others in between as JSON', async () => {
    const json = await open({ compact: false });
    const compact = await open({ compact: true });
    const events = fc.sample(appendedEvents, { seed: 35, numRuns: 100 });
    for (const [n, event] of events.entries()) {
      server.hub.publish('t', event);
      if (n % 3 === 0) server.hub.publish('t', { type: 'probe', n, at: new Date(n) });
      // Several turns, each with a sequence of its own.
      if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    server.hub.publish('t', { type: 'end' });
    await until(() => [json, compact].every(({ received }) => received.at(-1)?.type === 'end'));
    expect(compact.received).toStrictEqual(json.received);
    expect(compact.received.filter(({ type }) => type === 'event.appended')).toStrictEqual(events);
    expect([json.seen.binary, compact.seen.binary]).toEqual([0, 100]);
    expect(compact.seen.broken).toBe(0);
    await Promise.all([json.ws.close(), compact.ws.close()]);
  });

  it('stay JSON for events without a compact form', async () => {
    const compact = await open({ compact: true });
    const whole = appended(10);
    const stub = { chainId: null, iter: null, linkHash: null };
    const redacted = { ...whole, event: { ...whole.event, envelope: null, stub } };
    server.hub.publish('t', redacted);
    server.hub.publish('t', whole);
    await until(() => compact.received.length === 3);
    expect(compact.received.slice(1)).toStrictEqual([redacted, whole]);
    expect(compact.seen.binary).toBe(1);
    await compact.ws.close();
  });

  it.each([true, false])(
    'bring what was published before the first event (first operation: %s)',
    async (isFirst) => {
      const early = appended(480);
      const busy = await startLiveServer({}, early);
      const client = busy.client({ topics: ['early'], compact: true });
      if (!isFirst) await client.api.echo.query(new Date(0));
      client.subscribe();
      await until(() => client.received.length === 2);
      expect(client.received).toStrictEqual([{ type: 'hello' }, early]);
      expect(client.seen.binary).toBe(isFirst ? 1 : 0);
      await client.ws.close();
      await busy.close();
    },
  );

  it('are JSON for a subscription that is not the first operation, whatever was asked', async () => {
    const later = await open({ compact: true, isFirst: false });
    const event = appended(10);
    server.hub.publish('t', event);
    await until(() => later.received.length === 2);
    expect(later.received[1]).toStrictEqual(event);
    expect([later.seen.binary, server.hub.metrics.plain]).toEqual([0, 1]);
    await later.ws.close();
  });

  it('are counted by the bytes that are written', async () => {
    const json = await Promise.all([open({ compact: false }), open({ compact: false })]);
    const compact = await Promise.all([open({ compact: true }), open({ compact: true })]);
    const event = appended(480);
    const bytesFor = async (clients: typeof json): Promise<number> => {
      const streams = clients.map(({ ws }) => socketOf(ws).bytesRead);
      await until(() => clients.every(({ received }) => received.length === 2));
      return clients.reduce((sum, { ws }, at) => sum + socketOf(ws).bytesRead - (streams[at] ?? 0), 0);
    };
    const before = { ...server.hub.metrics };
    const counted = Promise.all([bytesFor(json), bytesFor(compact)]);
    server.hub.publish('t', event);
    const [jsonBytes, compactBytes] = await counted;
    expect(server.hub.metrics.bytes - before.bytes).toBe(jsonBytes + compactBytes);
    expect(server.hub.metrics.writes - before.writes).toBe(4);
    expect(compactBytes).toBeLessThan(jsonBytes * 0.7);
    await Promise.all([...json, ...compact].map(({ ws }) => ws.close()));
  });
});

it('an event is put into a form once, for all who read it, and not at all where nobody does', () => {
  const asked: LiveEvent[] = [];
  const share = (event: LiveEvent) =>
    new SharedEvent<LiveEvent>(event, (given) => {
      asked.push(given);
      return encodeLiveFrame(given);
    });
  const message = share(appended(10));
  const json = message.frame('json');
  expect(message.frame('json')).toBe(json);
  expect(asked).toEqual([]);
  const compact = message.frame('compact');
  expect(message.frame('compact')).toBe(compact);
  expect(compact).not.toBe(json);
  expect(asked).toHaveLength(1);
  const other = share({ type: 'live.opened', now: 1 });
  expect(other.frame('compact')).toBe(other.frame('json'));
});

/** The TCP stream below a tRPC client. */
function socketOf(ws: { connection: unknown }): { readonly bytesRead: number } {
  return (ws.connection as { ws: { _socket: { bytesRead: number } } }).ws._socket;
}

describe('the server', () => {
  it('takes no binary frame from a client', async () => {
    const socket = new WebSocket(`${server.url}?topic=t&frames=1`);
    await new Promise((resolve) => socket.once('open', resolve));
    const answer = new Promise<string>((resolve) =>
      socket.once('message', (data: Buffer) => resolve(data.toString())),
    );
    const subscription = { id: 1, method: 'subscription', params: { path: 'events' } };
    socket.send(Buffer.from(JSON.stringify(subscription)), { binary: true });
    expect(JSON.parse(await answer)).toMatchObject({
      id: null,
      error: { json: { data: { code: 'PARSE_ERROR' } } },
    });
    expect(server.opened).toEqual([]);
    socket.terminate();
  });

  it('sends JSON to who asks for a version it does not speak', async () => {
    const socket = new WebSocket(`${server.url}?topic=t&frames=2`);
    await new Promise((resolve) => socket.once('open', resolve));
    const kinds: boolean[] = [];
    socket.on('message', (_, isBinary) => kinds.push(isBinary));
    const input = { json: null, meta: { values: ['undefined'] } };
    socket.send(JSON.stringify({ id: 1, method: 'subscription', params: { path: 'events', input } }));
    await until(() => kinds.length > 0);
    const before = kinds.length;
    server.hub.publish('t', appended(10));
    await until(() => kinds.length > before);
    expect(kinds).not.toContain(true);
    socket.terminate();
  });

  it('cuts a slow reader of compact frames by what it really has unsent', async () => {
    const socket = new WebSocket(`${server.url}?topic=t&frames=1`);
    await new Promise((resolve) => socket.once('open', resolve));
    const input = { json: null, meta: { values: ['undefined'] } };
    socket.send(JSON.stringify({ id: 1, method: 'subscription', params: { path: 'events', input } }));
    await until(() => server.hub.metrics.bound === 1);
    socket.pause();
    const event = appended(32 * 1024);
    for (let sent = 0; server.hub.metrics.slowClosed === 0 && sent < 2_000; sent++) {
      server.hub.publish('t', event);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(server.hub.metrics.slowClosed).toBe(1);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.resume();
    expect(await closed).toBe(CLOSE_SLOW_READER);
  });
});

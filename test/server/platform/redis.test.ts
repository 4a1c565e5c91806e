// What nodes share in Redis, on a real one: buckets, counts, messages; and that nothing waits when it is away.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BusHandlers } from '#server/platform/bus.ts';
import { systemClock } from '#server/platform/clock.ts';
import { ProcessCounters } from '#server/platform/counters.ts';
import { silentLogger } from '#server/platform/log.ts';
import { RateLimiter } from '#server/platform/rate-limit.ts';
import { RedisBus } from '#server/platform/redis-bus.ts';
import { RedisCounters, RedisLimiter } from '#server/platform/redis-limits.ts';
import { RedisLink } from '#server/platform/redis.ts';
import {
  findRedis,
  openWire,
  redisUrl,
  startRedisProcess,
  type RedisProcess,
  type Wire,
} from '../../support/redis-process.ts';

const patient = { timeout: 25_000, interval: 20 };
const limits = { slow: { burst: 4, perSecond: 0.001 } };

describe.skipIf(findRedis() === undefined)('over Redis', { timeout: 90_000 }, () => {
  let redis: RedisProcess;
  let wire: Wire;
  const links: RedisLink[] = [];
  const open = async (url: string, instance = 'https://one.example'): Promise<RedisLink> => {
    const link = await RedisLink.open({ url, instance, clock: systemClock, log: silentLogger });
    links.push(link);
    return link;
  };
  const ready = (link: RedisLink) => expect.poll(() => link.commands.status, patient).toBe('ready');

  beforeAll(async () => {
    const started = await startRedisProcess();
    if (!started) throw new Error('Redis went away');
    redis = started;
    wire = await openWire(redis.port);
  });
  afterAll(async () => {
    for (const link of links) link.close();
    await wire.close();
    await redis.remove();
  });

  it('two nodes draw on one bucket, other instances on another; alone each has its own', async () => {
    const [a, b, other] = [
      await open(redis.url),
      await open(redisUrl(wire.port)),
      await open(redis.url, 'https://two.example'),
    ];
    for (const link of links) await ready(link);
    const limiter = (link: RedisLink) => new RedisLimiter(link, limits, new RateLimiter(limits));
    const [one, two, three] = [limiter(a), limiter(b), limiter(other)];
    const taken = await Promise.all([one, two, one, two, one, two].map((node) => node.take('slow', 'key')));
    expect(taken.filter(({ allowed }) => allowed)).toHaveLength(4);
    const refused = taken.find(({ allowed }) => !allowed);
    expect(refused).toMatchObject({ allowed: false });
    expect(refused && 'retryAfterMs' in refused && refused.retryAfterMs).toBeGreaterThan(100_000);
    expect(await two.take('slow', 'other key')).toEqual({ allowed: true });
    expect(await three.take('slow', 'key')).toEqual({ allowed: true });
    wire.cut('reset');
    await expect.poll(() => b.commands.status, patient).not.toBe('ready');
    expect(await two.take('slow', 'key', 4)).toEqual({ allowed: true });
    expect(await two.take('slow', 'key')).toMatchObject({ allowed: false });
    wire.mend();
    await ready(b);
    await expect
      .poll(
        () =>
          b.ask(
            async () => true,
            () => false,
          ),
        patient,
      )
      .toBe(true);
    // Its own bucket of this key is full.
    expect(await two.take('slow', 'other key', 4)).toMatchObject({ allowed: false });
  });

  it('two nodes count together, within a window; alone each counts on', async () => {
    const [a, b] = [await open(redis.url), await open(redisUrl(wire.port))];
    await ready(a);
    await ready(b);
    const [one, two] = [a, b].map((link) => new RedisCounters(link, new ProcessCounters(systemClock))) as [
      RedisCounters,
      RedisCounters,
    ];
    const window = { ms: 60_000, slides: true };
    for (const node of [one, two, one]) await node.add('name', window);
    const { count, endsInMs } = await two.read('name');
    expect([count, endsInMs > 0 && endsInMs <= 60_000]).toEqual([3, true]);
    await two.clear('name');
    expect(await one.read('name')).toEqual({ count: 0, endsInMs: 0 });
    await one.add('short', { ms: 60, slides: false });
    await expect.poll(async () => (await two.read('short')).count, patient).toBe(0);
    await two.add('name', window);
    wire.cut('reset');
    await expect.poll(() => b.commands.status, patient).not.toBe('ready');
    await two.add('name', window);
    expect((await two.read('name')).count).toBe(2);
    wire.mend();
  });

  it('messages arrive in order, one at a time; a cut is noticed, and what it swallowed', async () => {
    const [near, far] = [await open(redis.url), await open(redisUrl(wire.port))];
    const parse = (json: string): number | null => {
      const value: unknown = JSON.parse(json);
      return typeof value === 'number' ? value : null;
    };
    const bus = (link: RedisLink, kinship = 'kin') =>
      new RedisBus<number>({ link, kinship, leaseMs: 30_000, parse });
    const [sender, receiver] = [bus(near), bus(far)];
    const heard: number[] = [];
    const missed: string[] = [];
    const turns: boolean[] = [];
    let busy = 0;
    let most = 0;
    const handlers: BusHandlers<number> = {
      heard: async (_from, n) => {
        most = Math.max(most, (busy += 1));
        await new Promise((resolve) => setTimeout(resolve, n % 3));
        busy -= 1;
        heard.push(n);
      },
      missed: (_from, lane) => missed.push(lane),
      lost: () => undefined,
      turned: (isUp) => turns.push(isUp),
    };
    const deaf: BusHandlers<number> = {
      ...handlers,
      heard: () => undefined,
      missed: () => undefined,
      turned: () => undefined,
    };
    await Promise.all([sender.start(deaf), receiver.start(handlers)]);
    missed.length = 0;
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    for (const n of numbers) sender.publish('events', n);
    await expect.poll(() => heard, patient).toEqual(numbers);
    expect([most, missed, turns]).toEqual([1, [], [true]]);

    wire.cut('reset');
    await expect.poll(() => turns, patient).toEqual([true, false]);
    sender.publish('events', 100);
    wire.mend();
    await expect.poll(() => [turns, missed], patient).toEqual([[true, false, true], ['events']]);
    sender.publish('events', 101);
    await expect.poll(() => heard.slice(40), patient).toEqual([101]);
    expect([sender.peers, receiver.peers]).toEqual([1, 1]);
    const stranger = bus(await open(redis.url), 'not ours');
    await expect(stranger.start(deaf)).rejects.toThrow('has other secrets');
    expect(sender.peers).toBe(1);
    await Promise.all([sender, receiver, stranger].map((one) => one.stop()));
  });
});

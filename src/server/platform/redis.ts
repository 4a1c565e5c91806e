// The connections of one node to Redis or Valkey: one for commands, one that listens. Nothing waits for a Redis that
// is away: commands fail at once or within half a second, and the connections come back by themselves.
import { createHash } from 'node:crypto';
import type { Redis, RedisOptions } from 'ioredis';
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

const COMMAND_MS = 500;
const CONNECT_MS = 3_000;
const LONGEST_RETRY_MS = 1_000;
/** After a command that failed, nothing is asked for this long. */
const REST_MS = 2_000;

const options: RedisOptions = {
  lazyConnect: true,
  connectTimeout: CONNECT_MS,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: (times) =>
    Math.min(LONGEST_RETRY_MS, 50 * 2 ** Math.min(times, 6)) * (0.5 + Math.random() / 2),
};

export interface RedisLinkOptions {
  /** redis:// or rediss:// address; holds the password. */
  readonly url: string;
  /** What tells this instance from others on the same Redis: its public address. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class RedisLink {
  readonly commands: Redis;
  readonly subscriber: Redis;
  /** Begins every key and channel of this instance. Channels are shared by all databases of a Redis. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  #restUntil = 0;

  private constructor(given: RedisLinkOptions, commands: Redis, subscriber: Redis) {
    this.clock = given.clock;
    this.log = given.log;
    this.commands = commands;
    this.subscriber = subscriber;
    const hash = createHash('sha256').update(given.instance).digest('hex');
    this.prefix = `chatalot:${hash.slice(0, 16)}:`;
  }

  /** Loads the library, which an instance of one process never does, and begins to connect. Does not wait for it. */
  static async open(given: RedisLinkOptions): Promise<RedisLink> {
    const { Redis } = await import('ioredis');
    const commands = new Redis(given.url, { ...options, commandTimeout: COMMAND_MS });
    const subscriber = new Redis(given.url, options);
    const link = new RedisLink(given, commands, subscriber);
    for (const redis of [commands, subscriber]) {
      redis.on('error', (cause: unknown) => given.log.debug('redis.connection', { cause }));
      redis.connect().catch(() => undefined);
    }
    return link;
  }

  /** What Redis answers, or `otherwise` where it does not. */
  async ask<T>(question: (redis: Redis) => Promise<T>, otherwise: () => T | Promise<T>): Promise<T> {
    if (this.commands.status !== 'ready' || this.clock.now() < this.#restUntil) return otherwise();
    try {
      return await question(this.commands);
    } catch (cause) {
      this.#restUntil = this.clock.now() + REST_MS;
      this.log.debug('redis.command', { cause });
      return otherwise();
    }
  }

  /** Gives both connections up and makes new ones: they look open but carry nothing. */
  renew(): void {
    for (const redis of [this.commands, this.subscriber])
      if (redis.status === 'ready') redis.disconnect(true);
  }

  close(): void {
    for (const redis of [this.commands, this.subscriber]) redis.disconnect();
  }
}

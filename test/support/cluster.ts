// Two server processes that are one instance: one PostgreSQL, one Redis, the same secrets. The second one's wire to
// Redis can be cut.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceActor } from '#server/deps.ts';
import type { LiveEvent, LiveEventOf, LiveEventType } from '#shared/events.ts';
import { RawSocket } from './raw-socket.ts';
import { openWire, redisUrl, startRedisProcess, type RedisProcess, type Wire } from './redis-process.ts';
import { seedPlace, type SeededPlace } from './seeded-place.ts';
import { freePort, startServerProcess, type ServerProcess } from './server-process.ts';

export interface Cluster {
  readonly place: SeededPlace;
  /** Redis is at the end of this node's own wire. */
  readonly a: ServerProcess;
  readonly b: ServerProcess;
  readonly redis: RedisProcess;
  /** Between b and Redis. */
  readonly wire: Wire;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly databaseUrl: string;
  readonly people: number;
  readonly built?: boolean;
}

/** Starts both; null where Redis is not installed. */
export async function startCluster(options: ClusterOptions): Promise<Cluster | null> {
  const { databaseUrl, people, built = false } = options;
  const redis = await startRedisProcess();
  if (!redis) return null;
  const folder = mkdtempSync(join(tmpdir(), 'chatalot-nodes-'));
  const dataDir = join(folder, 'a');
  const wire = await openWire(redis.port);
  const place = await seedPlace({ dataDir, databaseUrl, people, channels: 2 });
  cpSync(join(dataDir, 'secrets'), join(folder, 'b', 'secrets'), { recursive: true });
  const node = async (name: string, REDIS_URL: string): Promise<ServerProcess> =>
    startServerProcess({
      dataDir: join(folder, name),
      databaseUrl,
      port: await freePort(),
      built,
      env: { REDIS_URL },
    });
  const [a, b] = await Promise.all([node('a', redis.url), node('b', redisUrl(wire.port))]);
  return {
    place,
    a,
    b,
    redis,
    wire,
    stop: async () => {
      await Promise.all([a.end('SIGKILL'), b.end('SIGKILL')]);
      await wire.close();
      await redis.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What /health/ready of a node says. */
export async function readiness({
  port,
}: ServerProcess): Promise<{ http: number; status: string; redis: unknown }> {
  const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
  const { status, checks } = (await answer.json()) as { status: string; checks: Record<string, unknown> };
  return { http: answer.status, status, redis: checks['redis'] };
}

/** A socket with its live subscription open, and what it heard. It never reads what it was not told. */
export class Ear {
  readonly events: LiveEvent[] = [];
  readonly socket: RawSocket;
  closeCode: number | null = null;

  private constructor(port: number, token: string, onOpened: () => void) {
    this.socket = new RawSocket({
      port,
      token,
      onEvent: (event) => {
        this.events.push(event);
        if (event.type === 'live.opened') onOpened();
      },
      onClose: (code) => (this.closeCode = code),
    });
  }

  static async open(place: SeededPlace, node: ServerProcess, actor: DeviceActor): Promise<Ear> {
    const token = await place.token(actor);
    return new Promise((resolve) => {
      const ear: Ear = new Ear(node.port, token, () => resolve(ear));
    });
  }

  of<T extends LiveEventType>(type: T): LiveEventOf<T>[] {
    return this.events.filter((event): event is LiveEventOf<T> => event.type === type);
  }

  /** Ids of the log events heard, in the order they came. */
  get heard(): string[] {
    return this.of('event.appended').map(({ event }) => event.eventId);
  }
}

// Brings this node's sockets up to date from the database, after something other nodes said may not have arrived:
// sessions that ended are closed, everybody hears exactly what they may, and every client is told to load its state
// again and to fill its gaps, as after a reconnect.
import { CLOSE_RESTART, type LiveConnection, type LiveHub } from './platform/live-hub.ts';
import type { LiveEvent } from '#shared/events.ts';
import type { Deps } from './deps.ts';
import { isAudience, joinAudiences } from './domains/live/live.service.ts';
import { recheck } from './socket-server.ts';
import type { SocketRegistry } from './sockets.ts';
import { topics, type ConnectionData } from './topics.ts';

type Connection = LiveConnection<LiveEvent, ConnectionData>;

/** Connections that read the database at the same time. */
const LANES = 8;

export interface ResyncOptions {
  readonly deps: Deps;
  readonly hub: LiveHub<LiveEvent, ConnectionData>;
  readonly sockets: SocketRegistry;
}

export class Resync {
  readonly #options: ResyncOptions;
  #running: Promise<void> | null = null;
  #isWantedAgain = false;

  constructor(options: ResyncOptions) {
    this.#options = options;
  }

  /** One at a time; asked for while one runs, another follows, as that one may have read too early. */
  run(): Promise<void> {
    if (this.#running) {
      this.#isWantedAgain = true;
      return this.#running;
    }
    this.#running = this.#repeat().finally(() => (this.#running = null));
    return this.#running;
  }

  async #repeat(): Promise<void> {
    do {
      this.#isWantedAgain = false;
      await this.#once();
    } while (this.#isWantedAgain);
  }

  async #once(): Promise<void> {
    const { deps, hub, sockets } = this.#options;
    const stale = [...hub.connections(topics.everyone)];
    deps.log.info('live.resync', { count: stale.length });
    for (const connection of stale) this.#suspend(connection);
    await recheck({ deps, sockets });
    const lane = async (): Promise<void> => {
      for (let next = stale.pop(); next; next = stale.pop()) await this.#resume(next);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }

  /** Until its audiences are known again it hears nothing of them. */
  #suspend(connection: Connection): void {
    const { data } = connection;
    if (data.focus) connection.leave(topics.focused(data.focus.channelId));
    data.focus = null;
    for (const topic of [...connection.topics]) if (isAudience(topic)) connection.leave(topic);
    this.#options.deps.presence.watch(connection, []);
  }

  /** Like a new subscription: from `live.opened` on nothing is missed. */
  async #resume(connection: Connection): Promise<void> {
    const { deps, hub } = this.#options;
    if (!connection.isOpen) return;
    try {
      await joinAudiences(deps, connection);
      hub.publish(topics.connection(connection.id), { type: 'live.opened', now: deps.clock.now() });
    } catch (cause) {
      deps.log.error('live.resync_failed', { cause });
      connection.close(CLOSE_RESTART, 'resync');
    }
  }
}

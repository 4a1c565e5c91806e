// One node among the others of its instance: what it announces reaches its own sockets at once and every other node by
// the bus; what others announce acts on its sockets as if it had happened here. Where something was missed, the database
// says how things are. Services know only the LivePublisher.
import type { Bus, BusHandlers, CountedLane } from './platform/bus.ts';
import type { LiveHub } from './platform/live-hub.ts';
import type { LiveEvent, LiveEventOf } from '#shared/events.ts';
import type { AccountId, SessionId } from '#shared/ids.ts';
import { limits } from '#shared/limits.ts';
import type { Deps, LivePublisher } from './deps.ts';
import { recheckSessions } from './domains/sessions/sessions.service.ts';
import { joinAudiences } from './domains/live/live.service.ts';
import type { PresentEntry } from './domains/live/presence-elsewhere.ts';
import type { NodeMessage } from './node-messages.ts';
import { Resync } from './resync.ts';
import type { SocketRegistry } from './sockets.ts';
import { topics, type ConnectionData } from './topics.ts';

export interface NodesOptions {
  readonly bus: Bus<NodeMessage>;
  readonly hub: LiveHub<LiveEvent, ConnectionData>;
  readonly sockets: SocketRegistry;
  /** Acts on this node's own sockets. */
  readonly local: LivePublisher;
}

/** A publisher that acts here and tells the other nodes. */
export function publishToAll(local: LivePublisher, bus: Bus<NodeMessage>): LivePublisher {
  const tell = (message: NodeMessage): void => bus.publish('events', message);
  return {
    publish(audience, event) {
      local.publish(audience, event);
      // One subscription is on one node; going down is one node's business; typing may be lost.
      if (audience.to === 'connection' || event.type === 'server.draining') return;
      bus.publish(audience.to === 'focused' ? 'passing' : 'events', { kind: 'publish', audience, event });
    },
    publishAppended(audience, event) {
      local.publishAppended(audience, event);
      tell({ kind: 'append', audience, event });
    },
    listeners: (audience) => local.listeners(audience),
    joinCommunity(accountId, communityId) {
      local.joinCommunity(accountId, communityId);
      tell({ kind: 'join', accountId, communityId });
    },
    leaveCommunity(accountId, communityId) {
      local.leaveCommunity(accountId, communityId);
      tell({ kind: 'leave', accountId, communityId });
    },
    dissolveCommunity(communityId) {
      local.dissolveCommunity(communityId);
      tell({ kind: 'dissolveCommunity', communityId });
    },
    changeReaders(channelId, { joined, left }) {
      local.changeReaders(channelId, { joined, left });
      tell({ kind: 'readers', channelId, joined: [...joined], left: [...left] });
    },
    dissolveChannel(channelId) {
      local.dissolveChannel(channelId);
      tell({ kind: 'dissolveChannel', channelId });
    },
    closeSession(sessionId) {
      local.closeSession(sessionId);
      tell({ kind: 'closeSession', sessionId });
    },
    closeDevice(deviceId) {
      local.closeDevice(deviceId);
      tell({ kind: 'closeDevice', deviceId });
    },
    closeAccount(accountId) {
      local.closeAccount(accountId);
      tell({ kind: 'closeAccount', accountId });
    },
    // What this process remembers, and nobody else.
    forgetIdle: (limit) => local.forgetIdle(limit),
  };
}

export class Nodes implements BusHandlers<NodeMessage> {
  readonly #options: NodesOptions;
  readonly #deps: Deps;
  readonly #resync: Resync;
  #timer: NodeJS.Timeout | undefined;
  /** Nodes whose people are not known here: asked until they say. */
  readonly #unknown = new Set<string>();
  #asking: NodeJS.Timeout | undefined;

  constructor(options: NodesOptions, deps: Deps) {
    this.#options = options;
    this.#deps = deps;
    this.#resync = new Resync({ deps, hub: options.hub, sockets: options.sockets });
  }

  /** Call before anybody can connect: from then on nothing that concerns a socket goes unnoticed. */
  async start(): Promise<void> {
    const { bus, sockets } = this.#options;
    if (!this.#deps.env.redisUrl) return;
    sockets.onBound = (sessionId) => bus.publish('events', { kind: 'bind', sessionId });
    this.#deps.presence.announceTo({
      present: (entries) => this.#sayPresent(entries, false),
      chose: (accountId, choice) => bus.publish('presence', { kind: 'chose', accountId, choice }),
    });
    this.#asking = setInterval(() => this.#ask(), limits.presenceCoalesceMs).unref();
    await bus.start(this);
    if (!bus.isUp) this.turned(false);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#asking);
    await this.#options.bus.stop();
  }

  /** While nobody can be heard, sockets are brought up to date from the database every few seconds. */
  turned(isUp: boolean): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (isUp) return;
    this.#timer = setInterval(() => void this.#resync.run(), limits.aloneResyncMs).unref();
  }

  missed(from: string, lane: CountedLane): void {
    if (lane === 'events') return void this.#resync.run();
    this.#unknown.add(from);
    this.#ask();
  }

  lost(from: string): void {
    this.#unknown.delete(from);
    this.#deps.presence.lostNode(from);
  }

  heard(from: string, message: NodeMessage): void | Promise<void> {
    const { local } = this.#options;
    const { presence } = this.#deps;
    switch (message.kind) {
      case 'publish':
        return local.publish(message.audience, message.event);
      case 'append':
        return this.#append(message);
      case 'join':
        return this.#rejoin([message.accountId]);
      case 'leave':
        local.leaveCommunity(message.accountId, message.communityId);
        return this.#rejoin([message.accountId]);
      case 'readers':
        local.changeReaders(message.channelId, { joined: [], left: message.left });
        return this.#rejoin([...message.joined, ...message.left]);
      case 'dissolveCommunity':
        return this.#dissolve(topics.community(message.communityId), () =>
          local.dissolveCommunity(message.communityId),
        );
      case 'dissolveChannel':
        return this.#dissolve(topics.channel(message.channelId), () =>
          local.dissolveChannel(message.channelId),
        );
      case 'closeSession':
        return local.closeSession(message.sessionId);
      case 'closeDevice':
        return local.closeDevice(message.deviceId);
      case 'closeAccount':
        return local.closeAccount(message.accountId);
      case 'bind':
        return this.#rebind(message.sessionId);
      case 'present':
        if (message.isWhole) this.#unknown.delete(from);
        return presence.heardFrom(from, message.entries, message.isWhole);
      case 'chose':
        return presence.heardChoice(message.accountId, message.choice);
      case 'ask':
        if (message.nodeId === this.#options.bus.nodeId) this.#sayPresent(presence.here(), true);
    }
  }

  /** For which device a socket acts is never taken from a message. */
  async #rebind(sessionId: SessionId): Promise<void> {
    const { sockets } = this.#options;
    if (!sockets.sessionIds().includes(sessionId)) return;
    sockets.reconcile(await recheckSessions(this.#deps, [sessionId]), [sessionId]);
  }

  #ask(): void {
    for (const nodeId of this.#unknown) this.#options.bus.publish('passing', { kind: 'ask', nodeId });
  }

  #append({ audience, event }: NodeMessage & { kind: 'append' }): void {
    if (audience.to !== 'channel' || event.type !== 'event.appended') return;
    this.#options.local.publishAppended(audience, event satisfies LiveEventOf<'event.appended'>);
  }

  #dissolve(topic: string, dissolve: () => void): void | Promise<void> {
    const affected = this.#options.hub.connections(topic).map(({ data }) => data.accountId);
    dissolve();
    return this.#rejoin(affected);
  }

  /**
   * What another node says of an audience may be older than what happened here since, so it takes away at once but
   * never gives: what these people may hear, the database says. What comes after the message waits for that.
   */
  #rejoin(accountIds: readonly AccountId[]): void | Promise<void> {
    const { hub } = this.#options;
    const here = [...new Set(accountIds)].flatMap((accountId) => hub.connections(topics.account(accountId)));
    if (here.length === 0) return;
    return Promise.all(here.map((connection) => joinAudiences(this.#deps, connection))).then(() => undefined);
  }

  #sayPresent(entries: readonly PresentEntry[], isWhole: boolean): void {
    const said = entries.map(([accountId, choice]): [typeof accountId, typeof choice] => [accountId, choice]);
    this.#options.bus.publish('presence', { kind: 'present', entries: said, isWhole });
  }
}

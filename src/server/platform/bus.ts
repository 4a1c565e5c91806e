// How the nodes of one instance tell one another what happened. In one process there is nobody to tell; with Redis
// (redis-bus.ts) every message reaches every other node in its sender's order, or its loss is noticed.

/**
 * `events`: a loss makes receivers read everything again · `presence`: a loss makes them ask for the whole state ·
 * `passing`: a loss is nothing.
 */
export type Lane = 'events' | 'presence' | 'passing';
export type CountedLane = Exclude<Lane, 'passing'>;

export interface BusHandlers<M> {
  /** A message of another node. Messages are handed over one at a time, in each sender's order. */
  heard(from: string, message: M): void | Promise<void>;
  /** Messages of that node and lane were lost, or may have been. */
  missed(from: string, lane: CountedLane): void;
  /** Nothing was heard of that node for the time of its lease. */
  lost(from: string): void;
  /** This node can reach the others now, or no more. */
  turned(isUp: boolean): void;
}

export interface Bus<M> {
  /** Names this process among the nodes; new at each start. */
  readonly nodeId: string;
  /** Whether other nodes can be reached; always true without any. */
  readonly isUp: boolean;
  /** Other nodes that live, as far as is known here. */
  readonly peers: number;
  /** Tells every other node. Never fails and never waits: what cannot be delivered is noticed by the receivers. */
  publish(lane: Lane, message: M): void;
  /** Begins to listen. Resolves once every node that lives was heard, or after a few seconds without that. */
  start(handlers: BusHandlers<M>): Promise<void>;
  stop(): Promise<void>;
}

/** The bus of an instance that is one process. */
export const processBus: Bus<unknown> = {
  nodeId: 'only',
  isUp: true,
  peers: 0,
  publish: () => undefined,
  start: async () => undefined,
  stop: async () => undefined,
};

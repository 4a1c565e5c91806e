// What this node heard of each other node: how many messages per lane, and how long ago. A number that jumps is a
// loss, whatever caused it. Time is counted in ticks of this process, so that a process that stood still does not take
// the others for dead.
import type { CountedLane } from './bus.ts';

export type Counts = Readonly<Record<CountedLane, number>>;

interface Peer {
  /** Messages heard so far by the sender's numbering; null: nothing known, anything may have been missed. */
  readonly heard: Record<CountedLane, number | null>;
  silentTicks: number;
  isLost: boolean;
}

export interface PeersOptions {
  /** Ticks without a sign after which a node is lost. */
  readonly leaseTicks: number;
  /** Ticks after which a lost one is forgotten altogether. */
  readonly forgetTicks: number;
  readonly onMissed: (nodeId: string, lane: CountedLane) => void;
  readonly onLost: (nodeId: string) => void;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<string, Peer>();
  #isSettled = false;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Nodes that live, as far as is known here. */
  get size(): number {
    return [...this.#peers.values()].filter(({ isLost }) => !isLost).length;
  }

  /** From now on somebody listens on this node: events of a node that turns up later may have been missed. */
  settle(): void {
    this.#isSettled = true;
  }

  /** Message number `n` of a lane arrived. False when it is one that was already counted as lost. */
  message(nodeId: string, lane: CountedLane, n: number): boolean {
    const peer = this.#sign(nodeId);
    const before = this.#known(nodeId, lane, n - 1);
    if (n <= before) return false;
    if (n > before + 1) this.#options.onMissed(nodeId, lane);
    peer.heard[lane] = n;
    return true;
  }

  /** The node says how much it has sent so far. */
  beat(nodeId: string, counts: Counts): void {
    const peer = this.#sign(nodeId);
    for (const lane of ['events', 'presence'] as const) {
      if (counts[lane] > this.#known(nodeId, lane, counts[lane])) this.#options.onMissed(nodeId, lane);
      peer.heard[lane] = Math.max(counts[lane], peer.heard[lane] ?? 0);
    }
  }

  tick(): void {
    const { leaseTicks, forgetTicks, onLost } = this.#options;
    for (const [nodeId, peer] of this.#peers) {
      peer.silentTicks += 1;
      if (peer.silentTicks >= forgetTicks) this.#peers.delete(nodeId);
      if (peer.isLost || peer.silentTicks < leaseTicks) continue;
      peer.isLost = true;
      // What it said of its people is dropped now: heard again, it is asked anew.
      peer.heard.presence = null;
      onLost(nodeId);
    }
  }

  #sign(nodeId: string): Peer {
    const peer = this.#peers.get(nodeId) ?? {
      heard: { events: null, presence: null },
      silentTicks: 0,
      isLost: false,
    };
    this.#peers.set(nodeId, peer);
    peer.silentTicks = 0;
    peer.isLost = false;
    return peer;
  }

  /** What was heard of a lane before; of a node seen for the first time, `before` counts as heard where that is sound. */
  #known(nodeId: string, lane: CountedLane, before: number): number {
    const heard = this.#peers.get(nodeId)?.heard[lane] ?? null;
    if (heard !== null) return heard;
    // Its people are not known here. Its events are missing only to sockets that were already open.
    if (lane === 'presence' || (this.#isSettled && before > 0)) this.#options.onMissed(nodeId, lane);
    return before;
  }
}

// Many conversations at once (W2, W3): our server and the bare relay, with one socket per person, who is in one or more
// rooms, and a list of messages in the order they are to be sent.
import { performance } from 'node:perf_hooks';
import { cpuBetween, type Child, type Cpu } from './child.ts';
import { Latencies } from './latency.ts';
import { openAll, openLoop, until, type Plan } from './open-loop.ts';
import type { Counts, StageReady } from './stage.ts';
import { readAppended, subscribeRelay, subscribeServer } from './subscribers.ts';

/** One message: who sends it where, and the input of `messages.send`. */
export interface RoomSend {
  readonly room: number;
  /** Index of the sending person. */
  readonly from: number;
  readonly eventId: string;
  readonly input: unknown;
}

export interface RoomsReady extends StageReady {
  /** One per person. */
  readonly tokens: readonly string[];
  /** Indices of the people in each room. */
  readonly rooms: readonly (readonly number[])[];
  readonly sends: readonly RoomSend[];
}

export interface RoomsSide {
  send(due: number): void;
  delivered(): number;
  refused(): number;
  /** Deliveries that were not the next seq of their channel at their socket. */
  disordered(): number;
  /** Deliveries of one message. */
  readonly perMessage: number;
  /** From planned time to arrival at everybody but the sender. */
  readonly latencies: Latencies;
  cpu(): Promise<Cpu>;
  counts(): Promise<Counts>;
}

const NO_COUNTS: Counts = { commits: 0, sends: 0, syncs: 0 };

/** A socket per person on our server. */
export async function openRooms(child: Child<RoomsReady>): Promise<RoomsSide> {
  const { port, origin, tokens, rooms, sends } = child.ready;
  const latencies = new Latencies();
  const sent = new Map<string, { readonly due: number; readonly from: number }>();
  const totals = { delivered: 0, refused: 0, disordered: 0 };
  const listener = (person: number): ((frame: Buffer) => void) => {
    const last = new Map<string, number>();
    return (frame) => {
      totals.delivered += 1;
      const { eventId, channelId, seq } = readAppended(frame);
      const before = last.get(channelId);
      if (before !== undefined && seq !== before + 1) totals.disordered += 1;
      last.set(channelId, seq);
      const message = sent.get(eventId);
      if (message && message.from !== person) latencies.record(performance.now() - message.due);
    };
  };
  const sockets = new Map<number, Awaited<ReturnType<typeof subscribeServer>>['socket']>();
  await openAll(tokens.length, async (at) => {
    const token = tokens[at] ?? '';
    const { socket } = await subscribeServer({ port, origin, token }, listener(at));
    socket.on('message', (frame: Buffer) => {
      if (frame.subarray(0, 40).includes('"error":')) totals.refused += 1;
    });
    sockets.set(at, socket);
  });
  let next = 0;
  return {
    send(due) {
      const message = sends[next++];
      if (!message) throw new Error('no message left to send');
      sent.set(message.eventId, { due, from: message.from });
      const params = { path: 'messages.send', input: { json: message.input } };
      sockets.get(message.from)?.send(JSON.stringify({ id: 1000 + next, method: 'mutation', params }));
    },
    delivered: () => totals.delivered,
    refused: () => totals.refused,
    disordered: () => totals.disordered,
    perMessage: rooms[0]?.length ?? 0,
    latencies,
    cpu: child.cpu,
    counts: () => child.ask<Counts>('counts'),
  };
}

/** The same people, rooms and messages on the bare relay; a frame is `bytes` long and says which message it is. */
export async function openRelayRooms(
  child: Child<{ port: number }>,
  { tokens, rooms, sends }: RoomsReady,
  bytes: number,
): Promise<RoomsSide> {
  const latencies = new Latencies();
  const dueAt: number[] = [];
  let delivered = 0;
  const onFrame = (frame: Buffer): void => {
    delivered += 1;
    latencies.record(
      performance.now() - (dueAt[Number(frame.toString('latin1', 0, frame.indexOf('.')))] ?? 0),
    );
  };
  const sockets = new Map<number, Awaited<ReturnType<typeof subscribeRelay>>['socket']>();
  await openAll(tokens.length, async (at) => {
    const own = rooms.flatMap((members, room) => (members.includes(at) ? [room] : []));
    const { socket } = await subscribeRelay(child.ready.port, onFrame, `/rooms?in=${own.join(',')}`);
    sockets.set(at, socket);
  });
  return {
    send(due) {
      const number = dueAt.push(due) - 1;
      const message = sends[number % sends.length];
      if (message) sockets.get(message.from)?.send(`${message.room} ${`${number}.`.padEnd(bytes, 'x')}`);
    },
    delivered: () => delivered,
    refused: () => 0,
    disordered: () => 0,
    perMessage: (rooms[0]?.length ?? 1) - 1,
    latencies,
    cpu: child.cpu,
    counts: async () => NO_COUNTS,
  };
}

/** What one run of one side came to. */
export interface RoomsRun {
  readonly perSecond: number;
  readonly messages: number;
  readonly delivered: number;
  readonly refused: number;
  readonly deliveredShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly cpu: Cpu;
  readonly counts: Counts;
  /** How late the generator itself was. */
  readonly lateP99Ms: number;
}

const DRAIN_MS = 10_000;

export async function runRooms(side: RoomsSide, plan: Plan): Promise<RoomsRun> {
  const messages = Math.round(plan.perSecond * plan.seconds);
  const before = { delivered: side.delivered(), refused: side.refused() };
  const cpuBefore = await side.cpu();
  const countsBefore = await side.counts();
  side.latencies.clear();
  const lateness = await openLoop(plan, (_, due) => side.send(due));
  const refused = (): number => side.refused() - before.refused;
  const expected = (): number => (messages - refused()) * side.perMessage;
  const delivered = (): number => side.delivered() - before.delivered;
  await until(() => delivered() >= expected(), DRAIN_MS);
  const counts = await side.counts();
  return {
    perSecond: plan.perSecond,
    messages,
    delivered: delivered(),
    refused: refused(),
    deliveredShare: delivered() / expected(),
    p50Ms: side.latencies.at(0.5),
    p99Ms: side.latencies.at(0.99),
    p999Ms: side.latencies.at(0.999),
    cpu: cpuBetween(cpuBefore, await side.cpu()),
    counts: {
      commits: counts.commits - countsBefore.commits,
      sends: counts.sends - countsBefore.sends,
      syncs: counts.syncs - countsBefore.syncs,
    },
    lateP99Ms: lateness.at(0.99),
  };
}

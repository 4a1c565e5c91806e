// People write and read while something is killed again and again; in the end every history must be right.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChannelId } from '#shared/ids.ts';
import { HistoryChecker, type Finding } from './history.ts';
import { readLog, RecordingClient } from './recording-client.ts';
import type { SeededPlace } from './seeded-place.ts';

/** Messages of one chain; it holds 1,000. */
const CHAIN = 900;
const SETTLE_MS = 60_000;

export interface CrashReport {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly stored: number;
  readonly operations: number;
  readonly findings: readonly Finding[];
  /** Messages of the log that were acknowledged but are gone, and that stand in it twice. */
  readonly lost: number;
  readonly doubled: number;
  /** What each round measured: from the start to readiness, in ms. */
  readonly readyMs: readonly number[];
  /** Refusals the writers met on the way. */
  readonly refusals: Readonly<Record<string, number>>;
  /** How sockets ended, and what live events came, over all clients. */
  readonly closeCodes: Readonly<Record<string, number>>;
  readonly heard: Readonly<Record<string, number>>;
}

export interface CrashOptions {
  readonly place: SeededPlace;
  readonly port: number;
  readonly rounds: number;
  /** Milliseconds from when everybody is connected and writes to the next round: at random within. */
  readonly between: readonly [number, number];
  /** Longest pause of a writer between two messages, in ms. */
  readonly pauseMs?: number;
  /** Kills and starts again; answers how long the start took, in ms. */
  readonly hurt: (round: number) => Promise<number>;
}

class Writer {
  acknowledged = 0;
  #stopped = false;
  readonly done: Promise<void>;
  readonly client: RecordingClient;

  constructor(options: { place: SeededPlace; at: number; client: RecordingClient; pauseMs: number }) {
    this.client = options.client;
    this.done = this.#run(options);
  }

  async #run({ place, at, client, pauseMs }: ConstructorParameters<typeof Writer>[0]): Promise<void> {
    const channelId = place.channelIds[at % place.channelIds.length] as ChannelId;
    const person = place.people[at];
    if (!person) throw new Error('no such person');
    let pen = place.pen(person, channelId);
    for (let count = 1; !this.#stopped; count++) {
      if (count % CHAIN === 0) pen = place.pen(person, channelId);
      await client.send(channelId, pen.text(`message ${count}`));
      this.acknowledged += 1;
      await sleep(Math.random() * pauseMs);
    }
  }

  stop(): void {
    this.#stopped = true;
  }
}

/** On a busy machine a start outlasts any pause: nobody would be there to be hurt. */
async function untilAllWrite(writers: readonly Writer[]): Promise<void> {
  const wanted = writers.map(({ acknowledged }) => acknowledged + 3);
  const until = Date.now() + SETTLE_MS;
  while (writers.some(({ acknowledged }, at) => acknowledged < (wanted[at] ?? 0))) {
    if (Date.now() > until) throw new Error('not everybody came back');
    await sleep(10);
  }
}

async function untilAllSeen(
  clients: readonly RecordingClient[],
  heads: ReadonlyMap<ChannelId, number>,
): Promise<void> {
  const until = Date.now() + SETTLE_MS;
  const behind = (): boolean =>
    clients.some((client) => [...heads].some(([channelId, head]) => client.seen(channelId) < head));
  while (behind()) {
    if (Date.now() > until) throw new Error('not everybody caught up');
    await sleep(20);
  }
}

const count = (findings: readonly Finding[], ...kinds: Finding['violation'][]): number =>
  findings.filter(({ violation }) => kinds.includes(violation)).length;

function tally(list: readonly (string | number)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const each of list) counts[each] = (counts[each] ?? 0) + 1;
  return counts;
}

/** Runs the rounds and judges what everybody recorded. */
export async function crashRun(options: CrashOptions): Promise<CrashReport> {
  const { place, port, rounds, between, hurt } = options;
  const checker = new HistoryChecker();
  const clients = place.people.map(
    (person, at) =>
      new RecordingClient({
        name: `client ${at}`,
        port,
        token: () => place.token(person.actor),
        channelIds: place.channelIds,
        checker,
      }),
  );
  const pauseMs = options.pauseMs ?? 100;
  const writers = clients.map((client, at) => new Writer({ place, at, client, pauseMs }));
  const failed = Promise.all(writers.map(({ done }) => done));
  failed.catch(() => undefined);
  const readyMs: number[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      await Promise.race([failed, untilAllWrite(writers)]);
      await Promise.race([failed, sleep(between[0] + Math.random() * (between[1] - between[0]))]);
      readyMs.push(await hurt(round));
    }
    await sleep(between[1]);
    for (const writer of writers) writer.stop();
    await failed;
    const [first] = clients;
    if (!first) throw new Error('nobody is there');
    const heads = new Map<ChannelId, number>();
    let stored = 0;
    for (const channelId of place.channelIds) {
      const log = await readLog(first, channelId);
      heads.set(channelId, log.length);
      stored += log.length;
      checker.finish(channelId, log);
    }
    await untilAllSeen(clients, heads);
    return {
      rounds,
      acknowledged: writers.reduce((sum, writer) => sum + writer.acknowledged, 0),
      stored,
      operations: checker.operations,
      findings: checker.findings,
      lost: count(checker.findings, 'acknowledged but lost'),
      doubled: count(checker.findings, 'one event at two seqs', 'seen twice'),
      readyMs,
      refusals: tally(clients.flatMap(({ refusals }) => refusals)),
      closeCodes: tally(clients.flatMap(({ closeCodes }) => closeCodes)),
      heard: tally(clients.flatMap(({ heard }) => heard)),
    };
  } finally {
    for (const client of clients) client.stop();
  }
}

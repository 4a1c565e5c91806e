// What W7 and W8 share: a server process with a community, many light readers, and writers at a steady pace.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChannelId } from '#shared/ids.ts';
import { HistoryChecker } from '#test/support/history.ts';
import type { Pen } from '#test/support/messages.ts';
import { RecordingClient } from '#test/support/recording-client.ts';
import { seedPlace, type SeededPlace } from '#test/support/seeded-place.ts';
import { freePort, startServerProcess, type ServerProcess } from '#test/support/server-process.ts';
import { LightClient } from './light-client.ts';

const OPENING_AT_ONCE = 50;
const CHAIN = 900;

export interface Stage {
  readonly dataDir: string;
  readonly port: number;
  readonly place: SeededPlace;
  readonly channelId: ChannelId;
  readonly checker: HistoryChecker;
  server: ServerProcess;
  remove(): Promise<void>;
}

/** Builds the server, fills a data folder and starts. */
export async function openStage(people: number): Promise<Stage> {
  execFileSync(process.execPath, ['scripts/build.mjs', '--stale', '--server'], { stdio: 'inherit' });
  const dataDir = mkdtempSync(join(tmpdir(), 'chatalot-storm-'));
  const place = await seedPlace({ dataDir, people, channels: 1 });
  console.error(`${people} people are registered`);
  const port = await freePort();
  const server = await startServerProcess({ dataDir, port, built: true });
  const stage: Stage = {
    dataDir,
    port,
    place,
    channelId: place.channelIds[0] as ChannelId,
    checker: new HistoryChecker(),
    server,
    remove: async () => {
      await stage.server.end('SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  return stage;
}

/** Opens `count` readers, spread over all people, and waits until every one is subscribed. */
export async function openReaders(
  stage: Stage,
  count: number,
  onLive?: (at: number, eventId: string) => void,
): Promise<LightClient[]> {
  const { place, port, channelId } = stage;
  const tokens = await Promise.all(place.people.map(({ actor }) => place.token(actor)));
  const readers: LightClient[] = [];
  const open = (at: number): LightClient =>
    new LightClient({
      port,
      channelId,
      // From the last person on, so that the first ones, who write, have a socket left.
      token: () => tokens.at(-1 - (at % tokens.length)) ?? '',
      ...(onLive ? { onLive: (eventId) => onLive(at, eventId) } : {}),
    });
  while (readers.length < count) {
    for (let i = 0; i < OPENING_AT_ONCE && readers.length < count; i++) readers.push(open(readers.length));
    while (readers.some((reader) => !reader.isOnline)) await sleep(10);
  }
  return readers;
}

export interface Traffic {
  readonly writers: readonly RecordingClient[];
  /** When each message was due (performance.now), by its id. */
  readonly dueAt: ReadonlyMap<string, number>;
  readonly acknowledged: () => number;
  /** Highest seq acknowledged so far. */
  readonly head: () => number;
  /** Sends no more, and resolves when everything sent is acknowledged. */
  stop(): Promise<void>;
}

/** Messages at their planned times, whatever became of the ones before; the first people write, in turn. */
export async function startTraffic(
  stage: Stage,
  options: { readonly perSecond: number; readonly writers: number; readonly textBytes: number },
): Promise<Traffic> {
  const { place, port, channelId, checker } = stage;
  const people = place.people.slice(0, options.writers);
  const token = (at: number) => () => place.token(people[at]?.actor as never);
  const clientOf = (at: number): RecordingClient =>
    new RecordingClient({ name: `writer ${at}`, port, token: token(at), channelIds: [channelId], checker });
  const writers = people.map((_, at) => clientOf(at));
  await Promise.all(writers.map((writer) => writer.ready()));
  const pens: Pen[] = people.map((person) => place.pen(person, channelId));
  const text = 'x'.repeat(options.textBytes);
  const dueAt = new Map<string, number>();
  const open = new Set<Promise<void>>();
  const state = { acknowledged: 0, head: 0, stopped: false };
  const begin = (count: number, due: number): void => {
    const at = count % writers.length;
    const [writer, person] = [writers[at], people[at]];
    if (!writer || !person) return;
    if (Math.floor(count / writers.length) % CHAIN === CHAIN - 1) pens[at] = place.pen(person, channelId);
    const sealed = (pens[at] as Pen).text(text);
    dueAt.set(sealed.eventId, due);
    const sending = writer.send(channelId, sealed).then(({ seq }) => {
      state.acknowledged += 1;
      state.head = Math.max(state.head, seq);
    });
    open.add(sending);
    void sending.finally(() => open.delete(sending));
  };
  const start = performance.now();
  const run = (async () => {
    for (let count = 0; !state.stopped; count++) {
      const due = start + (count * 1000) / options.perSecond;
      if (due > performance.now()) await sleep(due - performance.now());
      begin(count, due);
    }
  })();
  return {
    writers,
    dueAt,
    acknowledged: () => state.acknowledged,
    head: () => state.head,
    stop: async () => {
      state.stopped = true;
      await run;
      while (open.size > 0) await Promise.all([...open]);
    },
  };
}

// W5, history: pages of 50 in a channel of a million messages, the newest and ones far back, asked for in turn over sockets.
// Method and figures: docs/benchmarks.md.
import { performance } from 'node:perf_hooks';
import type { WebSocket } from 'ws';
import { startChild } from './child.ts';
import type { HistoryReady } from './history.child.ts';
import { Latencies, round } from './latency.ts';
import { openLoop, until } from './open-loop.ts';
import { printResult } from './result.ts';
import { subscribeServer } from './subscribers.ts';

const EVENTS = Number(process.env['BENCH_EVENTS'] ?? 1_000_000);
const PAGE = 50;
/** Pages per second, of either kind by turns. */
const rate = Number(process.env['BENCH_RATE'] ?? 40);
const WARM_SECONDS = 3;
const SECONDS = 12;
const P99_AIM_MS = 20;
const TIMES_AIM = 2;
/** tRPC's keep-alive frames are this long. */
const PING_BYTES = 4;

type Kind = 'newest' | 'deep';
interface Asked {
  readonly kind: Kind;
  readonly due: number;
  /** Ordinal of the page's last message. */
  readonly last: number;
}
interface Answer {
  readonly id?: number;
  readonly result?: {
    readonly data: { readonly json: { readonly messages: readonly { ordinal: number }[] } };
  };
}

const filledFrom = performance.now();
const child = await startChild<HistoryReady>('./history.child.ts', [String(EVENTS)]);
const fillSeconds = Math.round((performance.now() - filledFrom) / 1000);
const { port, origin, channelId, tokens, database } = child.ready;
const latencies = { newest: new Latencies(), deep: new Latencies() };
const asked = new Map<number, Asked>();
let wrong = 0;
let answered = 0;

function hear(frame: Buffer): void {
  const { id = 0, result } = JSON.parse(frame.toString()) as Answer;
  const question = asked.get(id);
  if (!question) return;
  asked.delete(id);
  answered += 1;
  latencies[question.kind].record(performance.now() - question.due);
  // The page must be the one asked for: a fast wrong answer is no answer.
  const messages = result?.data.json.messages;
  if (messages?.length !== PAGE || messages.at(-1)?.ordinal !== question.last) wrong += 1;
}

const sockets: WebSocket[] = [];
for (const token of tokens) {
  const { socket } = await subscribeServer({ port, origin, token }, () => undefined);
  socket.on('message', (frame: Buffer) => {
    if (frame.length > PING_BYTES) hear(frame);
  });
  sockets.push(socket);
}

/** Pages far back, spread evenly over all but the newest tenth, in an order that jumps about. */
const depthOf = (at: number): number => PAGE + 1 + ((at * 0.6180339887) % 1) * (EVENTS * 0.9 - PAGE);

let asks = 0;
function ask(at: number, due: number): void {
  const id = 1000 + asks++;
  const kind = at % 2 === 0 ? 'newest' : 'deep';
  const before = Math.floor(depthOf(at)) + 1;
  asked.set(id, { kind, due, last: kind === 'newest' ? EVENTS : before - 1 });
  const json = { channelId, limit: PAGE, ...(kind === 'deep' ? { before } : {}) };
  const params = { path: 'messages.page', input: { json } };
  sockets[at % sockets.length]?.send(JSON.stringify({ id, method: 'query', params }));
}

async function run(seconds: number): Promise<Latencies> {
  const lateness = await openLoop({ perSecond: rate, seconds }, ask);
  await until(() => answered === asks, 10_000);
  return lateness;
}

try {
  await run(WARM_SECONDS);
  latencies.newest.clear();
  latencies.deep.clear();
  const before = { cpu: await child.cpu(), answered, asks };
  const lateness = await run(SECONDS);
  const cpu = await child.cpu();
  const pages = answered - before.answered;
  const p99 = { newest: latencies.newest.at(0.99), deep: latencies.deep.at(0.99) };
  const times = round(Math.max(p99.deep / p99.newest, p99.newest / p99.deep));
  printResult(
    {
      bench: 'W5',
      database,
      events: EVENTS,
      fillSeconds,
      pagesPerSecond: rate,
      messagesPerPage: PAGE,
      newestP50Ms: latencies.newest.at(0.5),
      newestP99Ms: p99.newest,
      deepP50Ms: latencies.deep.at(0.5),
      deepP99Ms: p99.deep,
      answeredShare: pages / (asks - before.asks),
      wrongPages: wrong,
      cpuMicrosecondsPerPage: Math.round(((cpu.total - before.cpu.total) * 1e6) / pages),
      databaseShareOfCpu: round((cpu.database - before.cpu.database) / (cpu.total - before.cpu.total), 3),
      generatorLateP99Ms: lateness.at(0.99),
    },
    [
      { aim: `p99 of newest and deep pages within ${TIMES_AIM}x`, measured: times, met: times <= TIMES_AIM },
      {
        aim: `p99 <= ${P99_AIM_MS} ms`,
        measured: Math.max(p99.newest, p99.deep),
        met: Math.max(p99.newest, p99.deep) <= P99_AIM_MS,
      },
      { aim: 'no page wrong', measured: wrong, met: wrong === 0 },
    ],
  );
} finally {
  await child.stop();
}
process.exit(0);

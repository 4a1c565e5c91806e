// A benchmark's server in its own process: started with tsx, asked over IPC, ended by its own id.
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** CPU seconds, user and system, since the start. */
export interface Cpu {
  /** The server process with all its threads, and the database's processes where it has some. */
  readonly total: number;
  /** What of it is the database's. */
  readonly database: number;
}

export const cpuBetween = (before: Cpu, after: Cpu): Cpu => ({
  total: after.total - before.total,
  database: after.database - before.database,
});

export interface Child<Ready> {
  readonly ready: Ready;
  cpu(): Promise<Cpu>;
  /** Asks one of the questions the child answers (see `serveParent`). */
  ask<T>(question: string): Promise<T>;
  stop(): Promise<void>;
}

interface Answer {
  readonly kind: string;
  readonly value: unknown;
}

function nextAnswer(child: ChildProcess, kind: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const hear = (message: Answer): void => {
      if (message.kind !== kind) return;
      child.off('message', hear);
      child.off('exit', ended);
      resolve(message.value);
    };
    const ended = (code: number | null): void => reject(new Error(`benchmark server ended with ${code}`));
    child.on('message', hear);
    child.once('exit', ended);
  });
}

const profile = process.env['BENCH_PROFILE'];

/** Starts `file` (beside this one) and waits until it says that it is ready. */
export async function startChild<Ready>(file: string, args: readonly string[] = []): Promise<Child<Ready>> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = fork(path, [...args], {
    // BENCH_PROFILE=folder: a V8 CPU profile of the server's main thread is left there.
    execArgv: [
      ...['--import', 'tsx', '--expose-gc'],
      ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []),
    ],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ready = (await nextAnswer(child, 'ready')) as Ready;
  const ask = <T>(question: string): Promise<T> => {
    const answer = nextAnswer(child, question) as Promise<T>;
    child.send(question);
    return answer;
  };
  return {
    ready,
    ask,
    cpu: () => ask<Cpu>('cpu'),
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.send('stop');
      await gone;
    },
  };
}

/** CPU of this process and its threads. */
export function ownSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Bytes of this process after a full collection. */
export interface Memory {
  readonly resident: number;
  /** The JavaScript heap in use, and what it holds outside (buffers). */
  readonly held: number;
}

/** The child's answer to 'memory'. Collects twice: what finalisers let go of is gone only then. */
export function ownMemory(): Memory {
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss, held: heapUsed + external };
}

/** The child's half: answers questions ('cpu' always), ends when told to, and says that it is ready. */
export function serveParent(ready: unknown, answers: Readonly<Record<string, () => unknown>> = {}): void {
  const all: Readonly<Record<string, () => unknown>> = {
    cpu: () => ({ total: ownSeconds(), database: 0 }) satisfies Cpu,
    memory: ownMemory,
    ...answers,
  };
  const answer = async (kind: string): Promise<void> => {
    const value = await all[kind]?.();
    process.send?.({ kind, value });
  };
  process.on('message', (message) => {
    if (message === 'stop') process.exit(0);
    if (typeof message === 'string') void answer(message);
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ kind: 'ready', value: ready });
}

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

export interface Child<Ready> {
  readonly ready: Ready;
  cpu(): Promise<Cpu>;
  stop(): Promise<void>;
}

interface Answer {
  readonly kind: 'ready' | 'cpu';
  readonly value: unknown;
}

function nextAnswer(child: ChildProcess, kind: Answer['kind']): Promise<unknown> {
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
    execArgv: ['--import', 'tsx', ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [])],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ready = (await nextAnswer(child, 'ready')) as Ready;
  return {
    ready,
    cpu: () => {
      const answer = nextAnswer(child, 'cpu') as Promise<Cpu>;
      child.send('cpu');
      return answer;
    },
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

/** The child's half: answers CPU questions, ends when told to, and says that it is ready. */
export function serveParent(
  ready: unknown,
  cpu: () => Cpu = () => ({ total: ownSeconds(), database: 0 }),
): void {
  process.on('message', (message) => {
    if (message === 'stop') process.exit(0);
    if (message === 'cpu') process.send?.({ kind: 'cpu', value: cpu() });
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ kind: 'ready', value: ready });
}

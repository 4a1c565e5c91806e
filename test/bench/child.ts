// A benchmark's server in its own process: started with tsx, asked over IPC, ended by its own id.
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Child<Ready> {
  readonly ready: Ready;
  /** CPU seconds, user and system, this process has used since it started; its threads included. */
  cpuSeconds(): Promise<number>;
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

/** Starts `file` (beside this one) and waits until it says that it is ready. */
export async function startChild<Ready>(file: string, args: readonly string[] = []): Promise<Child<Ready>> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = fork(path, [...args], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ready = (await nextAnswer(child, 'ready')) as Ready;
  return {
    ready,
    cpuSeconds: () => {
      const answer = nextAnswer(child, 'cpu') as Promise<number>;
      child.send('cpu');
      return answer;
    },
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** The child's half: answers CPU questions and says that it is ready. */
export function serveParent(ready: unknown): void {
  process.on('message', (message) => {
    if (message !== 'cpu') return;
    const { user, system } = process.cpuUsage();
    process.send?.({ kind: 'cpu', value: (user + system) / 1e6 });
  });
  process.send?.({ kind: 'ready', value: ready });
}

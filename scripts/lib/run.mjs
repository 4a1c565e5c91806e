// Child processes that never outlive us: started in order or side by side, ended with us, judged by their exit code.
import { spawn } from 'node:child_process';
import { root } from './paths.mjs';

const running = new Set();

/** Ends every child still running. Call in `finally`; signal handlers below call it too. */
export function stopChildren(signal = 'SIGTERM') {
  for (const child of running) {
    try {
      // A detached child leads its own process group: its grandchildren go with it.
      if (child.ownGroup) process.kill(-child.pid, signal);
      else child.kill(signal);
    } catch {
      // already gone
    }
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    stopChildren('SIGTERM');
    process.exitCode = 1;
    const giveUp = () => {
      stopChildren('SIGKILL');
      process.exit(1);
    };
    setTimeout(giveUp, 5_000).unref();
  });
}

/**
 * Starts one command.
 * @param {string[]} command program and arguments; 'node' means this very Node
 * @param {{ env?: object, quiet?: boolean, cwd?: string, ownGroup?: boolean, user?: { uid?: number, gid?: number } }}
 *   [options] quiet collects output; ownGroup makes a process group, so that grandchildren end with it
 * @returns {{ child: import('node:child_process').ChildProcess, done: Promise<{ code: number, output: string }> }}
 */
export function start([program, ...args], { env, quiet = false, cwd = root, ownGroup = false, user } = {}) {
  const child = spawn(program === 'node' ? process.execPath : program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    detached: ownGroup,
    ...user,
  });
  child.ownGroup = ownGroup;
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  const done = new Promise((resolve) => {
    const end = (code) => {
      running.delete(child);
      resolve({ code, output });
    };
    child.on('error', (cause) => {
      output += `${program}: ${cause.message}\n`;
      end(127);
    });
    child.on('close', (code) => end(code ?? 1));
  });
  return { child, done };
}

/** Runs one command to its end and throws when it fails. */
export async function run(command, options) {
  const { code, output } = await start(command, options).done;
  if (code !== 0) {
    throw new Error(`${command.slice(0, 3).join(' ')} … failed (${code})${output ? `\n${output}` : ''}`);
  }
  return output;
}

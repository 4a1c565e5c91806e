// CPU time from /proc, in seconds: of one thread of this process, and of other processes on this machine.
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: what /proc counts in on every Linux we run on. */
const TICKS_PER_SECOND = 100;

/** The fields of a /proc stat file (proc(5)) from the third on, `state`; null when the process is gone. */
function statFields(path: string): readonly string[] | null {
  try {
    const stat = readFileSync(path, 'utf8');
    // The command name, in parentheses, may itself contain spaces.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

const PARENT = 1;
const USER = 11;
const SYSTEM = 12;
const CHILDREN_USER = 13;
const CHILDREN_SYSTEM = 14;

const secondsIn = (fields: readonly string[] | null, ...which: readonly number[]): number =>
  which.reduce((sum, at) => sum + Number(fields?.[at] ?? 0), 0) / TICKS_PER_SECOND;

export const threadIds = (): readonly string[] => readdirSync('/proc/self/task');
export const threadSeconds = (threadId: string): number =>
  secondsIn(statFields(`/proc/self/task/${threadId}/stat`), USER, SYSTEM);

/** The process this one was started by; null when it is gone or on another machine. */
export function parentOf(processId: number): number | null {
  const fields = statFields(`/proc/${processId}/stat`);
  return fields && Number(fields[PARENT]);
}

/** A process with all its children, those that have ended included. */
export function familySeconds(processId: number): number {
  const own = statFields(`/proc/${processId}/stat`);
  const living = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statFields(`/proc/${name}/stat`))
    .filter((fields) => fields?.[PARENT] === String(processId));
  const children = living.reduce((sum, fields) => sum + secondsIn(fields, USER, SYSTEM), 0);
  return secondsIn(own, USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM) + children;
}

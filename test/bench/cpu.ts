// CPU time from /proc, in seconds: of one thread of this process, and of other processes on this machine.
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: what /proc counts in on every Linux we run on. */
const TICKS_PER_SECOND = 100;

/** User and system time of a /proc stat file (proc(5): fields 14 and 15); 0 when it is gone. */
function statSeconds(path: string): number {
  try {
    const stat = readFileSync(path, 'utf8');
    // The command name, in parentheses, may itself contain spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

export const threadIds = (): readonly string[] => readdirSync('/proc/self/task');
export const threadSeconds = (threadId: string): number => statSeconds(`/proc/self/task/${threadId}/stat`);
export const processSeconds = (processId: number): number => statSeconds(`/proc/${processId}/stat`);

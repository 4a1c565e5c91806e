// One process per data folder. PGlite itself takes no lock: a second process would write into the same files and
// silently lose rows. The lock file names its holder; a holder that is gone is recognised and replaced.
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** A holder on another machine (or container) is alive while its lock file is younger than this. */
const STALE_MS = 15_000;
const HEARTBEAT_MS = 5_000;

/** Another process uses the data folder; the message is meant for the person who started the server. */
export class DatabaseLockedError extends Error {
  constructor(folder: string, holder: string) {
    super(
      `The data folder ${folder} is in use by another Chatalot server (${holder}). ` +
        'Stop that one first, or give this one its own folder with DATA_DIR.',
    );
    this.name = 'DatabaseLockedError';
  }
}

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process in clock ticks since boot, where the system tells it: pids are reused. */
  readonly started: string | null;
}

/** Field 22 of /proc/<pid>/stat (proc(5)); null where there is no such file. */
function startTimeOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isAlive(holder: Holder, path: string): boolean {
  if (holder.host !== hostname()) return Date.now() - statSync(path).mtimeMs < STALE_MS;
  try {
    process.kill(holder.pid, 0);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return holder.started === null || holder.started === startTimeOf(holder.pid);
}

function readHolder(path: string): { text: string; holder: Holder } | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return null;
  }
  try {
    return { text, holder: JSON.parse(text) as Holder };
  } catch {
    return { text, holder: { pid: -1, host: hostname(), started: 'damaged' } };
  }
}

/** Moves a dead holder's lock away; puts it back when it turns out to be somebody's fresh one. */
function removeStale(path: string, text: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (readFileSync(aside, 'utf8') !== text) linkSync(aside, path);
  rmSync(aside, { force: true });
}

/**
 * Takes the lock of `folder` (made if missing) and returns the function that gives it back.
 * @throws DatabaseLockedError when a living process, this one included, holds it
 */
export function lockFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'lock');
  const draft = `${path}.${process.pid}.${process.hrtime.bigint()}`;
  const mine: Holder = { pid: process.pid, host: hostname(), started: startTimeOf(process.pid) };
  writeFileSync(draft, JSON.stringify(mine), { flag: 'wx', mode: 0o600 });
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        // link() fails when the name exists, like O_EXCL, but the file appears with its content.
        linkSync(draft, path);
        break;
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
        const found = readHolder(path);
        if (!found) continue;
        if (attempt >= 3 || isAlive(found.holder, path)) {
          throw new DatabaseLockedError(folder, `process ${found.holder.pid} on ${found.holder.host}`);
        }
        removeStale(path, found.text);
      }
    }
  } finally {
    rmSync(draft, { force: true });
  }
  const beat = (): void => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      // Somebody removed the folder under a running server; the next write to it will say so.
    }
  };
  const heartbeat = setInterval(beat, HEARTBEAT_MS);
  heartbeat.unref();
  return () => {
    clearInterval(heartbeat);
    rmSync(path, { force: true });
  };
}

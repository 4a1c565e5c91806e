// Folders for tests that write much: in memory where there is plenty, so that they do not wait for a busy disk.
import { mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ENOUGH_BYTES = 2 * 1024 ** 3;

function parent(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize > ENOUGH_BYTES ? '/dev/shm' : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** A new empty folder; whoever asks removes it. */
export const scratchFolder = (name: string): string => mkdtempSync(join(parent(), `chatalot-${name}-`));

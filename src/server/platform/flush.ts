// Reaching the disk: files, folders and whole trees. A file is only as durable as its name in its folder.
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const AT_ONCE = 32;

/** Flushes a file's data, or a folder's entries. */
export async function flushPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Flushes a folder's entries; nothing where it is gone: its removal is written in its parent. */
export function flushFolder(path: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw cause;
  }
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Flushes every file and folder below `folder`. Many at once: the file system then commits them together. */
export async function flushTree(folder: string, flush = flushPath): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.flatMap((entry) =>
    entry.isFile() || entry.isDirectory() ? [join(entry.parentPath, entry.name)] : [],
  );
  const work = async (): Promise<void> => {
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) await flush(path);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await flush(folder);
}

/** Flushes the folders above a new one, which may be new as well; those we may not open are not ours to have made. */
export async function flushAncestors(folder: string, flush = flushPath): Promise<void> {
  for (let above = dirname(folder), below = folder; above !== below; below = above, above = dirname(above)) {
    await flush(above).catch(() => undefined);
  }
}

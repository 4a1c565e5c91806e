// The embedded database's view of the disk. PGlite's own build never calls fsync; this file system adds the
// missing operation, so that a commit PostgreSQL acknowledges has reached the disk, and counts every call.
import { existsSync, fdatasyncSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { open as openFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';

const SYNCS_AT_ONCE = 32;

/** What the hook uses of PGlite's WASM module; undocumented there, so pglite-worker's tests count real calls. */
interface NodeFsModule {
  FS: { filesystems: { NODEFS: { stream_ops: { fsync?: (stream: { nfd: number }) => number } } } };
}

/**
 * Statements are prepared once and kept for the life of the one connection, often while tables are still empty, and
 * nothing analyses them by itself: plan once, by index, whatever the tables' sizes seem to be (docs/decisions/0004).
 */
export const planParams: readonly string[] = [
  '-c',
  'plan_cache_mode=force_generic_plan',
  '-c',
  'enable_seqscan=off',
];

/** PGlite's start parameters without `-F` (which turns fsync off), with the one sync method the build honours. */
export const durableStartParams = (defaults: readonly string[]): string[] => [
  ...defaults.filter((parameter) => parameter !== '-F'),
  '-c',
  'fsync=on',
  '-c',
  'wal_sync_method=fsync',
  ...planParams,
];

/** NodeFS with real fsync, in place before crash recovery starts. `syncs[0]` counts the calls. */
export class DurableNodeFS extends NodeFS {
  readonly #syncs: Int32Array;

  constructor(folder: string, syncs: Int32Array) {
    super(folder);
    this.#syncs = syncs;
  }

  override async init(pg: PGlite, options: Parameters<NodeFS['init']>[1]): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(pg, options);
    const hook = (module: unknown): void => {
      (module as NodeFsModule).FS.filesystems.NODEFS.stream_ops.fsync = (stream) => {
        Atomics.add(this.#syncs, 0, 1);
        fdatasyncSync(stream.nfd);
        return 0;
      };
    };
    const preRun = emscriptenOpts.preRun ?? [];
    return {
      emscriptenOpts: { ...emscriptenOpts, preRun: [...(Array.isArray(preRun) ? preRun : [preRun]), hook] },
    };
  }
}

async function syncPath(path: string): Promise<void> {
  const file = await openFile(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Flushes every file and folder below `folder`. Many at once: the file system then commits them together. */
async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.flatMap((entry) =>
    entry.isFile() || entry.isDirectory() ? [join(entry.parentPath, entry.name)] : [],
  );
  const work = async (): Promise<void> => {
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) await syncPath(path);
  };
  await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, work));
  await syncPath(folder);
}

/**
 * Runs `initialise` on a scratch folder beside `folder` and moves it into place once everything is on disk,
 * so that a crash during the first start leaves nothing half made.
 */
export async function createDatabaseFolder(
  folder: string,
  initialise: (scratch: string) => Promise<void>,
): Promise<void> {
  if (existsSync(join(folder, 'PG_VERSION'))) return;
  const scratch = `${folder}.new`;
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  await initialise(scratch);
  await syncTree(scratch);
  rmSync(folder, { recursive: true, force: true });
  renameSync(scratch, folder);
  await syncPath(dirname(folder));
}

// The embedded database's view of the disk. PGlite's own build never calls fsync; this file system adds the
// missing operation, for files and for the names in their folders, so that a commit PostgreSQL acknowledges has
// reached the disk, and counts every call. What is proved of it: test/server/platform/power-cut.test.ts.
import { existsSync, fdatasyncSync, fstatSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { flushAncestors, flushFolder, flushPath, flushTree } from './flush.ts';

/** An entry of PGlite's file tree; `parent` is its folder. */
export interface HostNode {
  readonly parent: HostNode;
}

/** What the hook uses of PGlite's WASM module; undocumented there, so tests count real calls and cut the power. */
export interface HostFileSystem {
  /** Path of the entry outside PGlite. */
  realPath(node: HostNode): string;
  /** Turns Node's errors into errno values that PostgreSQL understands. */
  tryFSOperation<T>(operation: () => T): T;
  readonly node_ops: {
    mknod(folder: HostNode, name: string, mode: number, device: number): HostNode;
    rename(node: HostNode, folder: HostNode, name: string): void;
    unlink(folder: HostNode, name: string): void;
    rmdir(folder: HostNode, name: string): void;
    symlink(folder: HostNode, name: string, target: string): void;
    setattr(node: HostNode, change: { readonly size?: number }): void;
  };
  readonly stream_ops: {
    write(stream: HostStream, buffer: Uint8Array, offset: number, length: number, position: number): number;
    setattr(stream: HostStream, change: { readonly size?: number }): void;
    fsync?: (stream: HostStream) => number;
  };
}

export interface HostStream {
  readonly nfd: number;
  readonly node: HostNode;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

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

/** Where flushes go: the operating system, or a test's model of a disk. */
export interface Flusher {
  file(path: string, descriptor: number): void;
  folder(path: string): void;
}

/** The real one; `syncs` counts files at 0 and folders at 1. A folder's entries are not data: it takes fsync. */
export const countingFlusher = (syncs: Int32Array): Flusher => ({
  file: (_path, descriptor) => {
    fdatasyncSync(descriptor);
    Atomics.add(syncs, 0, 1);
  },
  folder: (path) => {
    flushFolder(path);
    Atomics.add(syncs, 1, 1);
  },
});

/**
 * Gives the file system an fsync. A file's data is worth nothing without its name, so folders whose entries changed
 * are flushed first: whatever PostgreSQL calls durable then includes every file made, renamed or removed before it.
 */
function makeDurable(disk: HostFileSystem, flusher: Flusher): void {
  const changed = new Set<string>();
  const note = (folder: HostNode): void => void changed.add(disk.realPath(folder));
  const names = disk.node_ops as Mutable<HostFileSystem['node_ops']>;
  const { mknod, rename, unlink, rmdir, symlink } = disk.node_ops;
  names.mknod = (folder, ...rest) => {
    const node = mknod(folder, ...rest);
    note(folder);
    return node;
  };
  names.rename = (node, folder, name) => {
    const before = node.parent;
    rename(node, folder, name);
    note(before);
    note(folder);
  };
  names.unlink = (folder, name) => {
    unlink(folder, name);
    note(folder);
  };
  names.rmdir = (folder, name) => {
    rmdir(folder, name);
    note(folder);
  };
  names.symlink = (folder, ...rest) => {
    symlink(folder, ...rest);
    note(folder);
  };
  (disk.stream_ops as Mutable<HostFileSystem['stream_ops']>).fsync = (stream) =>
    disk.tryFSOperation(() => {
      for (const folder of changed) {
        flusher.folder(folder);
        changed.delete(folder);
      }
      const path = disk.realPath(stream.node);
      if (fstatSync(stream.nfd).isDirectory()) flusher.folder(path);
      else flusher.file(path, stream.nfd);
      return 0;
    });
}

/** NodeFS with real fsync, in place before crash recovery starts. */
export class DurableNodeFS extends NodeFS {
  readonly #flusher: Flusher;
  readonly #onMount: ((disk: HostFileSystem) => void) | undefined;

  /** `onMount` sees the file system before it is made durable: tests watch or break it there. */
  constructor(folder: string, flusher: Flusher, onMount?: (disk: HostFileSystem) => void) {
    super(folder);
    this.#flusher = flusher;
    this.#onMount = onMount;
  }

  override async init(pg: PGlite, options: Parameters<NodeFS['init']>[1]): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(pg, options);
    const hook = (module: unknown): void => {
      const disk = (module as { FS: { filesystems: { NODEFS: HostFileSystem } } }).FS.filesystems.NODEFS;
      this.#onMount?.(disk);
      makeDurable(disk, this.#flusher);
    };
    const preRun = emscriptenOpts.preRun ?? [];
    return {
      emscriptenOpts: { ...emscriptenOpts, preRun: [...(Array.isArray(preRun) ? preRun : [preRun]), hook] },
    };
  }
}

/**
 * Runs `initialise` on a scratch folder beside `folder` and moves it into place once everything is on disk,
 * so that a crash during the first start leaves nothing half made.
 */
export async function createDatabaseFolder(
  folder: string,
  initialise: (scratch: string) => Promise<void>,
  flush = flushPath,
): Promise<void> {
  if (existsSync(join(folder, 'PG_VERSION'))) return;
  const scratch = `${folder}.new`;
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  await initialise(scratch);
  await flushTree(scratch, flush);
  rmSync(folder, { recursive: true, force: true });
  renameSync(scratch, folder);
  await flush(dirname(folder));
  await flushAncestors(dirname(folder), flush);
}

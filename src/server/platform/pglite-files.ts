// The embedded database's view of the disk. PGlite's own build never calls fsync; this file system adds the
// missing operation, for files and for the names in their folders, so that a commit PostgreSQL acknowledges has
// reached the disk, and counts every call. What is proved of it: test/server/platform/power-cut.test.ts.
import { existsSync, fdatasyncSync, mkdirSync, renameSync, rmSync } from 'node:fs';
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
    mknod: (...at: readonly [folder: HostNode, name: string, mode: number, device: number]) => HostNode;
    rename: (node: HostNode, folder: HostNode, name: string) => void;
    unlink: (folder: HostNode, name: string) => void;
    rmdir: (folder: HostNode, name: string) => void;
    symlink: (folder: HostNode, name: string, target: string) => void;
    setattr: (node: HostNode, change: { readonly size?: number }) => void;
  };
  readonly stream_ops: {
    write: (
      ...what: readonly [
        stream: HostStream,
        buffer: Uint8Array,
        offset: number,
        length: number,
        position: number,
      ]
    ) => number;
    setattr: (stream: HostStream, change: { readonly size?: number }) => void;
    fsync?: (stream: HostStream) => number;
  };
}

export interface HostStream {
  readonly nfd: number;
  readonly node: HostNode;
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

/** Entries whose names or content are not on the disk yet, by path. Everything else was flushed before the start. */
interface Unflushed {
  readonly folders: Set<string>;
  readonly files: Set<string>;
}

function watchNames(disk: HostFileSystem, unflushed: Unflushed): void {
  const { mknod, rename, unlink, rmdir, symlink } = disk.node_ops;
  const note = (folder: HostNode): void => void unflushed.folders.add(disk.realPath(folder));
  const removing = (remove: typeof unlink) => (folder: HostNode, name: string) => {
    remove(folder, name);
    unflushed.files.delete(join(disk.realPath(folder), name));
    note(folder);
  };
  const watched: Pick<typeof disk.node_ops, 'mknod' | 'rename' | 'unlink' | 'rmdir' | 'symlink'> = {
    mknod: (folder, name, ...rest) => {
      const node = mknod(folder, name, ...rest);
      unflushed.files.add(join(disk.realPath(folder), name));
      note(folder);
      return node;
    },
    rename: (node, folder, name) => {
      const [before, from] = [node.parent, disk.realPath(node)];
      rename(node, folder, name);
      const to = join(disk.realPath(folder), name);
      if (unflushed.files.delete(from)) unflushed.files.add(to);
      else unflushed.files.delete(to);
      note(before);
      note(folder);
    },
    unlink: removing(unlink),
    rmdir: removing(rmdir),
    symlink: (folder, ...rest) => {
      symlink(folder, ...rest);
      note(folder);
    },
  };
  Object.assign(disk.node_ops, watched);
}

function watchContent(disk: HostFileSystem, { files }: Unflushed): void {
  const { write, setattr } = disk.stream_ops;
  const setNode = disk.node_ops.setattr;
  Object.assign(disk.node_ops, {
    setattr: (...[node, change]: Parameters<typeof setNode>) => {
      if (change.size !== undefined) files.add(disk.realPath(node));
      setNode(node, change);
    },
  });
  Object.assign(disk.stream_ops, {
    setattr: (...[stream, change]: Parameters<typeof setattr>) => {
      if (change.size !== undefined) files.add(disk.realPath(stream.node));
      setattr(stream, change);
    },
    write: (...[stream, ...rest]: Parameters<typeof write>) => {
      files.add(disk.realPath(stream.node));
      return write(stream, ...rest);
    },
  });
}

/**
 * Gives the file system an fsync. A file's data is worth nothing without its name, so folders whose entries changed
 * are flushed first: whatever PostgreSQL calls durable then includes every file made, renamed or removed before it.
 * Files nobody wrote are not flushed again: crash recovery asks for every single one.
 */
function makeDurable(disk: HostFileSystem, flusher: Flusher): void {
  const unflushed: Unflushed = { folders: new Set(), files: new Set() };
  watchNames(disk, unflushed);
  watchContent(disk, unflushed);
  const fsync = (stream: HostStream): number =>
    disk.tryFSOperation(() => {
      for (const folder of unflushed.folders) {
        flusher.folder(folder);
        unflushed.folders.delete(folder);
      }
      const path = disk.realPath(stream.node);
      // Noted as flushed only after it is: a failed flush must be tried again (PostgreSQL then ends anyway).
      if (unflushed.files.has(path)) flusher.file(path, stream.nfd);
      unflushed.files.delete(path);
      return 0;
    });
  Object.assign(disk.stream_ops, { fsync });
}

/** NodeFS with real fsync, in place before crash recovery starts. What the folder holds must have been flushed. */
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
 * Makes sure that `folder` is a database folder and on the disk. A new one comes from `initialise`, which works on a
 * scratch folder; that is moved into place once everything is flushed, so that a crash leaves nothing half made.
 */
export async function prepareDatabaseFolder(
  folder: string,
  initialise: (scratch: string) => Promise<void>,
  flush = flushPath,
): Promise<void> {
  // A process that was killed may have left writes the operating system has not carried out yet.
  if (existsSync(join(folder, 'PG_VERSION'))) return flushTree(folder, flush);
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

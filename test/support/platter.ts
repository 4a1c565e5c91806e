// A disk that forgets what was not flushed. It watches the embedded database's file operations and knows, for every
// moment, what a power cut would leave: flushed data under flushed names, and of the rest nothing or any part.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Flusher, HostFileSystem, HostNode } from '#server/platform/pglite-files.ts';

const PAGE = 8192;

/** A file apart from its names, from its first change on; `flushed` is what the disk holds of it. */
interface Inode {
  flushed: Buffer;
  readonly isFolder: boolean;
  /** Pages written since the last flush. */
  readonly dirty: Set<number>;
  /** Smallest size since the last flush, where the file was cut. */
  cutTo: number;
}

/** One change of names: atomic, as journaling file systems make it. */
interface NameChange {
  readonly folders: readonly string[];
  readonly gone?: string;
  readonly made?: { readonly path: string; readonly inode: Inode };
}

const resized = (content: Buffer, size: number): Buffer =>
  size <= content.length
    ? content.subarray(0, size)
    : Buffer.concat([content, Buffer.alloc(size - content.length)]);

export class Platter implements Flusher {
  readonly #folder: string;
  readonly #live = new Map<string, Inode>();
  /** Names on the disk that have changed at some time, and what they stand for; null: nothing. */
  readonly #kept = new Map<string, Inode | null>();
  #pending: NameChange[] = [];

  /** Everything in `folder` counts as flushed. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  file(path: string): void {
    const inode = this.#touched(path);
    const live = readFileSync(path);
    const content = Buffer.from(resized(inode.flushed.subarray(0, inode.cutTo), live.length));
    for (const page of inode.dirty) live.copy(content, page * PAGE, page * PAGE, (page + 1) * PAGE);
    inode.flushed = content;
    inode.dirty.clear();
    inode.cutTo = Infinity;
  }

  folder(path: string): void {
    const isNow = (change: NameChange): boolean => change.folders.includes(path);
    for (const change of this.#pending.filter(isNow)) this.#keep(change);
    this.#pending = this.#pending.filter((change) => !isNow(change));
  }

  /** Watches PGlite's file system: given to DurableNodeFS. */
  readonly watch = (disk: HostFileSystem): void => {
    this.#watchNames(disk);
    this.#watchContent(disk);
  };

  #watchNames(disk: HostFileSystem): void {
    const { mknod, rename, unlink, rmdir } = disk.node_ops;
    const removing = (remove: typeof unlink) => (folder: HostNode, name: string) => {
      const path = join(disk.realPath(folder), name);
      this.#remember(path);
      remove(folder, name);
      this.#live.delete(path);
      this.#pending.push({ folders: [dirname(path)], gone: path });
    };
    Object.assign(disk.node_ops, {
      mknod: (...[folder, name, ...rest]: Parameters<typeof mknod>) => {
        const path = join(disk.realPath(folder), name);
        this.#remember(path);
        const node = mknod(folder, name, ...rest);
        const isFolder = statSync(path).isDirectory();
        const inode: Inode = { flushed: Buffer.alloc(0), isFolder, dirty: new Set(), cutTo: Infinity };
        this.#live.set(path, inode);
        this.#pending.push({ folders: [dirname(path)], made: { path, inode } });
        return node;
      },
      rename: (...[node, folder, name]: Parameters<typeof rename>) => {
        const [from, to] = [disk.realPath(node), join(disk.realPath(folder), name)];
        this.#remember(from);
        this.#remember(to);
        const inode = this.#touched(from);
        rename(node, folder, name);
        this.#live.delete(from);
        this.#live.set(to, inode);
        const made = { path: to, inode };
        this.#pending.push({ folders: [dirname(from), dirname(to)], gone: from, made });
      },
      unlink: removing(unlink),
      rmdir: removing(rmdir),
    });
  }

  #watchContent(disk: HostFileSystem): void {
    const { write, setattr } = disk.stream_ops;
    const setNode = disk.node_ops.setattr;
    const resize = (path: string, size: number | undefined): void => {
      if (size === undefined) return;
      const inode = this.#touched(path);
      inode.cutTo = Math.min(inode.cutTo, size);
    };
    Object.assign(disk.node_ops, {
      setattr: (...[node, change]: Parameters<typeof setNode>) => {
        resize(disk.realPath(node), change.size);
        setNode(node, change);
      },
    });
    Object.assign(disk.stream_ops, {
      write: (...[stream, buffer, offset, length, position]: Parameters<typeof write>) => {
        const inode = this.#touched(disk.realPath(stream.node));
        const written = write(stream, buffer, offset, length, position);
        for (let at = Math.floor(position / PAGE); at * PAGE < position + written; at++) inode.dirty.add(at);
        return written;
      },
      setattr: (...[stream, change]: Parameters<typeof setattr>) => {
        resize(disk.realPath(stream.node), change.size);
        setattr(stream, change);
      },
    });
  }

  /**
   * Cuts the power: makes `target` what a disk holds now. `survives` decides of each unflushed page whether it was
   * written all the same, and of unflushed names (in the order of their changes) how many.
   */
  cut(target: string, survives: () => boolean = () => false): void {
    cpSync(this.#folder, target, { recursive: true });
    const kept = new Map(this.#kept);
    for (const change of this.#pending) {
      if (!survives()) break;
      if (change.gone) kept.set(change.gone, null);
      if (change.made) kept.set(change.made.path, change.made.inode);
    }
    const livePath = new Map([...this.#live].map(([path, inode]) => [inode, path]));
    for (const [path, inode] of this.#live) if (!kept.has(path)) kept.set(path, inode);
    for (const [path, inode] of [...kept].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const copy = join(target, relative(this.#folder, path));
      if (inode === null) rmSync(copy, { recursive: true, force: true });
      else if (inode.isFolder) mkdirSync(copy, { recursive: true });
      else this.#write(copy, { inode, live: livePath.get(inode), survives });
    }
  }

  #write(copy: string, file: { inode: Inode; live: string | undefined; survives: () => boolean }): void {
    const { inode, live, survives } = file;
    let content = inode.flushed;
    if (live !== undefined && inode.dirty.size > 0) {
      const now = readFileSync(live);
      const lucky = [...inode.dirty].filter(survives);
      const size = Math.max(content.length, ...lucky.map((page) => Math.min(now.length, (page + 1) * PAGE)));
      content = Buffer.from(resized(content, size));
      for (const page of lucky) now.copy(content, page * PAGE, page * PAGE, (page + 1) * PAGE);
    }
    mkdirSync(dirname(copy), { recursive: true });
    writeFileSync(copy, content);
  }

  /** The file at `path` just before it changes: what it holds is remembered the first time. */
  #touched(path: string): Inode {
    const known = this.#live.get(path);
    if (known) return known;
    const isFolder = statSync(path).isDirectory();
    const flushed = isFolder ? Buffer.alloc(0) : readFileSync(path);
    const inode: Inode = { flushed, isFolder, dirty: new Set(), cutTo: Infinity };
    this.#live.set(path, inode);
    return inode;
  }

  /** What the name `path` stands for on the disk, before its first change: the same as in memory. */
  #remember(path: string): void {
    if (!this.#kept.has(path)) this.#kept.set(path, existsSync(path) ? this.#touched(path) : null);
  }

  #keep(change: NameChange): void {
    if (change.gone) this.#kept.set(change.gone, null);
    if (change.made) this.#kept.set(change.made.path, change.made.inode);
  }
}

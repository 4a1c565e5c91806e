// Reads a JSON vector file under test/crypto/vectors.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

function pathOf(name: string): string {
  return fileURLToPath(new URL(`../vectors/${name}`, import.meta.url));
}

/** The parsed content of vectors/<name>; the caller names its shape. */
export function loadVectors<T>(name: string): T {
  return JSON.parse(readFileSync(pathOf(name), 'utf8')) as T;
}

/**
 * Returns the frozen vectors vectors/own/<name>. A missing file fails, unless WRITE_VECTORS=1: then it is made from
 * `fresh` once (an existing file is never overwritten: changing it is a break of the wire and is done by hand).
 */
export function frozenVectors<T>(name: string, fresh: T): T {
  const path = pathOf(`own/${name}`);
  if (!existsSync(path)) {
    if (process.env['WRITE_VECTORS'] !== '1') throw new Error(`frozen vectors own/${name} are missing`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify(fresh, null, 2)}\n`);
  }
  return loadVectors<T>(`own/${name}`);
}

// Is a build product still true? Each product keeps the hash of everything it was made from.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from './paths.mjs';

const SHARED_INPUTS = ['package.json', 'package-lock.json', 'scripts/lib/products.mjs'];

function* filesUnder(path) {
  if (!existsSync(path)) return;
  if (statSync(path).isFile()) {
    yield path;
    return;
  }
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.name !== 'generated' && entry.name !== 'migrations') yield* filesUnder(join(path, entry.name));
  }
}

/** SHA-256 over names and contents of `inputs` (files or folders relative to the root). */
function fingerprint(inputs) {
  const hash = createHash('sha256');
  const files = [...SHARED_INPUTS, ...inputs].flatMap((input) => [...filesUnder(join(root, input))]);
  for (const file of files.sort())
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  return hash.digest('hex');
}

/** @param {{ inputs: string[], stamp: string, output: string }} product */
export function isStale({ inputs, stamp, output }) {
  const file = join(root, stamp);
  if (!existsSync(join(root, output)) || !existsSync(file)) return true;
  return readFileSync(file, 'utf8') !== fingerprint(inputs);
}

/** Records that `product` was just made from its inputs as they are now. */
export function markFresh({ inputs, stamp }) {
  const file = join(root, stamp);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, fingerprint(inputs));
}

#!/usr/bin/env node
// The command line of a clone: builds what is missing or out of date, then becomes `chatalot` (src/server/operations).
// In the image it is `node dist/server/chatalot.process.js`.
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './lib/paths.mjs';
import { products } from './lib/products.mjs';
import { isStale } from './lib/stamps.mjs';

/** The browser's client is not needed to look after a server. */
if (products.slice(0, 2).some(isStale)) {
  const build = spawnSync(process.execPath, [join(root, 'scripts/build.mjs'), '--stale', '--server'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (build.status !== 0) process.exit(build.status ?? 1);
}
// Files are meant where the command was typed, the data folder where `npm start` has it.
const [verb, file] = process.argv.slice(2);
if (file !== undefined && ['backup', 'restore', 'verify'].includes(verb)) process.argv[3] = resolve(file);
process.chdir(root);
process.setSourceMapsEnabled(true);
await import(pathToFileURL(join(root, 'dist/server/chatalot.process.js')).href);

// npm start: builds what is missing or out of date, then becomes the server. The server runs in this very process,
// so Ctrl-C and SIGTERM reach it directly and nothing has to be forwarded.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './lib/paths.mjs';
import { products } from './lib/products.mjs';
import { isStale } from './lib/stamps.mjs';

process.env.NODE_ENV ??= 'production';
process.chdir(root);

if (products.some(isStale)) {
  console.log('Building Chatalot (only when something changed) …');
  // A child, so that the bundlers' memory is gone before the server runs.
  const build = spawnSync(process.execPath, [join(root, 'scripts/build.mjs'), '--stale'], {
    stdio: 'inherit',
  });
  if (build.status !== 0) process.exit(build.status ?? 1);
}

process.setSourceMapsEnabled(true);
await import(pathToFileURL(join(root, 'dist/server/main.js')).href);

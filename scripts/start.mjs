// npm start: builds what is missing or out of date, then becomes the server. The server runs in this very process,
// so Ctrl-C and SIGTERM reach it directly and nothing has to be forwarded.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './lib/paths.mjs';
import { products } from './lib/products.mjs';
import { isStale } from './lib/stamps.mjs';

process.chdir(root);
if (existsSync('.env')) process.loadEnvFile('.env'); // what the environment already says wins
process.env.NODE_ENV ??= 'production';

if (products.some(isStale)) {
  console.log('Building Chatalot (only when something changed) …');
  // A child, so that the bundlers' memory is gone before the server runs.
  const build = spawnSync(process.execPath, [join(root, 'scripts/build.mjs'), '--stale'], {
    stdio: 'inherit',
  });
  if (build.status !== 0) process.exit(build.status ?? 1);
}

// npm passes SIGTERM and SIGINT only to the shell between us, which dies of them and leaves us behind: being left
// behind counts as being asked to stop. (In a terminal Ctrl-C reaches us directly.)
if (process.env.npm_lifecycle_event === 'start') {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  watch.unref();
}

process.setSourceMapsEnabled(true);
await import(pathToFileURL(join(root, 'dist/server/main.js')).href);

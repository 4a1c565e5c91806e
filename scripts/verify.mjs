// npm run verify: every gate that needs no running product, as many side by side as there are cores.
// `npm run verify -- lint types` runs only those.
import { availableParallelism } from 'node:os';
import { bin } from './lib/paths.mjs';
import { run, start, stopChildren } from './lib/run.mjs';

/** Slowest first, so that the last one to finish is a short one. */
const GATES = {
  drift: ['scripts/db-diff.mjs'],
  lint: [bin('eslint/bin/eslint.js'), '.', '--max-warnings', '0'],
  'client-types': [
    bin('svelte-check/bin/svelte-check'),
    ...['--tsconfig', './tsconfig.client.json', '--output', 'human', '--fail-on-warnings'],
  ],
  types: [bin('typescript/bin/tsc'), '--noEmit', '-p', 'tsconfig.json'],
  // What the tests run is then there; lint alone keeps the other core busy as long as all the rest takes.
  build: ['scripts/build.mjs', '--stale'],
  architecture: [bin('vitest/vitest.mjs'), 'run', '--project', 'architecture', '--reporter', 'dot'],
  imports: [
    bin('dependency-cruiser/bin/dependency-cruise.mjs'),
    ...['src', 'test', '--config', '.dependency-cruiser.cjs', '--output-type', 'err-long'],
  ],
  'dead-code': [bin('knip/bin/knip.js'), '--no-progress'],
  format: [bin('prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.'],
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in GATES));
if (unknown.length > 0) {
  console.error(`Unknown gate ${unknown.join(', ')}. There are: ${Object.keys(GATES).join(', ')}`);
  process.exit(1);
}
const queue = Object.entries(GATES).filter(([name]) => asked.length === 0 || asked.includes(name));
const failed = [];

async function work() {
  for (let gate = queue.shift(); gate; gate = queue.shift()) {
    const [name, command] = gate;
    const began = performance.now();
    const { code, output } = await start(['node', ...command], {
      quiet: true,
      ownGroup: true,
      env: { NO_COLOR: '1' },
    }).done;
    const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(6);
    if (code !== 0) failed.push(name);
    console.log(
      `${code === 0 ? 'ok    ' : 'FAILED'} ${seconds} s  ${name}${code === 0 ? '' : `\n${output.trimEnd()}\n`}`,
    );
  }
}

try {
  await run(['node', 'scripts/build.mjs', '--stale', '--generate']);
  await Promise.all(Array.from({ length: Math.max(1, Math.min(availableParallelism(), 4)) }, work));
} finally {
  stopChildren();
}
console.log(failed.length === 0 ? 'verify: all gates passed' : `verify: ${failed.join(', ')} failed`);
process.exitCode = failed.length === 0 ? (process.exitCode ?? 0) : 1;

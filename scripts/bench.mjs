// npm run bench -- W1 | crypto | …: builds what is stale and runs test/bench/<name>.bench.ts. The last line a benchmark
// prints is one JSON object.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib/paths.mjs';
import { run, start } from './lib/run.mjs';

const folder = join(root, 'test/bench');
const [name = '', ...rest] = process.argv.slice(2);
const file = join(folder, `${name.toLowerCase()}.bench.ts`);
if (!/^[\w-]+$/.test(name) || !existsSync(file)) {
  const known = existsSync(folder) ? readdirSync(folder).filter((entry) => entry.endsWith('.bench.ts')) : [];
  console.error(
    `Usage: npm run bench -- <name>. There are: ${known.map((entry) => entry.slice(0, -9)).join(', ') || 'none'}`,
  );
  process.exit(1);
}
await run(['node', 'scripts/build.mjs', '--stale', '--generate'], { quiet: true });
const bench = start(['node', '--import', 'tsx', file, ...rest], { env: { NODE_ENV: 'production' } });
process.exitCode = (await bench.done).code;

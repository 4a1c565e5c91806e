// npm test: builds, runs every suite and ends with one line, `N passed, N failed`.
// `npm test -- crypto server` runs only those (crypto, server, architecture, client, e2e).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireChromium } from './lib/chromium.mjs';
import { bin } from './lib/paths.mjs';
import { openTestPostgres } from './lib/postgres.mjs';
import { Results } from './lib/results.mjs';
import { run, start, stopChildren } from './lib/run.mjs';

const SUITES = ['crypto', 'server', 'architecture', 'client', 'e2e'];
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !SUITES.includes(name));
if (unknown.length > 0) {
  console.error(`Unknown suite ${unknown.join(', ')}. There are: ${SUITES.join(', ')}`);
  process.exit(1);
}
const wanted = asked.length > 0 ? asked : SUITES;

const results = new Results();
const folder = mkdtempSync(join(tmpdir(), 'chatalot-test-'));

/** Child environment: tests must not see the developer's own instance. */
const cleanEnv = { DATABASE_URL: '', DATA_DIR: '', NODE_ENV: 'test', CI: process.env.CI ?? '' };
/** For the client's tests, whose servers are the build when it is there (test/e2e/support/server.ts). */
const built = { CHATALOT_TEST_BUILD: '1' };

async function vitest(label, projects, env = {}) {
  if (projects.length === 0) return;
  heading(label);
  const file = join(folder, `${results.passed}-${projects.join('-')}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const command = [
    'node',
    bin('vitest/vitest.mjs'),
    'run',
    ...reporters,
    ...projects.flatMap((p) => ['--project', p]),
  ];
  const { code } = await start(command, { env: { ...cleanEnv, ...env }, ownGroup: true }).done;
  results.addVitest({ label, file, code });
}

async function serverOnPostgres() {
  if (!wanted.includes('server')) return;
  const postgres = await openTestPostgres();
  if (postgres === null) {
    console.log(
      '\nNo PostgreSQL found (DATABASE_URL, /usr/lib/postgresql): server tests ran on PGlite only.',
    );
    return;
  }
  try {
    await vitest('PostgreSQL', ['server'], { TEST_DATABASE_URL: postgres.url });
  } finally {
    await postgres.stop();
  }
}

async function browser() {
  if (!wanted.includes('e2e')) return;
  heading('browser');
  const env = {
    ...cleanEnv,
    CHROMIUM_PATH: await requireChromium(),
    PLAYWRIGHT_JSON_OUTPUT_NAME: join(folder, 'browser.json'),
  };
  const { code } = await start(['node', bin('@playwright/test/cli.js'), 'test'], { env, ownGroup: true })
    .done;
  results.addPlaywright({ label: 'browser', file: env.PLAYWRIGHT_JSON_OUTPUT_NAME, code });
}

function heading(text) {
  console.log(`\n── ${text} ──`);
}

/** One step's breakdown must not hide the others' results. */
async function step(label, work) {
  try {
    await work();
  } catch (cause) {
    results.addFailure(`${label} · ${cause.message}`);
  }
}

try {
  const build = wanted.includes('e2e') ? [] : wanted.includes('client') ? ['--server'] : ['--generate'];
  await run(['node', 'scripts/build.mjs', '--stale', ...build]);
  const unit = SUITES.slice(0, -1).filter((name) => wanted.includes(name));
  await step('unit', () =>
    vitest(unit.includes('server') ? 'unit, PGlite' : 'unit', unit, unit.includes('client') ? built : {}),
  );
  await step('PostgreSQL', serverOnPostgres);
  await step('browser', browser);
} catch (cause) {
  results.addFailure(`build · ${cause.message}`);
} finally {
  stopChildren('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

if (results.failures.length > 0)
  console.log(`\nFailed:\n${results.failures.map((line) => `  ✗ ${line}`).join('\n')}`);
console.log(`\n${results.summary()}`);
process.exitCode = results.failures.length > 0 || results.passed === 0 ? 1 : (process.exitCode ?? 0);

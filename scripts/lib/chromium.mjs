// Finds a Chromium for the browser journeys, or gets one by the platform's usual means.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { bin } from './paths.mjs';
import { start } from './run.mjs';

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const FIXED = [
  '/usr/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];
const DEBIAN_PACKAGES = ['chromium', 'fonts-liberation', 'fonts-noto-color-emoji'];

/** Playwright's own downloads, newest first. */
function playwrightBrowsers() {
  const cache = process.env.PLAYWRIGHT_BROWSERS_PATH ?? join(homedir(), '.cache/ms-playwright');
  const mac = join(homedir(), 'Library/Caches/ms-playwright');
  return [cache, mac].filter(existsSync).flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /^chromium-\d+$/.test(name))
      .sort((a, b) => Number(b.slice(9)) - Number(a.slice(9)))
      .flatMap((name) => [
        join(folder, name, 'chrome-linux/chrome'),
        join(folder, name, 'chrome-linux64/chrome'),
        join(folder, name, 'chrome-mac/Chromium.app/Contents/MacOS/Chromium'),
      ]),
  );
}

/** The path of a Chromium that exists now, or undefined. */
export function findChromium() {
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => COMMANDS.map((name) => join(folder, name)));
  return [...FIXED, ...onPath, ...playwrightBrowsers()].find(existsSync);
}

function isDebian() {
  return (
    existsSync('/usr/bin/apt-get') && /ID(_LIKE)?=.*debian/.test(readFileSync('/etc/os-release', 'utf8'))
  );
}

async function tryInstall(command, env) {
  console.log(`No Chromium found. Trying: ${command.join(' ')}`);
  return (await start(command, { env }).done).code === 0;
}

/**
 * The path of a Chromium, installing one when needed.
 * @throws {Error} naming exactly what to install
 */
export async function requireChromium() {
  const given = process.env.CHROMIUM_PATH;
  if (given) {
    if (existsSync(given)) return given;
    throw new Error(`CHROMIUM_PATH is ${given}, but there is no such file.`);
  }
  const found = findChromium();
  if (found) return found;
  if (process.getuid?.() === 0 && isDebian()) {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await tryInstall(['apt-get', 'update', '-qq'], env);
    await tryInstall(['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...DEBIAN_PACKAGES], env);
  } else {
    await tryInstall(['node', bin('@playwright/test/cli.js'), 'install', 'chromium']);
  }
  const installed = findChromium();
  if (installed) return installed;
  throw new Error(
    [
      'The browser tests need Chromium or Chrome, and none could be found or installed.',
      `Debian, Ubuntu: sudo apt-get install ${DEBIAN_PACKAGES.join(' ')}`,
      'Fedora: sudo dnf install chromium   macOS: brew install --cask chromium',
      'Anywhere: npx playwright install chromium, or set CHROMIUM_PATH to an installed one.',
    ].join('\n'),
  );
}
